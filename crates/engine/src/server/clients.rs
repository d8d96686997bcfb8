//! Client records: who is known, who is confirmed, and which sessions are theirs (RFC 8881 §18.35,
//! §18.36, §18.37, §18.50, §18.51).

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use holdfast_base::Instant;
use holdfast_proto::nfs4::{
    ChannelAttrs, ClientId, CreateSessionFlags, CreateSessionOk, SessionId, Status, Verifier,
};

use crate::{Principal, limits};

/// What EXCHANGE_ID brings, beside what is negotiated.
#[derive(Clone, Copy, Debug)]
pub struct ExchangeId<'a> {
    /// The client's name for itself.
    pub owner: &'a [u8],
    /// Differs after a restart of the client.
    pub verifier: Verifier,
    /// Who asks.
    pub principal: Principal,
    /// Whether a confirmed record is to be updated.
    pub update: bool,
}

/// What EXCHANGE_ID answers.
#[derive(Debug, PartialEq, Eq)]
pub struct Exchanged {
    /// The client's id.
    pub clientid: ClientId,
    /// The number its next CREATE_SESSION must carry.
    pub sequence: u32,
    /// Whether the record is confirmed.
    pub confirmed: bool,
    /// A record that this call ended.
    pub dropped: Option<Dropped>,
}

/// A client that is no more: its sessions and all its state are to be dropped.
#[derive(Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Which client.
    pub client: ClientId,
    /// Its name for itself.
    pub owner: Box<[u8]>,
    /// Whether its record was confirmed: one that was not says nothing about who has its name.
    pub confirmed: bool,
    /// The sessions it had.
    pub sessions: Vec<SessionId>,
}

/// What CREATE_SESSION brings.
#[derive(Clone, Copy, Debug)]
pub struct CreateSession {
    /// The client.
    pub client: ClientId,
    /// Tells a retry.
    pub sequence: u32,
    /// Who asks.
    pub principal: Principal,
    /// What was asked for.
    pub terms: SessionTerms,
    /// As many slots as there is memory for now: at least one is given.
    pub slots: u32,
    /// Unpredictable: makes the session's id one that nobody can guess.
    pub nonce: [u8; 4],
}

/// What a session is: asked for, or agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTerms {
    /// Its kind.
    pub flags: CreateSessionFlags,
    /// Client to server.
    pub fore: ChannelAttrs,
    /// Server to client.
    pub back: ChannelAttrs,
}

/// What CREATE_SESSION did.
#[derive(Debug, PartialEq, Eq)]
pub enum Created {
    /// It was a retry: this was the answer.
    Again(CreateSessionOk),
    /// There is a new session.
    New {
        /// The answer.
        ok: CreateSessionOk,
        /// Whether this has confirmed the record.
        confirmed: bool,
        /// The record of the same owner that this one replaces.
        replaced: Option<Dropped>,
    },
}

#[derive(Debug, Default)]
struct Owner {
    confirmed: Option<ClientId>,
    unconfirmed: Option<ClientId>,
}

#[derive(Debug)]
struct Record {
    owner: Box<[u8]>,
    verifier: Verifier,
    principal: Principal,
    confirmed: bool,
    /// Of the last CREATE_SESSION.
    sequence: u32,
    answer: Option<Result<CreateSessionOk, Status>>,
    sessions: Vec<SessionId>,
    sessions_made: u32,
    renewed: Instant,
    reclaim_complete: bool,
}

/// All client records of one instance.
#[derive(Debug)]
pub struct Clients {
    owners: BTreeMap<Box<[u8]>, Owner>,
    records: BTreeMap<ClientId, Record>,
    tag: u32,
    made: u32,
    unconfirmed: usize,
    sessions: usize,
}

impl Clients {
    /// No records. `tag` tells this instance's ids from those of any other.
    pub const fn new(tag: u32) -> Self {
        Self {
            owners: BTreeMap::new(),
            records: BTreeMap::new(),
            tag,
            made: 0,
            unconfirmed: 0,
            sessions: 0,
        }
    }

