//! State ids: names that clients hold for opens and locks, checked on every READ and WRITE.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use holdfast_base::{Id, Slots};
use holdfast_proto::nfs4::{ClientId, Stateid, Status};

use crate::limits;
use crate::server::file::FileKey;
use crate::server::share::{Share, Shares};

/// What a state id calls its state, whatever became of it: its last 12 bytes.
pub type StateName = [u8; 12];

/// An open, under its state id. `F` is what the server keeps open for it.
#[derive(Clone, Debug)]
pub struct OpenState<F> {
    /// Whose it is.
    pub client: ClientId,
    /// The file.
    pub file: FileKey,
    /// What it does.
    pub access: Share,
    /// What it denies others.
    pub deny: Share,
    accesses: Shares,
    denials: Shares,
    /// What is open.
    pub files: F,
}

impl<F> OpenState<F> {
    /// The state of one OPEN.
    pub const fn new(
        client: ClientId,
        file: FileKey,
        access: Share,
        deny: Share,
        files: F,
    ) -> Self {
        let (accesses, denials) = (Shares::of(access), Shares::of(deny));
        Self { client, file, access, deny, accesses, denials, files }
    }

    /// Adds what another OPEN of the same owner asked for.
    pub(crate) const fn widen(&mut self, access: Share, deny: Share) {
        self.access = self.access.union(access);
        self.deny = self.deny.union(deny);
        self.accesses = self.accesses.union(Shares::of(access));
        self.denials = self.denials.union(Shares::of(deny));
    }

    /// Goes back to what some of the OPENs asked for (RFC 8881 §18.18.3).
    ///
    /// # Errors
    /// `INVAL`: none of them did.
    pub(crate) fn narrow(&mut self, access: Share, deny: Share) -> Result<(), Status> {
        if !self.accesses.make_up(access) || !self.denials.make_up(deny) {
            return Err(Status::INVAL);
        }
        (self.access, self.deny) = (access, deny);
        (self.accesses, self.denials) = (self.accesses.within(access), self.denials.within(deny));
        Ok(())
    }
}

/// The locks of one lock-owner under one open, under their state id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockState {
    /// Whose they are.
    pub client: ClientId,
    /// The file.
    pub file: FileKey,
    /// The open.
    pub open: StateName,
}

/// What a state id stands for.
#[derive(Clone, Debug)]
pub enum State<F> {
    /// An open.
    Open(OpenState<F>),
    /// Locks.
    Lock(LockState),
}

impl<F> State<F> {
    const fn client(&self) -> ClientId {
        match self {
            Self::Open(open) => open.client,
            Self::Lock(lock) => lock.client,
        }
    }

    /// The file.
    pub const fn file(&self) -> &FileKey {
        match self {
            Self::Open(open) => &open.file,
            Self::Lock(lock) => &lock.file,
        }
    }
}

#[derive(Debug)]
struct Entry<F> {
    /// 0 until the state has been told to its client.
    seqid: u32,
    state: State<F>,
}

/// How much a client holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Held {
    opens: usize,
    locks: usize,
    /// Of all its locks.
    ranges: usize,
}

/// One shard of the state table.
///
/// The 12 bytes of a state id are the instance's tag (4), the shard (1), and what names the entry
/// in it: generation (4) and place (3).
pub struct States<F> {
    entries: Slots<Entry<F>>,
    held: BTreeMap<ClientId, Held>,
    /// Byte ranges that all of them have locked.
    ranges: usize,
    tag: [u8; 4],
    shard: u8,
}

const PLACES: usize = 1 << 24;

impl<F> States<F> {
    /// An empty shard of at most `limit` states (and 2^24).
    pub fn new(tag: [u8; 4], shard: u8, limit: usize) -> Self {
        Self {
            entries: Slots::new(limit.min(PLACES)),
            held: BTreeMap::new(),
            ranges: 0,
            tag,
            shard,
        }
    }

    /// Whether a client may have one more open.
    ///
    /// # Errors
    /// `DELAY`: the table is full, or the client holds too many.
    pub fn check_room_for_open(&self, client: ClientId) -> Result<(), Status> {
        if self.entries.is_full() || self.held(client).opens >= limits::OPENS_PER_CLIENT {
            return Err(Status::DELAY);
        }
        Ok(())
    }

    /// Adds an open; answers its first state id.
    ///
    /// # Errors
    /// As [`States::check_room_for_open`].
    pub fn insert(&mut self, open: OpenState<F>) -> Result<Stateid, Status> {
        let client = open.client;
        self.check_room_for_open(client)?;
        let entry = Entry { seqid: 1, state: State::Open(open) };
        let id = self.entries.insert(entry).map_err(|_| Status::DELAY)?;
        self.held.entry(client).or_default().opens += 1;
        Ok(Stateid { seqid: 1, other: self.name(id) })
    }

