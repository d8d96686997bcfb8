//! Slots as both ends see them: SEQUENCE answers for the slot that was used, and a client that
//! counts right is never told that it does not.

use holdfast_proto::nfs4::{SequenceArgs, SequenceOk, Status};

use crate::journal::Journal;

/// The checker.
pub struct Slots {
    journal: Journal,
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
    pub const fn new(journal: Journal) -> Self {
        Self { journal }
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

    /// Slots of a session in the server: all are free or busy, and none is busy when nothing runs.
    pub fn counted(&self, server: &str, size: u32, busy: u32, free: u32, running: u32) {
        if busy + free != size || busy > running {
            let message =
                format!("{server}: {busy} busy + {free} free of {size} slots, {running} running");
            self.journal.violation("slots", message);
        }
    }
}

#[cfg(test)]
mod tests {
    use holdfast_proto::nfs4::{SequenceStatus, SessionId};

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

    #[test]
    fn slots_add_up() {
        assert!(verdicts(Slots::new, |slots| slots.counted("s", 4, 1, 3, 1)).is_empty());
        assert_eq!(verdicts(Slots::new, |slots| slots.counted("s", 4, 1, 2, 1)).len(), 1);
        assert_eq!(verdicts(Slots::new, |slots| slots.counted("s", 4, 1, 3, 0)).len(), 1);
    }
}
