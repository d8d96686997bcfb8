//! The suite any [`FileSystem`] must pass: one case for each promise of the contract.
//!
//! A case makes a directory of its own under the root, so all of them can run on one file system,
//! at the same time and again.
//!
//! ```text
//! fn subject() -> holdfast_vfs::conformance::Subject { .. }
//! holdfast_vfs::conformance_tests!(subject);
//! ```

mod attrs;
mod create;
mod data;
mod dirs;
mod handles;
mod links;
mod names;
mod parallel;
mod permissions;
mod ranges;
mod rename;
mod table;
mod times;
mod user;
mod xattrs;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use self::table::CASES;
use self::user::{User, mode};
use crate::{Cred, Error, FileSystem, Groups, Handle, NewNode, Result};

/// A file system to try, and what to expect of it.
pub struct Subject {
    /// The file system. Its root takes new directories from [`Cred::ROOT`].
    pub fs: Arc<dyn FileSystem>,
    /// What it can do.
    pub features: Features,
}

/// What a backend, or the way to it, can do beyond what all must. A case that needs more is passed
/// over.
#[derive(Clone, Copy, Debug)]
pub struct Features {
    /// Acts with the rights of the caller, whoever that is; root is privileged.
    pub users: bool,
    /// Makes block and character devices for root.
    pub devices: bool,
    /// Makes FIFOs and sockets.
    pub special_files: bool,
    /// Files have several names.
    pub hard_links: bool,
    /// Keeps set-id bits, and takes them from a file that changes.
    pub set_id: bool,
    /// New objects take the group of a directory with the set-group-id bit.
    pub group_inheritance: bool,
    /// A directory's link count is 2 and its subdirectories.
    pub counts_subdirectories: bool,
    /// Names are any bytes, and differ when their bytes do.
    pub any_names: bool,
    /// Refuses a cookie that it never gave.
    pub checks_cookies: bool,
    /// Hands `owner_override` and the open mode of a file through as they are.
    pub exact_opens: bool,
    /// Gives the very errors of the contract. Without it any error counts as the right one, as
    /// where a protocol in between has fewer of them.
    pub exact_errors: bool,
    /// Knows holes, room and copies of ranges.
    pub ranges: bool,
    /// Can be called from several threads.
    pub parallel: bool,
}

impl Features {
    /// All of them.
    pub const ALL: Self = Self {
        users: true,
        devices: true,
        special_files: true,
        hard_links: true,
        set_id: true,
        group_inheritance: true,
        counts_subdirectories: true,
        any_names: true,
        checks_cookies: true,
        exact_opens: true,
        exact_errors: true,
        ranges: true,
        parallel: true,
    };
}

/// Runs one case of [`CASES`].
///
/// # Panics
/// When the file system fails it, or there is no such case.
pub fn run(case: &str, subject: &Subject) {
    let found = CASES.iter().find(|(name, _)| *name == case);
    let (_, run) = found.expect("the case is in the table");
    run(subject);
}

/// Also in [`SHARED_GROUP`] where she works in a [`Scratch`].
const ALICE: Cred = Cred { uid: 1001, gid: 1001, groups: Groups::NONE };
const BOB: Cred = Cred { uid: 1002, gid: 1002, groups: Groups::NONE };
const SHARED_GROUP: u32 = 2001;
const FOREIGN_GROUP: u32 = 2002;

/// A case's own directory, and who may work there: everyone.
struct Scratch<'a> {
    subject: &'a Subject,
    root: User<'a>,
    alice: User<'a>,
    bob: User<'a>,
    dir: Handle,
}

impl<'a> Scratch<'a> {
    fn new(subject: &'a Subject) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let user = |cred| User { fs: &*subject.fs, cred };
        let root = user(Cred::ROOT);
        let top = subject.fs.root();
        let dir = loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!("case-{}-{number}", std::process::id());
            match root.make(&top, &name, NewNode::Directory, &mode(0o777)) {
                Ok((dir, _)) => break dir,
                Err(Error::Exists) => {}
                Err(error) => panic!("no directory to work in: {error}"),
            }
        };
        root.setattr(&dir, &mode(0o777)).expect("its maker sets its mode");
        let shared = |cred| Cred { groups: Groups::new(&[SHARED_GROUP]), ..cred };
        Self { subject, root, alice: user(shared(ALICE)), bob: user(BOB), dir }
    }

    const fn features(&self) -> &Features {
        &self.subject.features
    }

    /// Checks that something was refused for one of these reasons.
    #[track_caller]
    fn refused<T>(&self, answer: Result<T>, reasons: &[Error]) {
        match answer {
            Ok(_) => panic!("this had to be refused: {reasons:?}"),
            Err(error) => assert!(
                !self.features().exact_errors || reasons.contains(&error),
                "refused with {error:?} where it should be {reasons:?}",
            ),
        }
    }
}