    /// Adds a lock state; its first state id comes from [`States::changed`].
    ///
    /// # Errors
    /// `SERVERFAULT`: the table is full, or the client holds too many.
    pub(crate) fn insert_lock(&mut self, lock: LockState) -> Result<StateName, Status> {
        if self.held(lock.client).locks >= limits::LOCK_STATES_PER_CLIENT {
            return Err(Status::SERVERFAULT);
        }
        let client = lock.client;
        let entry = Entry { seqid: 0, state: State::Lock(lock) };
        let id = self.entries.insert(entry).map_err(|_| Status::SERVERFAULT)?;
        self.held.entry(client).or_default().locks += 1;
        Ok(self.name(id))
    }

    /// The state behind a state id that `client` sent.
    ///
    /// # Errors
    /// - `STALE_STATEID`: another instance made it.
    /// - `BAD_STATEID`: there is none, it is another client's, or it is from the future.
    /// - `OLD_STATEID`: it has changed since.
    pub fn get(&self, client: ClientId, stateid: &Stateid) -> Result<&State<F>, Status> {
        let entry = self.entries.get(self.id(&stateid.other)?).ok_or(Status::BAD_STATEID)?;
        check(entry, client, stateid.seqid)?;
        Ok(&entry.state)
    }

    /// As [`States::get`], on this file.
    ///
    /// # Errors
    /// As there; `BAD_STATEID`: it is on another file.
    pub fn get_on(
        &self,
        client: ClientId,
        file: &FileKey,
        stateid: &Stateid,
    ) -> Result<&State<F>, Status> {
        let state = self.get(client, stateid)?;
        if state.file() == file { Ok(state) } else { Err(Status::BAD_STATEID) }
    }

    /// The open behind the state id of an open.
    ///
    /// # Errors
    /// As [`States::get_on`]; `BAD_STATEID`: it is of locks.
    pub fn open(
        &self,
        client: ClientId,
        file: &FileKey,
        stateid: &Stateid,
    ) -> Result<&OpenState<F>, Status> {
        match self.get_on(client, file, stateid)? {
            State::Open(open) => Ok(open),
            State::Lock(_) => Err(Status::BAD_STATEID),
        }
    }

    /// The locks behind the state id of locks.
    ///
    /// # Errors
    /// As [`States::get_on`]; `BAD_STATEID`: it is of an open.
    pub fn lock(
        &self,
        client: ClientId,
        file: &FileKey,
        stateid: &Stateid,
    ) -> Result<&LockState, Status> {
        match self.get_on(client, file, stateid)? {
            State::Lock(lock) => Ok(lock),
            State::Open(_) => Err(Status::BAD_STATEID),
        }
    }

    /// The open under which I/O with a state id is done, with its name: locks stand for the open
    /// beneath them (RFC 8881 §9.1.2).
    ///
    /// # Errors
    /// As [`States::get_on`].
    pub fn beneath(
        &self,
        client: ClientId,
        file: &FileKey,
        stateid: &Stateid,
    ) -> Result<(&OpenState<F>, StateName), Status> {
        match self.get_on(client, file, stateid)? {
            State::Open(open) => Ok((open, stateid.other)),
            State::Lock(lock) => {
                let newest = Stateid { seqid: 0, other: lock.open };
                self.open(client, file, &newest).map(|open| (open, lock.open))
            }
        }
    }

    /// What TEST_STATEID says of a state id (RFC 8881 §18.48.3).
    pub fn test(&self, client: ClientId, stateid: &Stateid) -> Status {
        match self.get(client, stateid) {
            Ok(_) => Status::OK,
            Err(Status::OLD_STATEID) => Status::OLD_STATEID,
            Err(_) => Status::BAD_STATEID,
        }
    }

    /// Changes an open.
    ///
    /// # Errors
    /// `BAD_STATEID`: there is none of this name. Else what `change` says.
    pub(crate) fn update(
        &mut self,
        client: ClientId,
        name: StateName,
        change: impl FnOnce(&mut OpenState<F>) -> Result<(), Status>,
    ) -> Result<(), Status> {
        match &mut self.entry(client, &name)?.state {
            State::Open(open) => change(open),
            State::Lock(_) => Err(Status::BAD_STATEID),
        }
    }

    /// Counts a change of a state; answers its new state id.
    ///
    /// # Errors
    /// `BAD_STATEID`: there is none of this name.
    pub(crate) fn changed(&mut self, client: ClientId, name: StateName) -> Result<Stateid, Status> {
        let entry = self.entry(client, &name)?;
        // Zero would mean "the newest" (RFC 8881 §8.2.2).
        entry.seqid = entry.seqid.checked_add(1).unwrap_or(1);
        Ok(Stateid { seqid: entry.seqid, other: name })
    }