    /// EXCHANGE_ID, in the nine cases of RFC 8881 §18.35.4. `has_state` is asked whether a client
    /// holds anything.
    ///
    /// # Errors
    /// - `CLID_INUSE`: the owner is known under another principal, and holds something.
    /// - `NOENT`, `NOT_SAME`, `PERM`: there is no such record to update.
    /// - `DELAY`: there are too many clients.
    pub fn exchange_id(
        &mut self,
        args: &ExchangeId<'_>,
        now: Instant,
        has_state: impl Fn(ClientId) -> bool,
    ) -> Result<Exchanged, Status> {
        let confirmed = self.owners.get(args.owner).and_then(|owner| owner.confirmed);
        let known = confirmed.and_then(|id| Some((id, self.records.get(&id)?)));
        if args.update {
            let (id, record) = known.ok_or(Status::NOENT)?;
            if record.verifier != args.verifier {
                return Err(Status::NOT_SAME);
            }
            if record.principal != args.principal {
                return Err(Status::PERM);
            }
            return Ok(again(id, record));
        }
        let mut dropped = None;
        if let Some((id, record)) = known {
            let same = record.principal == args.principal;
            if same && record.verifier == args.verifier {
                return Ok(again(id, record));
            }
            if !same {
                if has_state(id) || !record.sessions.is_empty() {
                    return Err(Status::CLID_INUSE);
                }
                dropped = self.remove(id);
            }
        }
        let clientid = self.add_unconfirmed(args, now)?;
        Ok(Exchanged { clientid, sequence: 1, confirmed: false, dropped })
    }

    fn add_unconfirmed(&mut self, args: &ExchangeId<'_>, now: Instant) -> Result<ClientId, Status> {
        if let Some(old) = self.owners.get(args.owner).and_then(|owner| owner.unconfirmed) {
            self.remove(old);
        }
        if self.unconfirmed >= limits::UNCONFIRMED_CLIENTS {
            self.forget_oldest_unconfirmed();
        }
        if self.records.len() >= limits::CLIENTS {
            return Err(Status::DELAY);
        }
        self.made = self.made.wrapping_add(1);
        let id = ClientId(u64::from(self.tag) << 32 | u64::from(self.made));
        let owner: Box<[u8]> = Box::from(args.owner);
        self.owners.entry(owner.clone()).or_default().unconfirmed = Some(id);
        self.unconfirmed += 1;
        let record = Record {
            owner,
            verifier: args.verifier,
            principal: args.principal,
            confirmed: false,
            sequence: 0,
            answer: None,
            sessions: Vec::new(),
            sessions_made: 0,
            renewed: now,
            reclaim_complete: false,
        };
        self.records.insert(id, record);
        Ok(id)
    }

    fn forget_oldest_unconfirmed(&mut self) {
        let unconfirmed = self.records.iter().filter(|(_, record)| !record.confirmed);
        let oldest = unconfirmed.min_by_key(|(_, record)| record.renewed).map(|(id, _)| *id);
        if let Some(id) = oldest {
            self.remove(id);
        }
    }

    /// CREATE_SESSION (RFC 8881 §18.36.4). `is_busy` is asked whether a client that would be
    /// replaced has a request in progress.
    ///
    /// # Errors
    /// - `STALE_CLIENTID`: no such client.
    /// - `CLID_INUSE`: the record was made by another principal.
    /// - `SEQ_MISORDERED`: neither the last CREATE_SESSION again nor the next one.
    /// - `NOSPC`: the client has too many sessions.
    /// - `TOOSMALL`, `INVAL`: the terms cannot be met.
    /// - `DELAY`: the record to be replaced has a request in progress.
    pub fn create_session(
        &mut self,
        args: &CreateSession,
        now: Instant,
        is_busy: impl Fn(&[SessionId]) -> bool,
    ) -> Result<Created, Status> {
        let terms = agree(&args.terms, args.slots)?;
        let is_full = self.sessions >= limits::SESSIONS;
        let record = self.records.get_mut(&args.client).ok_or(Status::STALE_CLIENTID)?;
        if args.sequence == record.sequence
            && let Some(answer) = record.answer
        {
            return answer.map(Created::Again);
        }
        if args.sequence != record.sequence.wrapping_add(1) {
            return Err(Status::SEQ_MISORDERED);
        }
        let refused = if !record.confirmed && record.principal != args.principal {
            Some(Status::CLID_INUSE)
        } else if is_full || record.sessions.len() >= limits::SESSIONS_PER_CLIENT {
            Some(Status::NOSPC)
        } else {
            None
        };
        if let Some(status) = refused {
            // The answer to this number, whatever it is, is the answer to its retry.
            (record.sequence, record.answer) = (args.sequence, Some(Err(status)));
            return Err(status);
        }
        let record = self.records.get(&args.client).ok_or(Status::STALE_CLIENTID)?;
        let old = self.owners.get(&record.owner).and_then(|owner| owner.confirmed);
        let old = old.filter(|old| *old != args.client);
        if old.and_then(|id| self.records.get(&id)).is_some_and(|old| is_busy(&old.sessions)) {
            return Err(Status::DELAY);
        }
        let replaced = old.and_then(|old| self.remove(old));
        let confirmed = self.confirm(args.client);
        let ok = self.add_session(args, &terms, now).ok_or(Status::STALE_CLIENTID)?;
        Ok(Created::New { ok, confirmed, replaced })
    }

