//! The file record: who has a file open or locked, and what that forbids others (RFC 8881 §9).

use alloc::boxed::Box;
use alloc::vec::Vec;

use hashbrown::HashMap;
use holdfast_base::InlineBytes;
use holdfast_proto::nfs4::{ClientId, Status};

use crate::Seed;
use crate::server::locks::{GivenUp, Locks};
use crate::server::share::Share;
use crate::server::stateids::StateName;

/// Names a file in the tables: its file handle.
pub type FileKey = InlineBytes<128>;

/// Who opens: a client and its open-owner.
#[derive(Clone, Copy, Debug)]
pub struct OpenerId<'a> {
    /// The client.
    pub client: ClientId,
    /// The open-owner's opaque name.
    pub owner: &'a [u8],
}

/// A reserved open's name within its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenTicket(u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holding {
    /// Reserved: conflicts like an open, but is none yet.
    Reserved(OpenTicket),
    /// Held under the state of this name.
    Held(StateName),
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
}

#[derive(Debug, Default)]
struct Record {
    opens: Vec<Open>,
    locks: Locks,
}

impl Record {
    fn position(&self, holding: Holding) -> Option<usize> {
        self.opens.iter().position(|open| open.holding == holding)
    }

    fn remove_open(&mut self, holding: Holding) {
        if let Some(at) = self.position(holding) {
            self.opens.swap_remove(at);
        }
    }

    fn is_empty(&self) -> bool {
        self.opens.is_empty() && self.locks.is_empty()
    }
}

/// The records of the files that somebody has open, one shard of them.
#[derive(Debug)]
pub struct Files {
    records: HashMap<FileKey, Record, Seed>,
    tickets: u64,
}

impl Files {
    /// No records.
    pub const fn new(seed: Seed) -> Self {
        Self { records: HashMap::with_hasher(seed), tickets: 0 }
    }

    /// Reserves the right to open a file, if nobody denies it and it denies nobody: it holds off
    /// what conflicts until it is committed or cancelled. An owner is never in its own way.
    ///
    /// # Errors
    /// - `SHARE_DENIED`: another open conflicts.
    /// - `DELAY`: another open that is not decided yet conflicts.
    pub fn begin_open(
        &mut self,
        file: &FileKey,
        opener: OpenerId<'_>,
        access: Share,
        deny: Share,
    ) -> Result<OpenTicket, Status> {
        let record = self.records.entry(*file).or_default();
        let in_the_way = |open: &&Open| {
            !open.is_by(opener) && (open.access.overlaps(deny) || open.deny.overlaps(access))
        };
        let mut conflicts = record.opens.iter().filter(in_the_way).peekable();
        if conflicts.peek().is_some() {
            let held = conflicts.any(|open| matches!(open.holding, Holding::Held(_)));
            return Err(if held { Status::SHARE_DENIED } else { Status::DELAY });
        }
        self.tickets += 1;
        let ticket = OpenTicket(self.tickets);
        let (client, owner) = (opener.client, Box::from(opener.owner));
        let holding = Holding::Reserved(ticket);
        record.opens.push(Open { client, owner, access, deny, holding });
        Ok(ticket)
    }

    /// The state under which the owner of a reservation has the file open already, if it has.
    ///
    /// # Errors
    /// `SERVERFAULT`: there is no such reservation.
    pub(crate) fn reserved(
        &self,
        file: &FileKey,
        ticket: OpenTicket,
        opener: OpenerId<'_>,
    ) -> Result<Option<StateName>, Status> {
        let record = self.records.get(file).ok_or(Status::SERVERFAULT)?;
        record.position(Holding::Reserved(ticket)).ok_or(Status::SERVERFAULT)?;
        Ok(record.opens.iter().find_map(|open| match open.holding {
            Holding::Held(name) if open.is_by(opener) => Some(name),
            Holding::Held(_) | Holding::Reserved(_) => None,
        }))
    }

