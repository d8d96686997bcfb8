//! State ids: names that clients hold for opens, checked on every READ and WRITE.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use holdfast_base::{Id, Slots};
use holdfast_proto::nfs4::{ClientId, Stateid, Status};

use crate::limits;
use crate::server::file::{FileKey, Share};

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
    /// What is open.
    pub files: F,
}

#[derive(Debug)]
struct Entry<F> {
    seqid: u32,
    open: OpenState<F>,
}

/// One shard of the state table.
///
/// The 12 bytes of a state id are the instance's tag (4), the shard (1), and what names the entry
/// in it: generation (4) and place (3).
pub struct States<F> {
    entries: Slots<Entry<F>>,
    held: BTreeMap<ClientId, usize>,
    tag: [u8; 4],
    shard: u8,
}

const PLACES: usize = 1 << 24;

impl<F> States<F> {
    /// An empty shard of at most `limit` states (and 2^24).
    pub fn new(tag: [u8; 4], shard: u8, limit: usize) -> Self {
        Self { entries: Slots::new(limit.min(PLACES)), held: BTreeMap::new(), tag, shard }
    }

    /// Which shard a state id names, if it is this instance's.
    ///
    /// # Errors
    /// `STALE_STATEID`: another instance made it.
    pub fn shard_of(tag: [u8; 4], stateid: &Stateid) -> Result<u8, Status> {
        let [t0, t1, t2, t3, shard, ..] = stateid.other;
        if [t0, t1, t2, t3] == tag { Ok(shard) } else { Err(Status::STALE_STATEID) }
    }

    /// Adds an open; answers its first state id.
    ///
    /// # Errors
    /// `DELAY`: the table is full, or the client holds too many.
    pub fn insert(&mut self, open: OpenState<F>) -> Result<Stateid, Status> {
        let client = open.client;
        if self.held.get(&client).is_some_and(|held| *held >= limits::OPENS_PER_CLIENT) {
            return Err(Status::DELAY);
        }
        let id = self.entries.insert(Entry { seqid: 1, open }).map_err(|_| Status::DELAY)?;
        *self.held.entry(client).or_default() += 1;
        Ok(Stateid { seqid: 1, other: self.name(id) })
    }

    /// The open behind a state id that `client` sent.
    ///
    /// # Errors
    /// - `BAD_STATEID`: there is none, it is another client's, or it is from the future.
    /// - `OLD_STATEID`: it has changed since.
    pub fn get(&self, client: ClientId, stateid: &Stateid) -> Result<&OpenState<F>, Status> {
        let entry = self.entries.get(self.id(stateid)).ok_or(Status::BAD_STATEID)?;
        check(entry, client, stateid)?;
        Ok(&entry.open)
    }

    /// Changes the open behind `other` and counts the change; answers the new state id.
    ///
    /// # Errors
    /// `BAD_STATEID`: there is none, or it is another client's.
    pub fn update(
        &mut self,
        client: ClientId,
        other: [u8; 12],
        change: impl FnOnce(&mut OpenState<F>),
    ) -> Result<Stateid, Status> {
        let newest = Stateid { seqid: 0, other };
        let id = self.id(&newest);
        let entry = self.entries.get_mut(id).ok_or(Status::BAD_STATEID)?;
        check(entry, client, &newest)?;
        change(&mut entry.open);
        // Zero would mean "the newest" (RFC 8881 §8.2.2).
        entry.seqid = entry.seqid.checked_add(1).unwrap_or(1);
        Ok(Stateid { seqid: entry.seqid, other })
    }

