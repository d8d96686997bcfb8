//! The suite every file system passes: by kernel handles, by an index and by numbers, on a disk and
//! in memory, at once and by way of threads that may block.
mod common;

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use common::{TempDir, indexed, is_root, open, options, unprivileged};
use holdfast_localfs::Options;
use holdfast_vfs::conformance::{Features, Subject};

thread_local! {
    /// The directory of this thread's case: it goes when the thread ends.
    static DIR: RefCell<Option<TempDir>> = const { RefCell::new(None) };
    /// The directory of its index.
    static STATE: RefCell<Option<TempDir>> = const { RefCell::new(None) };
}

fn subject(below: &Path, options: Options) -> Subject {
    let privileged = is_root() && !options.force_unprivileged;
    let dir = TempDir::new(below);
    let fs = Arc::new(open(dir.path(), options));
    DIR.set(Some(dir));
    // What a cookie may be is the kernel's to say, and ext4 takes any.
    let checks_cookies = false;
    let (users, devices) = (privileged, is_root());
    Subject { fs, features: Features { users, devices, checks_cookies, ..Features::ALL } }
}

mod disk {
    fn subject() -> holdfast_vfs::conformance::Subject {
        super::subject("/tmp".as_ref(), super::options())
    }

    holdfast_vfs::conformance_tests!(subject);
}

mod disk_as_one_user {
    fn subject() -> holdfast_vfs::conformance::Subject {
        super::subject("/tmp".as_ref(), super::unprivileged())
    }

    holdfast_vfs::conformance_tests!(subject);
}

mod disk_without_probes {
    fn subject() -> holdfast_vfs::conformance::Subject {
        let probes = holdfast_localfs::Probes::NONE;
        super::subject("/tmp".as_ref(), super::Options { probes, ..super::options() })
    }

    holdfast_vfs::conformance_tests!(subject);
}

mod disk_with_an_index {
    fn subject() -> holdfast_vfs::conformance::Subject {
        let state = super::TempDir::new("/tmp".as_ref());
        let options = super::indexed(state.path());
        super::STATE.set(Some(state));
        super::subject("/tmp".as_ref(), options)
    }

    holdfast_vfs::conformance_tests!(subject);
}

mod memory {
    fn subject() -> holdfast_vfs::conformance::Subject {
        let shm = super::Path::new("/dev/shm");
        super::subject(if shm.is_dir() { shm } else { "/tmp".as_ref() }, super::options())
    }

    holdfast_vfs::conformance_tests!(subject);
}

mod blocking {
    fn subject() -> holdfast_vfs::conformance::Subject {
        let options = super::Options { always_offload: true, ..super::options() };
        super::subject("/tmp".as_ref(), options)
    }

    holdfast_vfs::conformance_tests!(subject);
}

mod counting_changes {
    fn subject() -> holdfast_vfs::conformance::Subject {
        let options = super::Options { counts_changes: true, ..super::options() };
        super::subject("/tmp".as_ref(), options)
    }

    holdfast_vfs::conformance_tests!(subject);
}