    /// Turns the reservation into the open under `name`, or into more access and denial of it if
    /// there is one already.
    pub(crate) fn commit_open(&mut self, file: &FileKey, ticket: OpenTicket, name: StateName) {
        let Some(record) = self.records.get_mut(file) else { return };
        let Some(at) = record.position(Holding::Reserved(ticket)) else { return };
        let Some(held) = record.position(Holding::Held(name)) else {
            record.opens[at].holding = Holding::Held(name);
            return;
        };
        let Open { access, deny, .. } = record.opens[at];
        let open = &mut record.opens[held];
        (open.access, open.deny) = (open.access.union(access), open.deny.union(deny));
        record.opens.swap_remove(at);
    }

    /// Gives the reservation up.
    pub fn cancel_open(&mut self, file: &FileKey, ticket: OpenTicket) {
        let Some(record) = self.records.get_mut(file) else { return };
        record.remove_open(Holding::Reserved(ticket));
        if record.is_empty() {
            self.records.remove(file);
        }
    }

    /// Reduces the open under `name`.
    pub(crate) fn narrow(&mut self, file: &FileKey, name: StateName, access: Share, deny: Share) {
        let Some(record) = self.records.get_mut(file) else { return };
        if let Some(at) = record.position(Holding::Held(name)) {
            (record.opens[at].access, record.opens[at].deny) = (access, deny);
        }
    }

    /// Ends the open under `name`; answers the names of the locks under it, which are yet to be
    /// forgotten.
    pub(crate) fn close(&mut self, file: &FileKey, name: StateName) -> Vec<StateName> {
        let Some(record) = self.records.get_mut(file) else { return Vec::new() };
        record.remove_open(Holding::Held(name));
        let under = record.locks.under(&name);
        if record.is_empty() {
            self.records.remove(file);
        }
        under
    }

    /// Ends what the state of a name is on a file, an open or locks; answers what was locked.
    pub fn forget(&mut self, file: &FileKey, name: StateName) -> GivenUp {
        let Some(record) = self.records.get_mut(file) else { return GivenUp::default() };
        record.remove_open(Holding::Held(name));
        let had = record.locks.remove(&name);
        if record.is_empty() {
            self.records.remove(file);
        }
        had
    }

    /// Whether I/O may be done; the open under `own` is not in its own way.
    ///
    /// # Errors
    /// `LOCKED`: an open denies it.
    pub fn check_io(
        &self,
        file: &FileKey,
        access: Share,
        own: Option<StateName>,
    ) -> Result<(), Status> {
        let own = own.map(Holding::Held);
        let opens = self.records.get(file).map_or(&[][..], |record| &record.opens);
        if opens.iter().any(|open| open.deny.overlaps(access) && Some(open.holding) != own) {
            return Err(Status::LOCKED);
        }
        Ok(())
    }

    /// The locks of a file that somebody has open.
    pub(crate) fn locks(&mut self, file: &FileKey) -> Option<&mut Locks> {
        self.records.get_mut(file).map(|record| &mut record.locks)
    }

    /// How many opens and reservations a file has.
    pub fn opens(&self, file: &FileKey) -> usize {
        self.records.get(file).map_or(0, |record| record.opens.len())
    }

    /// How many files have a record.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether no file has a record.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: OpenerId<'_> = OpenerId { client: ClientId(1), owner: b"a" };
    const B: OpenerId<'_> = OpenerId { client: ClientId(2), owner: b"a" };

    fn files() -> (Files, FileKey) {
        (Files::new(Seed::new([7; 16])), FileKey::new(b"file").unwrap())
    }

