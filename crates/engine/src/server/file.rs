//! The file record: who has a file open, and what that forbids others (RFC 8881 §9.7).

use alloc::boxed::Box;
use alloc::vec::Vec;

use hashbrown::HashMap;
use holdfast_base::InlineBytes;
use holdfast_proto::nfs4::{ClientId, Stateid, Status};

use crate::Seed;

/// Names a file in the tables: its file handle.
pub type FileKey = InlineBytes<128>;

/// Reading, writing, both or neither: what an open does or denies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Data is read.
    pub read: bool,
    /// Data is written.
    pub write: bool,
}

impl Share {
    /// Neither.
    pub const NONE: Self = Self { read: false, write: false };
    /// Reading.
    pub const READ: Self = Self { read: true, write: false };
    /// Writing.
    pub const WRITE: Self = Self { read: false, write: true };

    /// What is in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self { read: self.read || other.read, write: self.write || other.write }
    }

    /// Whether something is in both.
    pub const fn overlaps(self, other: Self) -> bool {
        (self.read && other.read) || (self.write && other.write)
    }

    /// Whether all of `other` is in `self`.
    pub const fn contains(self, other: Self) -> bool {
        (self.read || !other.read) && (self.write || !other.write)
    }
}

/// Who opens: a client and its open-owner.
#[derive(Clone, Copy, Debug)]
pub struct OpenerId<'a> {
    /// The client.
    pub client: ClientId,
    /// The open-owner's opaque name.
    pub owner: &'a [u8],
}

#[derive(Debug)]
enum Holding {
    /// Reserved: conflicts like an open, but is none yet.
    Reserved,
    /// Held under the state of this name.
    Held([u8; 12]),
}

#[derive(Debug)]
struct Open {
    client: ClientId,
    owner: Box<[u8]>,
    access: Share,
    deny: Share,
    holding: Holding,
}

impl Open {
    fn is_by(&self, opener: OpenerId<'_>) -> bool {
        self.client == opener.client && *self.owner == *opener.owner
    }

    fn is_reserved_by(&self, opener: OpenerId<'_>) -> bool {
        matches!(self.holding, Holding::Reserved) && self.is_by(opener)
    }
}

/// What [`Files::begin_open`] found. In either case a reservation holds off what conflicts, until
/// [`Files::commit_open`], [`Files::widen`] or [`Files::cancel_open`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeginOpen {
    /// The owner has not opened the file.
    New,
    /// The owner has it open under the state of this name, and may widen that.
    Again([u8; 12]),
}

/// The records of the files that somebody has open, one shard of them.
#[derive(Debug)]
pub struct Files {
    records: HashMap<FileKey, Vec<Open>, Seed>,
}

impl Files {
    /// No records.
    pub const fn new(seed: Seed) -> Self {
        Self { records: HashMap::with_hasher(seed) }
    }

    /// Reserves the right to open a file, if nobody denies it and it denies nobody.
    ///
    /// # Errors
    /// - `SHARE_DENIED`: another open conflicts.
    /// - `DELAY`: another open that is not decided yet conflicts, or is the same owner's.
    pub fn begin_open(
        &mut self,
        file: &FileKey,
        opener: OpenerId<'_>,
        access: Share,
        deny: Share,
    ) -> Result<BeginOpen, Status> {
        let opens = self.records.entry(*file).or_default();
        let mut again = None;
        for open in opens.iter() {
            if open.is_by(opener) {
                match open.holding {
                    Holding::Reserved => return Err(Status::DELAY),
                    Holding::Held(other) => again = Some(other),
                }
            } else if open.access.overlaps(deny) || open.deny.overlaps(access) {
                return Err(match open.holding {
                    Holding::Reserved => Status::DELAY,
                    Holding::Held(_) => Status::SHARE_DENIED,
                });
            }
        }
        let owner = Box::from(opener.owner);
        let client = opener.client;
        opens.push(Open { client, owner, access, deny, holding: Holding::Reserved });
        Ok(again.map_or(BeginOpen::New, BeginOpen::Again))
    }

    /// Turns the reservation into an open under `state`. `false`: there is none.
    pub fn commit_open(&mut self, file: &FileKey, opener: OpenerId<'_>, state: &Stateid) -> bool {
        let Some(open) = self.find(file, |open| open.is_reserved_by(opener)) else { return false };
        open.holding = Holding::Held(state.other);
        true
    }

    /// Gives the reservation up.
    pub fn cancel_open(&mut self, file: &FileKey, opener: OpenerId<'_>) {
        self.remove(file, |open| open.is_reserved_by(opener));
    }

    /// Turns the reservation into more access and denial of the open under `other`.
    pub fn widen(&mut self, file: &FileKey, opener: OpenerId<'_>, other: &[u8; 12]) {
        let reserved = self.find(file, |open| open.is_reserved_by(opener));
        let Some((access, deny)) = reserved.map(|open| (open.access, open.deny)) else { return };
        self.cancel_open(file, opener);
        if let Some(open) = self.find(file, |open| holds(open, other)) {
            open.access = open.access.union(access);
            open.deny = open.deny.union(deny);
        }
    }

    /// Ends the open under `other`.
    pub fn close(&mut self, file: &FileKey, other: &[u8; 12]) {
        self.remove(file, |open| holds(open, other));
    }

    /// Whether I/O outside any open may be done.
    ///
    /// # Errors
    /// `LOCKED`: an open denies it.
    pub fn check_io(&self, file: &FileKey, access: Share) -> Result<(), Status> {
        let opens = self.records.get(file).map_or(&[][..], Vec::as_slice);
        if opens.iter().any(|open| open.deny.overlaps(access)) {
            return Err(Status::LOCKED);
        }
        Ok(())
    }

