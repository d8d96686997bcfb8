//! A client's session: slots, and what becomes of a request whatever happens to the connection.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdfast_proto::nfs4::{Op, OpBody, OpNum, SequenceArgs, SequenceOk, SessionId, Status};

use super::rpc::Rpc;
use super::wire::{self, Reply, Tag};
use crate::checkers::losses::Loss;
use crate::checkers::slots::Echo;
use crate::sim::Sim;
use crate::sync::{Bell, lock};

/// The longest wait before a request that was delayed is sent again.
const BACKOFF_MAX: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Of the last request that was answered.
    seqid: u32,
    busy: bool,
}

/// Whether requests may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Open,
    /// Those that run go on.
    Draining,
    /// The session is gone.
    Ended,
}

/// An agreed session.
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// The generation of the instance that made it.
    pub generation: u64,
    /// Which incarnation of the client's state it belongs to.
    pub epoch: u64,
    /// How long its client may be silent.
    pub lease: Duration,
    slots: Mutex<Vec<Slot>>,
    gate: Mutex<Gate>,
    /// Whether its client wants it gone.
    given_up: AtomicBool,
    changed: Bell,
}

/// What became of a request.
pub enum Outcome {
    /// It was answered.
    Answered(Reply),
    /// The session is gone. `true`: the request may have been executed.
    Lost(bool),
}

/// A slot in use; given back when dropped.
struct InUse {
    session: Arc<Session>,
    slot: u32,
}

impl Drop for InUse {
    fn drop(&mut self) {
        lock(&self.session.slots)[self.slot as usize].busy = false;
        self.session.changed.ring();
    }
}

impl Session {
    /// A session of so many slots.
    pub fn new(
        id: SessionId,
        (generation, lease): (u64, Duration),
        epoch: u64,
        slots: u32,
    ) -> Arc<Self> {
        let slots = vec![Slot { seqid: 0, busy: false }; slots as usize];
        let (slots, gate) = (Mutex::new(slots), Mutex::new(Gate::Open));
        let (given_up, changed) = (AtomicBool::new(false), Bell::default());
        Arc::new(Self { id, generation, epoch, lease, slots, gate, given_up, changed })
    }

    /// The client wants it gone: from now on it may be lost at any time.
    pub fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
    }

    /// No request begins any more.
    pub fn drain(&self) {
        let mut gate = lock(&self.gate);
        if *gate == Gate::Open {
            *gate = Gate::Draining;
        }
    }

    /// The session is gone: those that wait for a slot get none.
    pub fn end(&self) {
        self.give_up();
        *lock(&self.gate) = Gate::Ended;
        self.changed.ring();
    }

    /// Ready when the session is gone.
    pub async fn ended(&self) {
        loop {
            let changed = self.changed.wait();
            if *lock(&self.gate) == Gate::Ended {
                return;
            }
            changed.await;
        }
    }

    /// A free slot; `None`: the session is gone.
    async fn slot(self: &Arc<Self>) -> Option<InUse> {
        loop {
            let changed = self.changed.wait();
            match *lock(&self.gate) {
                Gate::Ended => return None,
                Gate::Open => {
                    let mut slots = lock(&self.slots);
                    if let Some(slot) = slots.iter().position(|slot| !slot.busy) {
                        slots[slot].busy = true;
                        return Some(InUse { session: self.clone(), slot: slot as u32 });
                    }
                }
                Gate::Draining => {}
            }
            changed.await;
        }
    }

    /// SEQUENCE as the next request of a slot has it.
    pub fn next(&self, slot: u32) -> Op<'static> {
        Op::Sequence(self.sequence(slot, false))
    }

    fn sequence(&self, slot: u32, cachethis: bool) -> SequenceArgs {
        let slots = lock(&self.slots);
        let highest = slots.iter().rposition(|slot| slot.busy).unwrap_or(0) as u32;
        SequenceArgs {
            sessionid: self.id,
            sequenceid: slots[slot as usize].seqid.wrapping_add(1),
            slotid: slot,
            highest_slotid: highest,
            cachethis,
        }
    }

    fn answered(&self, slot: u32) {
        let slot = &mut lock(&self.slots)[slot as usize];
        slot.seqid = slot.seqid.wrapping_add(1);
    }
}