    /// Whether the record was not confirmed before.
    fn confirm(&mut self, client: ClientId) -> bool {
        let Some(record) = self.records.get_mut(&client) else { return false };
        if record.confirmed {
            return false;
        }
        record.confirmed = true;
        self.unconfirmed -= 1;
        let owner = self.owners.entry(record.owner.clone()).or_default();
        (owner.unconfirmed, owner.confirmed) = (None, Some(client));
        true
    }

    fn add_session(
        &mut self,
        args: &CreateSession,
        terms: &SessionTerms,
        now: Instant,
    ) -> Option<CreateSessionOk> {
        let record = self.records.get_mut(&args.client)?;
        self.sessions += 1;
        record.sessions_made = record.sessions_made.wrapping_add(1);
        let mut id = [0; 16];
        id[..8].copy_from_slice(&args.client.0.to_be_bytes());
        id[8..12].copy_from_slice(&record.sessions_made.to_be_bytes());
        id[12..].copy_from_slice(&args.nonce);
        let sessionid = SessionId(id);
        record.sessions.push(sessionid);
        record.sequence = args.sequence;
        record.renewed = now;
        let ok = CreateSessionOk {
            sessionid,
            sequence: args.sequence,
            flags: terms.flags,
            fore_chan_attrs: terms.fore,
            back_chan_attrs: terms.back,
        };
        record.answer = Some(Ok(ok));
        Some(ok)
    }

    /// Forgets a session that was destroyed, and was last used then.
    pub fn session_destroyed(&mut self, client: ClientId, session: SessionId, used: Instant) {
        if let Some(record) = self.records.get_mut(&client) {
            if let Some(at) = record.sessions.iter().position(|own| *own == session) {
                record.sessions.remove(at);
                self.sessions -= 1;
            }
            record.renewed = record.renewed.max(used);
        }
    }

    /// The sessions of a client.
    pub fn sessions(&self, client: ClientId) -> &[SessionId] {
        self.records.get(&client).map_or(&[], |record| &record.sessions)
    }

    /// DESTROY_CLIENTID (RFC 8881 §18.50).
    ///
    /// # Errors
    /// - `STALE_CLIENTID`: no such client.
    /// - `CLIENTID_BUSY`: it has sessions or state.
    pub fn destroy(
        &mut self,
        client: ClientId,
        has_state: impl Fn(ClientId) -> bool,
    ) -> Result<Dropped, Status> {
        let record = self.records.get(&client).ok_or(Status::STALE_CLIENTID)?;
        if !record.sessions.is_empty() || has_state(client) {
            return Err(Status::CLIENTID_BUSY);
        }
        self.remove(client).ok_or(Status::STALE_CLIENTID)
    }

    /// A client's name for itself, if it has not said RECLAIM_COMPLETE.
    ///
    /// # Errors
    /// As [`Clients::reclaim_complete`].
    pub fn reclaiming(&self, client: ClientId) -> Result<Box<[u8]>, Status> {
        let record = self.records.get(&client).ok_or(Status::STALE_CLIENTID)?;
        if record.reclaim_complete {
            return Err(Status::COMPLETE_ALREADY);
        }
        Ok(record.owner.clone())
    }

    /// Whether a client of this name has said RECLAIM_COMPLETE.
    pub fn has_reclaimed(&self, owner: &[u8]) -> bool {
        let confirmed = self.owners.get(owner).and_then(|owner| owner.confirmed);
        let record = confirmed.and_then(|id| self.records.get(&id));
        record.is_some_and(|record| record.reclaim_complete)
    }

    /// The names of the clients that said RECLAIM_COMPLETE.
    pub fn reclaimed(&self) -> Vec<Box<[u8]>> {
        let done = self.records.values().filter(|record| record.reclaim_complete);
        done.map(|record| record.owner.clone()).collect()
    }

    /// RECLAIM_COMPLETE for everything (RFC 8881 §18.51).
    ///
    /// # Errors
    /// `COMPLETE_ALREADY`: it was said before.
    pub fn reclaim_complete(&mut self, client: ClientId) -> Result<(), Status> {
        let record = self.records.get_mut(&client).ok_or(Status::STALE_CLIENTID)?;
        if record.reclaim_complete {
            return Err(Status::COMPLETE_ALREADY);
        }
        record.reclaim_complete = true;
        Ok(())
    }

