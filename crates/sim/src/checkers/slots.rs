//! Slots as both ends see them: SEQUENCE answers for the slot that was used, a client that counts
//! right is never told that it does not, the server runs no more than was asked of it, and no
//! session goes while a request of it runs.

use std::collections::BTreeMap;
use std::sync::Mutex;

use holdfast_proto::nfs4::{SequenceArgs, SequenceOk, SessionId, Status};
use holdfast_server::SessionStatus;

use crate::journal::Journal;
use crate::sync::lock;

/// The checker.
pub struct Slots {
    journal: Journal,
    /// Requests that a client has sent and has no answer to.
    outstanding: Mutex<BTreeMap<SessionId, u32>>,
}

/// A SEQUENCE and its answer.
pub struct Echo<'a> {
    /// What was sent.
    pub sent: &'a SequenceArgs,
    /// What came back.
    pub ok: Option<&'a SequenceOk>,
    /// How many slots were agreed on.
    pub size: u32,
}

impl Slots {
    /// No slot was used yet.
    pub fn new(journal: Journal) -> Self {
        Self { journal, outstanding: Mutex::default() }
    }

    /// A client sends a request for the first time.
    pub fn sent(&self, session: SessionId) {
        *lock(&self.outstanding).entry(session).or_default() += 1;
    }

    /// A client has its answer. One that it does not wait for any more may still run.
    pub fn answered(&self, session: SessionId) {
        if let Some(count) = lock(&self.outstanding).get_mut(&session) {
            *count -= 1;
        }
    }

    /// SEQUENCE succeeded.
    pub fn echoed(&self, echo: &Echo<'_>) {
        let Echo { sent, ok, size } = *echo;
        let Some(ok) = ok else {
            return self.journal.violation("slots", "SEQUENCE without a result");
        };
        let same = ok.sessionid == sent.sessionid
            && ok.sequenceid == sent.sequenceid
            && ok.slotid == sent.slotid;
        if !same {
            self.journal.violation("slots", format!("{sent:?} was answered with {ok:?}"));
        }
        if ok.highest_slotid >= size || ok.target_highest_slotid >= size {
            self.journal.violation("slots", format!("of {size} slots: {ok:?}"));
        }
    }

    /// SEQUENCE was refused in a way that no request here deserves.
    pub fn refused(&self, sent: &SequenceArgs, status: Status) {
        self.journal.violation("slots", format!("{sent:?} was refused: {status:?}"));
    }

    /// A session in the server: its slots are free or busy, and none is busy without a request.
    /// A dead session may run what its client gave up.
    pub fn counted(&self, server: &str, session: &SessionStatus) {
        let SessionStatus { busy, free, slots, .. } = *session;
        let asked = lock(&self.outstanding).get(&session.id).copied().unwrap_or(0);
        if busy + free != slots || (busy > asked && !session.is_dead) {
            let message = format!("{server}: {session}, {free} free, {asked} asked for");
            self.journal.violation("slots", message);
        }
    }

    /// A session that its client has left behind, though it destroyed all it had. One that died
    /// is still to be forgotten.
    pub fn left(&self, server: &str, session: &SessionStatus) {
        if !session.is_dead {
            self.journal.violation("slots", format!("{server}: everybody left, and {session}"));
        }
    }

    /// A request of this session changes files now, while the server has these sessions.
    pub fn runs(&self, server: &str, call: &str, id: SessionId, sessions: &[SessionStatus]) {
        if !sessions.iter().any(|session| session.id == id) {
            let message = format!("{server}: {call} runs, and its session {:x?} is gone", id.0);
            self.journal.violation("slots", message);
        }
    }
}

#[cfg(test)]
mod tests {
    use holdfast_proto::nfs4::{ClientId, SequenceStatus};

    use super::*;
    use crate::checkers::testing::verdicts;

    const SENT: SequenceArgs = SequenceArgs {
        sessionid: SessionId([1; 16]),
        sequenceid: 4,
        slotid: 1,
        highest_slotid: 1,
        cachethis: true,
    };

    fn ok(sequenceid: u32, highest_slotid: u32) -> SequenceOk {
        SequenceOk {
            sessionid: SENT.sessionid,
            sequenceid,
            slotid: SENT.slotid,
            highest_slotid,
            target_highest_slotid: 0,
            status_flags: SequenceStatus::empty(),
        }
    }

    fn echo(answer: Option<&SequenceOk>) -> Vec<String> {
        verdicts(Slots::new, |slots| slots.echoed(&Echo { sent: &SENT, ok: answer, size: 2 }))
    }

    #[test]
    fn only_the_answer_to_the_request_is_right() {
        assert!(echo(Some(&ok(4, 1))).is_empty());
        assert_eq!(echo(Some(&ok(5, 1))).len(), 1);
        assert_eq!(echo(Some(&ok(4, 2))).len(), 1);
        assert_eq!(echo(None).len(), 1);
        let refused = verdicts(Slots::new, |slots| slots.refused(&SENT, Status::SEQ_MISORDERED));
        assert!(refused[0].contains("SEQ_MISORDERED"));
    }

    fn status(slots: u32, busy: u32, free: u32, is_dead: bool) -> SessionStatus {
        SessionStatus { id: SENT.sessionid, client: ClientId(1), slots, busy, free, is_dead }
    }

    fn counted(session: SessionStatus) -> usize {
        let asked_for_one = |slots: &Slots| {
            (0..2).for_each(|_| slots.sent(session.id));
            slots.answered(session.id);
            slots.counted("s", &session);
        };
        verdicts(Slots::new, asked_for_one).len()
    }

    #[test]
    fn slots_add_up_and_run_only_what_was_asked_for() {
        assert_eq!(counted(status(4, 1, 3, false)), 0);
        assert_eq!(counted(status(4, 1, 2, false)), 1);
        assert_eq!(counted(status(4, 2, 2, false)), 1);
        assert_eq!(counted(status(4, 2, 2, true)), 0);
    }

    #[test]
    fn nobody_leaves_a_session_behind() {
        let left = |is_dead| {
            verdicts(Slots::new, |slots| slots.left("s", &status(4, 0, 4, is_dead))).len()
        };
        assert_eq!((left(true), left(false)), (0, 1));
    }

    #[test]
    fn a_request_runs_only_while_its_session_is_there() {
        let runs = |sessions: &[SessionStatus]| {
            verdicts(Slots::new, |slots| slots.runs("s", "write", SENT.sessionid, sessions)).len()
        };
        assert_eq!(runs(&[status(1, 1, 0, true)]), 0);
        assert_eq!(runs(&[]), 1);
    }
}