/// Sends the operations of a request behind a SEQUENCE, until that is answered or the session is
/// gone.
pub async fn request(
    sim: &Sim,
    rpc: &Rpc,
    session: &Arc<Session>,
    request: (Tag, u32),
    cachethis: bool,
    ops: &[Op<'_>],
) -> Outcome {
    let (tag, minor) = request;
    let Some(in_use) = session.slot().await else { return Outcome::Lost(false) };
    let until_ns = (sim.now() + session.lease).as_ns();
    let sequence = session.sequence(in_use.slot, cachethis);
    let mut all = vec![Op::Sequence(sequence)];
    all.extend_from_slice(ops);
    sim.checkers.exactly_once.began(tag, &sequence, ops);
    sim.checkers.slots.sent(session.id);
    let (mut sent, mut backoff) = (0, Duration::from_millis(10));
    loop {
        let xid = rpc.xid();
        let record = wire::call(xid, tag, minor, &all);
        let answer = rpc.call(xid, &record).await;
        sent += answer.sent;
        if Reply::is_system_error(&answer.record) {
            sim.journal.count("client", "system error");
            sim.after(backoff).await;
            continue;
        }
        let reply = match Reply::new(answer.record, answer.generation) {
            Ok(reply) => reply,
            Err(error) => {
                sim.journal.violation("wire", format!("tag {tag:?}: {error}"));
                return Outcome::Lost(true);
            }
        };
        sim.journal.digest(u64::from(xid), reply.bytes().len() as u64);
        match verdict(sim, session, &sequence, &reply) {
            Verdict::Answered => {
                session.answered(in_use.slot);
                sim.checkers.slots.answered(session.id);
                sim.checkers.shares.renewed(tag.client, until_ns);
                return Outcome::Answered(reply);
            }
            Verdict::Again => {
                sim.journal.count("client", "sequence delayed");
                sim.after(backoff).await;
                backoff = (backoff * 2).min(BACKOFF_MAX);
            }
            Verdict::Lost => {
                lost(sim, session, tag.client, reply.generation);
                return Outcome::Lost(sent > 1);
            }
        }
    }
}

fn lost(sim: &Sim, session: &Session, client: u32, by: u64) {
    sim.checkers.losses.lost(Loss {
        session: session.id,
        same_instance: session.generation == by,
        lease_goes_on: sim.checkers.shares.lease_goes_on(client, sim.now().as_ns()),
        ended: session.given_up.load(Ordering::Relaxed),
        panics: sim.options.panic_per_10k > 0,
    });
}

enum Verdict {
    Answered,
    Again,
    Lost,
}

fn verdict(sim: &Sim, session: &Session, sent: &SequenceArgs, reply: &Reply) -> Verdict {
    let status = reply.status_of(OpNum::SEQUENCE);
    match status {
        Status::OK => {
            let echo = |body: &OpBody<'_>| {
                if let OpBody::Sequence(ok) = body { Some(*ok) } else { None }
            };
            let ok: Option<SequenceOk> = reply.find(OpNum::SEQUENCE, echo);
            let size = lock(&session.slots).len() as u32;
            sim.checkers.slots.echoed(&Echo { sent, ok: ok.as_ref(), size });
            let (made, by) = (session.generation, reply.generation);
            sim.checkers.generations.session_used(session.id, made, by);
            Verdict::Answered
        }
        Status::DELAY => Verdict::Again,
        Status::BADSESSION | Status::DEADSESSION => Verdict::Lost,
        other => {
            // Nothing that this client does deserves any other answer.
            sim.checkers.slots.refused(sent, other);
            Verdict::Lost
        }
    }
}