    /// Whether a client may open what it did not hold before (RFC 8881 §18.51.3).
    ///
    /// # Errors
    /// - `GRACE`: it has not said RECLAIM_COMPLETE.
    /// - `STALE_CLIENTID`: no such client.
    pub fn check_new_state(&self, client: ClientId) -> Result<(), Status> {
        let record = self.records.get(&client).ok_or(Status::STALE_CLIENTID)?;
        if record.reclaim_complete { Ok(()) } else { Err(Status::GRACE) }
    }

    /// Ends the clients whose lease of `lease` is over. `used` answers when a session was last
    /// used, `now` while it is in use.
    pub fn expire(
        &mut self,
        now: Instant,
        lease: Duration,
        used: impl Fn(SessionId) -> Option<Instant>,
    ) -> Vec<Dropped> {
        let over = |record: &Record| {
            let last = record.sessions.iter().filter_map(|id| used(*id)).max();
            now.since(last.map_or(record.renewed, |last| last.max(record.renewed))) > lease
        };
        let expired = self.records.iter().filter(|(_, record)| over(record));
        let expired: Vec<_> = expired.map(|(id, _)| *id).collect();
        expired.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Ends a client whatever it holds.
    pub fn remove(&mut self, client: ClientId) -> Option<Dropped> {
        let record = self.records.remove(&client)?;
        if !record.confirmed {
            self.unconfirmed -= 1;
        }
        self.sessions -= record.sessions.len();
        if let Some(owner) = self.owners.get_mut(&record.owner) {
            owner.confirmed = owner.confirmed.filter(|id| *id != client);
            owner.unconfirmed = owner.unconfirmed.filter(|id| *id != client);
            if owner.confirmed.is_none() && owner.unconfirmed.is_none() {
                self.owners.remove(&record.owner);
            }
        }
        let Record { owner, confirmed, sessions, .. } = record;
        Some(Dropped { client, owner, confirmed, sessions })
    }
}

const fn again(clientid: ClientId, record: &Record) -> Exchanged {
    let sequence = record.sequence.wrapping_add(1);
    Exchanged { clientid, sequence, confirmed: record.confirmed, dropped: None }
}

/// What can be met of the terms that a client asks for.
fn agree(asked: &SessionTerms, slots: u32) -> Result<SessionTerms, Status> {
    let known = CreateSessionFlags::PERSIST
        | CreateSessionFlags::CONN_BACK_CHAN
        | CreateSessionFlags::CONN_RDMA;
    if !known.contains(asked.flags) {
        return Err(Status::INVAL);
    }
    let fore = agree_channel(&asked.fore, slots.clamp(1, limits::SLOTS))?;
    let back_is_too_small = asked.back.maxrequestsize < limits::CHANNEL_BYTES_MIN
        || asked.back.maxresponsesize < limits::CHANNEL_BYTES_MIN
        || asked.back.maxoperations < limits::BACK_OPERATIONS_MIN;
    if back_is_too_small {
        return Err(Status::TOOSMALL);
    }
    let back = ChannelAttrs { headerpadsize: 0, rdma_ird: None, ..asked.back };
    Ok(SessionTerms { flags: asked.flags & CreateSessionFlags::CONN_BACK_CHAN, fore, back })
}

fn agree_channel(asked: &ChannelAttrs, slots: u32) -> Result<ChannelAttrs, Status> {
    let too_small = asked.maxrequestsize < limits::CHANNEL_BYTES_MIN
        || asked.maxresponsesize < limits::CHANNEL_BYTES_MIN;
    if too_small {
        return Err(Status::TOOSMALL);
    }
    if asked.maxoperations == 0 || asked.maxrequests == 0 {
        return Err(Status::INVAL);
    }
    let maxresponsesize = asked.maxresponsesize.min(limits::RESPONSE_BYTES);
    Ok(ChannelAttrs {
        headerpadsize: 0,
        maxrequestsize: asked.maxrequestsize.min(limits::REQUEST_BYTES),
        maxresponsesize,
        maxresponsesize_cached: asked
            .maxresponsesize_cached
            .min(limits::CACHED_RESPONSE_BYTES)
            .min(maxresponsesize),
        maxoperations: asked.maxoperations.min(limits::OPERATIONS),
        maxrequests: asked.maxrequests.min(slots),
        rdma_ird: None,
    })
}

#[cfg(test)]
#[path = "clients/tests.rs"]
mod tests;
