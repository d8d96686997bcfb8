//! The replier's slot table (RFC 8881 §2.10.6): every request is executed at most once.

use alloc::vec::Vec;

use holdfast_proto::nfs4::Status;

use crate::Principal;

/// What SEQUENCE says of a request, as far as the slot table compares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The slot.
    pub slot: u32,
    /// Counts the slot's requests.
    pub seqid: u32,
    /// The highest slot the requester uses.
    pub highest_slot: u32,
    /// Whether the reply must be kept.
    pub cache_this: bool,
    /// How many operations the compound says it has.
    pub operations: u32,
    /// Who sent it.
    pub principal: Principal,
}

/// The right to execute one request, to be given back by [`SlotTable::complete`] once. The slot
/// stays busy until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    slot: u32,
    seqid: u32,
}

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Admit<'a> {
    /// It is new: execute it.
    Execute(Claim),
    /// It was executed: this is the reply it got.
    Replay(&'a [u8]),
    /// It was executed, and its reply not kept.
    Uncached,
    /// It is being executed.
    InProgress,
}

#[derive(Debug)]
struct Slot {
    /// The last request's, 0 before the first.
    seqid: u32,
    used: bool,
    busy: bool,
    cached: bool,
    cache_this: bool,
    operations: u32,
    principal: Principal,
    reply: Vec<u8>,
}

impl Slot {
    const fn new() -> Self {
        Self {
            seqid: 0,
            used: false,
            busy: false,
            cached: false,
            cache_this: false,
            operations: 0,
            principal: Principal::None,
            reply: Vec::new(),
        }
    }

    fn is_same_request(&self, request: &Request) -> bool {
        self.cache_this == request.cache_this
            && self.operations == request.operations
            && self.principal == request.principal
    }
}

/// The slots of one channel. A slot's memory is taken when it is first used.
#[derive(Debug)]
pub struct SlotTable {
    slots: Vec<Slot>,
    size: u32,
    busy: u32,
}

impl SlotTable {
    /// A table of `size` slots.
    pub const fn new(size: u32) -> Self {
        Self { slots: Vec::new(), size, busy: 0 }
    }

    /// How many slots there are.
    pub const fn size(&self) -> u32 {
        self.size
    }

    /// How many requests are being executed.
    pub const fn busy(&self) -> u32 {
        self.busy
    }

    /// How many slots execute no request, counted one by one.
    pub fn free(&self) -> u32 {
        let busy = self.slots.iter().filter(|slot| slot.busy).count();
        self.size - u32::try_from(busy).unwrap_or(self.size)
    }

