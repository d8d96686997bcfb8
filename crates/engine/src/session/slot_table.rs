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
    /// It was taken out of use, and may begin anew when it comes back.
    retired: bool,
    /// Which target the last reply told.
    generation: u32,
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
            retired: false,
            generation: 0,
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

    /// Whether this number asks for the last request again.
    const fn is_retry(&self, seqid: u32) -> bool {
        let begins_anew = self.retired && seqid == 1;
        self.used && seqid == self.seqid && !begins_anew
    }

    /// Whether this number is that of a new request. A slot that was retired may count on or
    /// begin anew: the requester gave it up, and may have forgotten where it stood.
    const fn is_next(&self, seqid: u32) -> bool {
        let begins_anew = self.retired && seqid == 1;
        !self.busy && (seqid == self.seqid.wrapping_add(1) || begins_anew)
    }

    fn begin(&mut self, request: &Request, generation: u32) {
        (self.seqid, self.generation) = (request.seqid, generation);
        (self.used, self.busy, self.cached, self.retired) = (true, true, false, false);
        (self.cache_this, self.operations) = (request.cache_this, request.operations);
        self.principal = request.principal;
    }

    fn retire(&mut self) {
        self.reply = Vec::new();
        (self.cached, self.retired) = (false, self.used);
    }
}

/// How much memory there is for slots and the replies kept in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Tables may grow.
    Plentiful,
    /// They may not.
    Scarce,
    /// No further reply is kept but in a session's first slot, so that it is never stuck.
    Full,
}

/// How many slots a requester may use, as SEQUENCE tells it (RFC 8881 §18.46.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// How many it may use.
    pub size: u32,
    /// How many it is asked to keep to: at most `size`, at least 1.
    pub target: u32,
}

/// The slots of one channel. A slot's memory is taken when it is first used.
///
/// The table grows while the requester uses all of it, up to what it asked for, and shrinks when
/// the requester follows a lower target: only then are the slots above it idle for good.
#[derive(Debug)]
pub struct SlotTable {
    slots: Vec<Slot>,
    offer: Offer,
    most: u32,
    /// Counts the targets that were told.
    generation: u32,
    busy: u32,
    reply_bytes: usize,
}

impl SlotTable {
    /// A table of `size` slots that may grow to `most`.
    pub const fn new(size: u32, most: u32) -> Self {
        let offer = Offer { size, target: size };
        Self { slots: Vec::new(), offer, most, generation: 0, busy: 0, reply_bytes: 0 }
    }

    /// How many slots there are, and how many the requester is asked to keep to.
    pub const fn offer(&self) -> Offer {
        self.offer
    }

    /// How many requests are being executed.
    pub const fn busy(&self) -> u32 {
        self.busy
    }

    /// Bytes that the slots and the replies kept in them take.
    pub const fn bytes(&self) -> usize {
        self.reply_bytes + self.slots.capacity() * size_of::<Slot>()
    }

    /// Decides what becomes of a request. Only [`Admit::Execute`] changes anything.
    ///
    /// # Errors
    /// - `BADSLOT`: there is no such slot.
    /// - `BAD_HIGH_SLOT`: the requester uses more slots than there are.
    /// - `SEQ_MISORDERED`: neither the last request again nor the next one.
    /// - `SEQ_FALSE_RETRY`: the last request's number, on another request.
    /// - `DELAY`: there is no memory to keep the reply in.
    pub fn admit(&mut self, request: &Request, memory: Memory) -> Result<Admit<'_>, Status> {
        if request.slot >= self.offer.size {
            return Err(Status::BADSLOT);
        }
        if request.highest_slot >= self.offer.size {
            return Err(Status::BAD_HIGH_SLOT);
        }
        let at = request.slot as usize;
        if self.slots.get(at).is_some_and(|slot| slot.is_retry(request.seqid)) {
            return Self::retry(&self.slots[at], request);
        }
        if !self.slots.get(at).map_or(request.seqid == 1, |slot| slot.is_next(request.seqid)) {
            return Err(Status::SEQ_MISORDERED);
        }
        if memory == Memory::Full && request.cache_this && at > 0 {
            return Err(Status::DELAY);
        }
        if at >= self.slots.len() {
            self.slots.resize_with(at + 1, Slot::new);
        }
        // The requester goes on with this slot, so it has seen what the last reply in it told.
        let knows_target = self.slots[at].used && self.slots[at].generation == self.generation;
        if knows_target {
            self.give_up_slots(request);
        }
        if memory == Memory::Plentiful {
            self.grow(request.slot);
        }
        self.slots[at].begin(request, self.generation);
        self.busy += 1;
        Ok(Admit::Execute(Claim { slot: request.slot, seqid: request.seqid }))
    }

    /// Takes the slots above the target away, once the requester keeps to it.
    fn give_up_slots(&mut self, request: &Request) {
        let target = self.offer.target;
        let uses = request.highest_slot.max(request.slot);
        let above = (target as usize).min(self.slots.len());
        if uses >= target || self.slots[above..].iter().any(|slot| slot.busy) {
            return;
        }
        let freed: usize = self.slots[above..].iter().map(|slot| slot.reply.capacity()).sum();
        self.slots[above..].iter_mut().for_each(Slot::retire);
        self.reply_bytes -= freed;
        self.offer.size = target;
    }

    /// Adds about a fifth when `slot` is the last there is, up to what the table may grow to.
    fn grow(&mut self, slot: u32) {
        let Offer { size, target } = self.offer;
        if slot + 1 == size && target == size && size < self.most {
            let size = (size + (size / 5).max(1)).min(self.most);
            self.offer = Offer { size, target: size };
        }
    }

    /// Asks the requester for half of the slots back. There is always one.
    pub fn shrink(&mut self) {
        let target = (self.offer.size / 2).max(1);
        self.retarget(target);
    }

    /// Asks for nothing back any more.
    pub fn relax(&mut self) {
        self.retarget(self.offer.size);
    }

    const fn retarget(&mut self, target: u32) {
        if self.offer.target != target {
            self.offer.target = target;
            self.generation = self.generation.wrapping_add(1);
        }
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
        let before = slot.reply.capacity();
        slot.reply.clear();
        if let Some(reply) = reply {
            slot.cached = true;
            slot.reply.extend_from_slice(reply);
        }
        self.reply_bytes = self.reply_bytes + slot.reply.capacity() - before;
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
mod tests;