    /// Takes the open behind a state id out.
    ///
    /// # Errors
    /// As [`States::get`].
    pub fn remove(&mut self, client: ClientId, stateid: &Stateid) -> Result<OpenState<F>, Status> {
        self.get(client, stateid)?;
        let entry = self.entries.remove(self.id(stateid)).ok_or(Status::BAD_STATEID)?;
        if let Some(held) = self.held.get_mut(&client) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&client);
            }
        }
        Ok(entry.open)
    }

    /// Takes out all opens of a client, each with the name it had.
    pub fn remove_client(&mut self, client: ClientId) -> Vec<([u8; 12], OpenState<F>)> {
        let of_client =
            |(id, entry): (Id<_>, &Entry<F>)| (entry.open.client == client).then_some(id);
        self.held.remove(&client);
        let ids: Vec<_> = self.entries.iter().filter_map(of_client).collect();
        let take = |id| self.entries.remove(id).map(|entry| (self.name(id), entry.open));
        ids.into_iter().filter_map(take).collect()
    }

    /// Whether a client has any open here.
    pub fn has_client(&self, client: ClientId) -> bool {
        self.held.contains_key(&client)
    }

    /// How many opens there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn name(&self, id: Id<Entry<F>>) -> [u8; 12] {
        let [g0, g1, g2, g3, _, p1, p2, p3] = id.to_bits().to_be_bytes();
        let [t0, t1, t2, t3] = self.tag;
        [t0, t1, t2, t3, self.shard, g0, g1, g2, g3, p1, p2, p3]
    }

    fn id(&self, stateid: &Stateid) -> Id<Entry<F>> {
        let [_, _, _, _, _, g0, g1, g2, g3, p1, p2, p3] = stateid.other;
        Id::from_bits(u64::from_be_bytes([g0, g1, g2, g3, 0, p1, p2, p3]))
    }
}

fn check<F>(entry: &Entry<F>, client: ClientId, stateid: &Stateid) -> Result<(), Status> {
    if entry.open.client != client || stateid.seqid > entry.seqid {
        return Err(Status::BAD_STATEID);
    }
    if stateid.seqid != 0 && stateid.seqid < entry.seqid {
        return Err(Status::OLD_STATEID);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: ClientId = ClientId(5);
    const TAG: [u8; 4] = [1, 2, 3, 4];

    fn open() -> OpenState<u32> {
        OpenState {
            client: CLIENT,
            file: FileKey::empty(),
            access: Share::READ,
            deny: Share::NONE,
            files: 9,
        }
    }

    #[test]
    fn a_state_id_is_good_until_it_changes_and_bad_after_it_is_removed() {
        let mut states = States::new(TAG, 3, 10);
        let first = states.insert(open()).unwrap();
        assert_eq!(States::<u32>::shard_of(TAG, &first), Ok(3));
        assert_eq!(States::<u32>::shard_of([0; 4], &first), Err(Status::STALE_STATEID));
        assert_eq!(states.get(CLIENT, &first).unwrap().files, 9);
        let second = states.update(CLIENT, first.other, |open| open.files = 10).unwrap();
        assert_eq!(states.get(CLIENT, &first).unwrap_err(), Status::OLD_STATEID);
        assert_eq!(states.get(CLIENT, &second).unwrap().files, 10);
        let newest = Stateid { seqid: 0, ..first };
        assert!(states.get(CLIENT, &newest).is_ok());
        let future = Stateid { seqid: 3, ..first };
        assert_eq!(states.get(CLIENT, &future).unwrap_err(), Status::BAD_STATEID);
        assert_eq!(states.get(ClientId(6), &second).unwrap_err(), Status::BAD_STATEID);
        assert!(states.remove(CLIENT, &second).is_ok());
        states.insert(open()).unwrap();
        assert_eq!(states.get(CLIENT, &second).unwrap_err(), Status::BAD_STATEID);
    }

    #[test]
    fn a_full_table_delays_and_a_client_leaves_nothing() {
        let mut states = States::new(TAG, 0, 2);
        states.insert(open()).unwrap();
        let of_other = OpenState { client: ClientId(6), ..open() };
        states.insert(of_other).unwrap();
        assert_eq!(states.insert(open()).unwrap_err(), Status::DELAY);
        assert_eq!(states.remove_client(CLIENT).len(), 1);
        assert!(!states.has_client(CLIENT) && states.has_client(ClientId(6)));
    }
}
