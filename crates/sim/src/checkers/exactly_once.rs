//! Every request is executed at most once, whatever was sent again; and what was answered with
//! success was executed. Requests are known by the tag that their credential carries down to the
//! file system.

use std::collections::BTreeMap;
use std::sync::Mutex;

use holdfast_proto::nfs4::{Op, SequenceArgs, SessionId};

use crate::client::wire::Tag;
use crate::journal::Journal;
use crate::sync::lock;

struct Request {
    what: String,
    session: SessionId,
    /// How often each call was made, and where, if a request may make it at several places.
    executed: BTreeMap<(&'static str, u64), u32>,
}

/// The checker.
pub struct ExactlyOnce {
    journal: Journal,
    requests: Mutex<BTreeMap<Tag, Request>>,
}

impl ExactlyOnce {
    /// No request was made yet.
    pub fn new(journal: Journal) -> Self {
        Self { journal, requests: Mutex::default() }
    }

    /// A client begins a request.
    pub fn began(&self, tag: Tag, at: &SequenceArgs, ops: &[Op<'_>]) {
        let names: Vec<_> = ops.iter().map(|op| format!("{:?}", op.num())).collect();
        let what = format!("slot {} seq {}: {}", at.slotid, at.sequenceid, names.join(" "));
        self.journal.line(&format!("client{}", tag.client), || format!("#{} {what}", tag.number));
        lock(&self.requests)
            .insert(tag, Request { what, session: at.sessionid, executed: BTreeMap::new() });
    }

    /// The file system executes a call that changes something.
    pub fn executed(&self, groups: &[u32], (call, at): (&'static str, u64)) {
        let Some(tag) = Tag::of(groups) else {
            return self.journal.violation("exactly-once", format!("{call} of nobody's request"));
        };
        let mut requests = lock(&self.requests);
        let Some(request) = requests.get_mut(&tag) else {
            return self.journal.violation("exactly-once", format!("{call} of unknown {tag:?}"));
        };
        let count = request.executed.entry((call, at)).or_default();
        *count += 1;
        if *count > 1 {
            let message = format!("{call} executed {count} times for {tag:?}, {}", request.what);
            self.journal.violation("exactly-once", message);
        }
    }

    /// The session of a request.
    pub fn session_of(&self, groups: &[u32]) -> Option<SessionId> {
        let requests = lock(&self.requests);
        requests.get(&Tag::of(groups)?).map(|request| request.session)
    }

    /// A client is told that its request did this.
    pub fn succeeded(&self, tag: Tag, call: &'static str) {
        let requests = lock(&self.requests);
        let Some(request) = requests.get(&tag) else { return };
        if !request.executed.keys().any(|(executed, _)| *executed == call) {
            let message = format!("{tag:?} was answered, and no {call} executed: {}", request.what);
            self.journal.violation("exactly-once", message);
        }
    }

    /// A client is told that the reply was not kept.
    pub fn uncached(&self, tag: Tag, cachethis: bool) {
        if cachethis {
            let message = format!("the reply to {tag:?} should have been kept");
            self.journal.violation("exactly-once", message);
        }
        self.journal.count("client", "uncached reply");
    }
}

#[cfg(test)]
mod tests {
    use holdfast_proto::nfs4::SessionId;

    use super::*;
    use crate::checkers::testing::verdicts;

    const TAG: Tag = Tag { client: 3, number: 9 };

    fn begun(checker: &ExactlyOnce) {
        let at = SequenceArgs {
            sessionid: SessionId([0; 16]),
            sequenceid: 1,
            slotid: 0,
            highest_slotid: 0,
            cachethis: true,
        };
        checker.began(TAG, &at, &[Op::GetFh]);
    }

    #[test]
    fn once_is_right_and_twice_is_not() {
        let once = verdicts(ExactlyOnce::new, |checker| {
            begun(checker);
            checker.executed(&TAG.groups(), ("remove", 0));
            checker.succeeded(TAG, "remove");
        });
        assert!(once.is_empty());
        let twice = verdicts(ExactlyOnce::new, |checker| {
            begun(checker);
            checker.executed(&TAG.groups(), ("remove", 0));
            checker.executed(&TAG.groups(), ("remove", 0));
        });
        assert!(twice[0].contains("executed 2 times"));
    }

    #[test]
    fn a_part_is_executed_once_and_there_may_be_several() {
        let executed = |places: &[u64]| {
            verdicts(ExactlyOnce::new, |checker| {
                begun(checker);
                places.iter().for_each(|at| checker.executed(&TAG.groups(), ("copy_range", *at)));
                checker.succeeded(TAG, "copy_range");
            })
        };
        assert_eq!(executed(&[0, 7]), Vec::<String>::new());
        assert_eq!(executed(&[0, 7, 7]).len(), 1);
    }

    #[test]
    fn success_without_execution_and_strangers_are_noticed() {
        let never = verdicts(ExactlyOnce::new, |checker| {
            begun(checker);
            checker.succeeded(TAG, "remove");
        });
        assert!(never[0].contains("no remove executed"));
        let stranger = verdicts(ExactlyOnce::new, |checker| checker.executed(&[1], ("remove", 0)));
        assert!(stranger[0].contains("nobody"));
        let uncached = verdicts(ExactlyOnce::new, |checker| checker.uncached(TAG, true));
        assert_eq!(uncached.len(), 1);
    }
}