    /// How many opens and reservations a file has.
    pub fn opens(&self, file: &FileKey) -> usize {
        self.records.get(file).map_or(0, Vec::len)
    }

    /// How many files have a record.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether no file has a record.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    fn find(&mut self, file: &FileKey, is: impl Fn(&Open) -> bool) -> Option<&mut Open> {
        self.records.get_mut(file)?.iter_mut().find(|open| is(open))
    }

    fn remove(&mut self, file: &FileKey, is: impl Fn(&Open) -> bool) {
        let Some(opens) = self.records.get_mut(file) else { return };
        opens.retain(|open| !is(open));
        if opens.is_empty() {
            self.records.remove(file);
        }
    }
}

fn holds(open: &Open, other: &[u8; 12]) -> bool {
    matches!(&open.holding, Holding::Held(held) if held == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: OpenerId<'_> = OpenerId { client: ClientId(1), owner: b"a" };
    const B: OpenerId<'_> = OpenerId { client: ClientId(2), owner: b"a" };
    const BOTH: Share = Share { read: true, write: true };

    fn files() -> (Files, FileKey) {
        (Files::new(Seed::new([7; 16])), FileKey::new(b"file").unwrap())
    }

    fn state(n: u8) -> Stateid {
        Stateid { seqid: 1, other: [n; 12] }
    }

    #[test]
    fn shares_that_conflict_are_refused_both_ways() {
        let (mut files, file) = files();
        files.begin_open(&file, A, Share::READ, Share::WRITE).unwrap();
        assert_eq!(files.begin_open(&file, B, BOTH, Share::NONE), Err(Status::DELAY));
        assert!(files.commit_open(&file, A, &state(1)));
        assert_eq!(files.begin_open(&file, B, BOTH, Share::NONE), Err(Status::SHARE_DENIED));
        assert_eq!(files.begin_open(&file, B, Share::READ, Share::READ), Err(Status::SHARE_DENIED));
        assert_eq!(files.begin_open(&file, B, Share::READ, Share::NONE), Ok(BeginOpen::New));
        assert_eq!(files.check_io(&file, Share::WRITE), Err(Status::LOCKED));
        assert_eq!(files.check_io(&file, Share::READ), Ok(()));
    }

    #[test]
    fn the_same_owner_never_conflicts_with_itself() {
        let (mut files, file) = files();
        files.begin_open(&file, A, Share::READ, BOTH).unwrap();
        assert_eq!(files.begin_open(&file, A, Share::WRITE, BOTH), Err(Status::DELAY));
        files.commit_open(&file, A, &state(1));
        let again = files.begin_open(&file, A, Share::WRITE, Share::NONE);
        assert_eq!(again, Ok(BeginOpen::Again([1; 12])));
    }

    #[test]
    fn a_cancelled_or_closed_open_leaves_nothing() {
        let (mut files, file) = files();
        files.begin_open(&file, A, BOTH, BOTH).unwrap();
        files.cancel_open(&file, B);
        assert_eq!(files.opens(&file), 1);
        files.cancel_open(&file, A);
        assert!(files.is_empty());
        files.begin_open(&file, A, BOTH, BOTH).unwrap();
        files.commit_open(&file, A, &state(1));
        files.cancel_open(&file, A);
        assert_eq!(files.opens(&file), 1, "an open is closed, not cancelled");
        files.close(&file, &[1; 12]);
        assert!(files.is_empty());
    }

    #[test]
    fn of_two_opens_the_one_that_is_named_is_closed() {
        let (mut files, file) = files();
        for (opener, n, deny) in [(A, 1, Share::WRITE), (B, 2, Share::NONE)] {
            files.begin_open(&file, opener, Share::READ, deny).unwrap();
            files.commit_open(&file, opener, &state(n));
        }
        assert_eq!((files.len(), files.opens(&file)), (1, 2));
        files.close(&file, &[2; 12]);
        assert_eq!(files.check_io(&file, Share::WRITE), Err(Status::LOCKED), "A still denies it");
        files.close(&file, &[3; 12]);
        assert_eq!(files.opens(&file), 1, "there is none of that name");
        files.close(&file, &[1; 12]);
        assert_eq!((files.len(), files.check_io(&file, Share::WRITE)), (0, Ok(())));
    }

    #[test]
    fn shares_are_sets() {
        let all = [Share::NONE, Share::READ, Share::WRITE, BOTH];
        for (at, a) in all.into_iter().enumerate() {
            for (other, b) in all.into_iter().enumerate() {
                assert_eq!(a.union(b), all[at | other]);
                assert_eq!(a.overlaps(b), at & other != 0);
                assert_eq!(a.contains(b), at & other == other);
            }
        }
    }

    #[test]
    fn widening_adds_to_what_conflicts() {
        let (mut files, file) = files();
        files.begin_open(&file, A, Share::READ, Share::NONE).unwrap();
        files.commit_open(&file, A, &state(1));
        let again = files.begin_open(&file, A, Share::WRITE, Share::NONE);
        assert_eq!(again, Ok(BeginOpen::Again([1; 12])));
        let denies = |files: &mut Files| files.begin_open(&file, B, Share::READ, Share::WRITE);
        assert_eq!(denies(&mut files), Err(Status::DELAY), "the wider access is reserved");
        files.widen(&file, A, &[1; 12]);
        assert_eq!(denies(&mut files), Err(Status::SHARE_DENIED));
        assert_eq!(files.opens(&file), 1);
    }
}