    /// Opens a file under a name.
    fn open(files: &mut Files, file: &FileKey, by: (OpenerId<'_>, u8), access: Share, deny: Share) {
        let ticket = files.begin_open(file, by.0, access, deny).unwrap();
        files.commit_open(file, ticket, [by.1; 12]);
    }

    #[test]
    fn shares_that_conflict_are_refused_both_ways() {
        let (mut files, file) = files();
        let ticket = files.begin_open(&file, A, Share::READ, Share::WRITE).unwrap();
        let try_open = |files: &mut Files, access, deny| {
            let begun = files.begin_open(&file, B, access, deny);
            begun.map(|ticket| files.cancel_open(&file, ticket))
        };
        assert_eq!(try_open(&mut files, Share::BOTH, Share::NONE), Err(Status::DELAY));
        files.commit_open(&file, ticket, [1; 12]);
        assert_eq!(try_open(&mut files, Share::BOTH, Share::NONE), Err(Status::SHARE_DENIED));
        assert_eq!(try_open(&mut files, Share::READ, Share::READ), Err(Status::SHARE_DENIED));
        assert_eq!(try_open(&mut files, Share::READ, Share::NONE), Ok(()));
        assert_eq!(files.check_io(&file, Share::WRITE, None), Err(Status::LOCKED));
        assert_eq!(files.check_io(&file, Share::WRITE, Some([1; 12])), Ok(()), "not by itself");
        assert_eq!(files.check_io(&file, Share::WRITE, Some([2; 12])), Err(Status::LOCKED));
        assert_eq!(files.check_io(&file, Share::READ, None), Ok(()));
    }

    #[test]
    fn an_owner_is_never_in_its_own_way() {
        let (mut files, file) = files();
        let first = files.begin_open(&file, A, Share::READ, Share::BOTH).unwrap();
        let second = files.begin_open(&file, A, Share::WRITE, Share::BOTH).unwrap();
        assert_eq!(files.reserved(&file, second, A), Ok(None), "neither is decided");
        files.commit_open(&file, second, [1; 12]);
        assert_eq!(files.reserved(&file, first, A), Ok(Some([1; 12])));
        files.commit_open(&file, first, [1; 12]);
        assert_eq!(files.reserved(&file, first, A), Err(Status::SERVERFAULT));
        assert_eq!(files.opens(&file), 1, "both are one open");
    }

    #[test]
    fn a_cancelled_or_closed_open_leaves_nothing() {
        let (mut files, file) = files();
        let ticket = files.begin_open(&file, A, Share::BOTH, Share::BOTH).unwrap();
        files.cancel_open(&file, ticket);
        assert!(files.is_empty());
        let ticket = files.begin_open(&file, A, Share::BOTH, Share::BOTH).unwrap();
        files.commit_open(&file, ticket, [1; 12]);
        files.cancel_open(&file, ticket);
        assert_eq!(files.opens(&file), 1, "an open is closed, not cancelled");
        files.close(&file, [1; 12]);
        assert!(files.is_empty());
    }

    #[test]
    fn of_two_opens_the_one_that_is_named_is_closed() {
        let (mut files, file) = files();
        open(&mut files, &file, (A, 1), Share::READ, Share::WRITE);
        open(&mut files, &file, (B, 2), Share::READ, Share::NONE);
        assert_eq!((files.len(), files.opens(&file)), (1, 2));
        files.close(&file, [2; 12]);
        let write = |files: &Files| files.check_io(&file, Share::WRITE, None);
        assert_eq!(write(&files), Err(Status::LOCKED), "A still denies it");
        files.forget(&file, [3; 12]);
        assert_eq!(files.opens(&file), 1, "there is none of that name");
        files.close(&file, [1; 12]);
        assert_eq!((files.len(), write(&files)), (0, Ok(())));
    }

    #[test]
    fn widening_adds_to_what_conflicts_and_narrowing_takes_from_it() {
        let (mut files, file) = files();
        open(&mut files, &file, (A, 1), Share::READ, Share::NONE);
        let ticket = files.begin_open(&file, A, Share::WRITE, Share::NONE).unwrap();
        let denies = |files: &mut Files| {
            let begun = files.begin_open(&file, B, Share::READ, Share::WRITE);
            begun.map(|ticket| files.cancel_open(&file, ticket))
        };
        assert_eq!(denies(&mut files), Err(Status::DELAY), "the wider access is reserved");
        files.commit_open(&file, ticket, [1; 12]);
        assert_eq!(denies(&mut files), Err(Status::SHARE_DENIED));
        assert_eq!(files.opens(&file), 1);
        files.narrow(&file, [1; 12], Share::READ, Share::NONE);
        assert_eq!(denies(&mut files), Ok(()));
    }
}