    /// Whether a client has never been told of a state.
    pub(crate) fn is_untold(&mut self, client: ClientId, name: &StateName) -> bool {
        self.entry(client, name).is_ok_and(|entry| entry.seqid == 0)
    }

    /// Counts ranges that a client's locks have more or less.
    pub(crate) fn count_ranges(&mut self, client: ClientId, more: isize) {
        if let Some(held) = self.held.get_mut(&client) {
            held.ranges = held.ranges.saturating_add_signed(more);
            self.ranges = self.ranges.saturating_add_signed(more);
        }
    }

    /// Whether a client may have further ranges.
    ///
    /// # Errors
    /// `SERVERFAULT`: it has too many, or all have. The protocol has no status for that, and to
    /// say DELAY would keep who asks waiting for ever.
    pub(crate) fn check_room_for_ranges(&self, client: ClientId) -> Result<(), Status> {
        let fits = self.held(client).ranges < limits::LOCK_RANGES_PER_CLIENT
            && self.ranges < limits::LOCK_RANGES_PER_SHARD;
        if fits { Ok(()) } else { Err(Status::SERVERFAULT) }
    }

    /// Takes the state of a name out.
    ///
    /// # Errors
    /// `BAD_STATEID`: there is none.
    pub(crate) fn remove(&mut self, client: ClientId, name: StateName) -> Result<State<F>, Status> {
        self.entry(client, &name)?;
        let entry = self.entries.remove(self.id(&name)?).ok_or(Status::BAD_STATEID)?;
        if let Some(held) = self.held.get_mut(&client) {
            match &entry.state {
                State::Open(_) => held.opens -= 1,
                State::Lock(_) => held.locks -= 1,
            }
            if *held == Held::default() {
                self.held.remove(&client);
            }
        }
        Ok(entry.state)
    }

    /// Takes out all states of a client, each with the name it had.
    pub fn remove_client(&mut self, client: ClientId) -> Vec<(StateName, State<F>)> {
        if self.held.remove(&client).is_none() {
            return Vec::new();
        }
        let of_client =
            |(id, entry): (Id<_>, &Entry<F>)| (entry.state.client() == client).then_some(id);
        let ids: Vec<_> = self.entries.iter().filter_map(of_client).collect();
        let take = |id| self.entries.remove(id).map(|entry| (self.name(id), entry.state));
        ids.into_iter().filter_map(take).collect()
    }

    /// Whether a client has any state here.
    pub fn has_client(&self, client: ClientId) -> bool {
        self.held.contains_key(&client)
    }

    /// How many states there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn held(&self, client: ClientId) -> Held {
        self.held.get(&client).copied().unwrap_or_default()
    }

    fn entry(&mut self, client: ClientId, name: &StateName) -> Result<&mut Entry<F>, Status> {
        let id = self.id(name)?;
        let entry = self.entries.get_mut(id).ok_or(Status::BAD_STATEID)?;
        if entry.state.client() == client { Ok(entry) } else { Err(Status::BAD_STATEID) }
    }

    fn name(&self, id: Id<Entry<F>>) -> StateName {
        let [g0, g1, g2, g3, _, p1, p2, p3] = id.to_bits().to_be_bytes();
        let [t0, t1, t2, t3] = self.tag;
        [t0, t1, t2, t3, self.shard, g0, g1, g2, g3, p1, p2, p3]
    }

    fn id(&self, name: &StateName) -> Result<Id<Entry<F>>, Status> {
        let [t0, t1, t2, t3, shard, g0, g1, g2, g3, p1, p2, p3] = *name;
        if [t0, t1, t2, t3] != self.tag {
            return Err(Status::STALE_STATEID);
        }
        if shard != self.shard {
            return Err(Status::BAD_STATEID);
        }
        Ok(Id::from_bits(u64::from_be_bytes([g0, g1, g2, g3, 0, p1, p2, p3])))
    }
}

fn check<F>(entry: &Entry<F>, client: ClientId, seqid: u32) -> Result<(), Status> {
    if entry.state.client() != client {
        return Err(Status::BAD_STATEID);
    }
    if seqid == 0 || seqid == entry.seqid {
        return Ok(());
    }
    Err(if is_older(seqid, entry.seqid) { Status::OLD_STATEID } else { Status::BAD_STATEID })
}

/// Whether a number is older than the newest one, which begins again at 1 after the last that
/// there is (RFC 8881 §8.2.2).
const fn is_older(seqid: u32, newest: u32) -> bool {
    const IN_FLIGHT: u32 = limits::SLOTS * limits::SESSIONS_PER_CLIENT as u32;
    let begun_again = newest < IN_FLIGHT && seqid > u32::MAX - IN_FLIGHT;
    let about_to = seqid < IN_FLIGHT && newest > u32::MAX - IN_FLIGHT;
    begun_again || (seqid < newest && !about_to)
}

#[cfg(test)]
#[path = "stateids/tests.rs"]
mod tests;
