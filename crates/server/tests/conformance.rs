//! The suite every file system passes, through the whole server: each of its calls is a compound,
//! over memory that answers at once and over memory that answers later.
//!
//! Every feature of the suite is on, but for ranges in minor version 1: memory has them all, and
//! the protocol can say them all.

mod support;

use std::sync::Arc;

use holdfast_vfs::conformance::{Features, Subject};
use support::session_fs::SessionFs;

mod minor_1 {
    fn subject() -> holdfast_vfs::conformance::Subject {
        let subject = super::subject(1);
        let features = super::Features { ranges: false, ..subject.features };
        super::Subject { features, ..subject }
    }

    holdfast_vfs::conformance_tests!(subject);
}

mod waiting {
    fn subject() -> holdfast_vfs::conformance::Subject {
        let fs = std::sync::Arc::new(super::SessionFs::late(2));
        super::Subject { fs, features: super::Features::ALL }
    }

    holdfast_vfs::conformance_tests!(subject);
}

mod minor_2 {
    fn subject() -> holdfast_vfs::conformance::Subject {
        super::subject(2)
    }

    holdfast_vfs::conformance_tests!(subject);
}

fn subject(minor: u32) -> Subject {
    Subject { fs: Arc::new(SessionFs::new(minor)), features: Features::ALL }
}