    /// Decides what becomes of a request. Only [`Admit::Execute`] changes anything.
    ///
    /// # Errors
    /// - `BADSLOT`: there is no such slot.
    /// - `BAD_HIGH_SLOT`: the requester uses more slots than there are.
    /// - `SEQ_MISORDERED`: neither the last request again nor the next one.
    /// - `SEQ_FALSE_RETRY`: the last request's number, on another request.
    pub fn admit(&mut self, request: &Request) -> Result<Admit<'_>, Status> {
        if request.slot >= self.size {
            return Err(Status::BADSLOT);
        }
        if request.highest_slot >= self.size {
            return Err(Status::BAD_HIGH_SLOT);
        }
        let at = request.slot as usize;
        if at >= self.slots.len() {
            self.slots.resize_with(at + 1, Slot::new);
        }
        let slot = &mut self.slots[at];
        if slot.used && request.seqid == slot.seqid {
            return Self::retry(slot, request);
        }
        if request.seqid != slot.seqid.wrapping_add(1) {
            return Err(Status::SEQ_MISORDERED);
        }
        if slot.busy {
            return Err(Status::SEQ_MISORDERED);
        }
        slot.seqid = request.seqid;
        (slot.used, slot.busy, slot.cached) = (true, true, false);
        (slot.cache_this, slot.operations) = (request.cache_this, request.operations);
        slot.principal = request.principal;
        self.busy += 1;
        Ok(Admit::Execute(Claim { slot: request.slot, seqid: request.seqid }))
    }

    fn retry<'a>(slot: &'a Slot, request: &Request) -> Result<Admit<'a>, Status> {
        if !slot.is_same_request(request) {
            return Err(Status::SEQ_FALSE_RETRY);
        }
        if slot.busy {
            return Ok(Admit::InProgress);
        }
        Ok(if slot.cached { Admit::Replay(&slot.reply) } else { Admit::Uncached })
    }

    /// Ends the request of `claim`; keeps the reply if there is one to keep. A claim that was
    /// given back before, or belongs to another table, changes nothing and answers `false`.
    pub fn complete(&mut self, claim: Claim, reply: Option<&[u8]>) -> bool {
        let Some(slot) = self.slots.get_mut(claim.slot as usize) else { return false };
        if !slot.busy || slot.seqid != claim.seqid {
            return false;
        }
        slot.busy = false;
        self.busy -= 1;
        slot.reply.clear();
        if let Some(reply) = reply {
            slot.cached = true;
            slot.reply.extend_from_slice(reply);
        }
        true
    }

    /// What [`Bug::ClaimForgotten`](crate::bugs::Bug::ClaimForgotten) does to a slot.
    #[cfg(feature = "bugs")]
    pub fn forget(&mut self, claim: Claim) {
        if let Some(slot) = self.slots.get_mut(claim.slot as usize) {
            slot.busy = false;
            slot.seqid = slot.seqid.wrapping_sub(1);
            self.busy -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn request(slot: u32, seqid: u32) -> Request {
        let principal = Principal::Sys { uid: 1, gid: 1 };
        Request { slot, seqid, highest_slot: slot, cache_this: true, operations: 2, principal }
    }

    fn execute(table: &mut SlotTable, slot: u32, seqid: u32) -> Claim {
        match table.admit(&request(slot, seqid)) {
            Ok(Admit::Execute(claim)) => claim,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_request_is_executed_once_and_its_reply_given_again() {
        let mut table = SlotTable::new(2);
        let claim = execute(&mut table, 0, 1);
        assert_eq!(table.admit(&request(0, 1)), Ok(Admit::InProgress));
        assert_eq!((table.busy(), table.free()), (1, 1));
        assert!(table.complete(claim, Some(b"reply")));
        assert_eq!(table.admit(&request(0, 1)), Ok(Admit::Replay(b"reply")));
        assert!(!table.complete(claim, Some(b"twice")), "a claim is given back once");
        assert_eq!(table.admit(&request(0, 1)), Ok(Admit::Replay(b"reply")));
        let next = execute(&mut table, 0, 2);
        assert!(table.complete(next, None));
        assert_eq!(table.admit(&request(0, 2)), Ok(Admit::Uncached));
        assert_eq!((table.busy(), table.free()), (0, 2));
    }

    #[test]
    fn other_numbers_are_misordered_also_on_a_new_slot() {
        let mut table = SlotTable::new(2);
        for seqid in [0, 2, u32::MAX] {
            assert_eq!(table.admit(&request(1, seqid)), Err(Status::SEQ_MISORDERED));
        }
        let claim = execute(&mut table, 1, 1);
        assert_eq!(table.admit(&request(1, 2)), Err(Status::SEQ_MISORDERED), "1 is in progress");
        table.complete(claim, None);
        assert_eq!(table.admit(&request(1, 3)), Err(Status::SEQ_MISORDERED));
    }

    #[test]
    fn numbers_wrap_around() {
        let mut table = SlotTable::new(1);
        table.admit(&request(0, 0)).unwrap_err();
        table.slots[0].seqid = u32::MAX;
        table.slots[0].used = true;
        let claim = execute(&mut table, 0, 0);
        assert!(table.complete(claim, None));
        execute(&mut table, 0, 1);
    }

    #[test]
    fn a_retry_that_is_another_request_is_refused() {
        let mut table = SlotTable::new(1);
        let claim = execute(&mut table, 0, 1);
        table.complete(claim, Some(b"secret"));
        let same = request(0, 1);
        let other = Principal::Sys { uid: 2, gid: 1 };
        for request in [
            Request { principal: other, ..same },
            Request { operations: 3, ..same },
            Request { cache_this: false, ..same },
        ] {
            assert_eq!(table.admit(&request), Err(Status::SEQ_FALSE_RETRY));
        }
    }

    #[test]
    fn slots_beyond_the_table_are_refused() {
        let mut table = SlotTable::new(2);
        assert_eq!(table.admit(&request(2, 1)), Err(Status::BADSLOT));
        let high = Request { highest_slot: 2, ..request(0, 1) };
        assert_eq!(table.admit(&high), Err(Status::BAD_HIGH_SLOT));
        assert_eq!(table.busy(), 0);
    }
}
