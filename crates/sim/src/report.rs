//! What many runs did, as a table.

use std::collections::BTreeMap;
use std::fmt;

use crate::run::Outcome;

/// Kinds of which a long soak must see every one.
pub const MUST_HAPPEN: &[(&str, &[&str])] = &[
    (
        "operation",
        &[
            "OPEN guarded",
            "OPEN unchecked",
            "OPEN truncating",
            "OPEN exclusive",
            "OPEN name",
            "OPEN handle",
            "CREATE directory",
            "CREATE symlink",
            "LINK",
            "REMOVE",
            "RENAME",
            "WRITE unstable",
            "WRITE stable",
            "READ",
            "COMMIT",
            "SETATTR size",
            "SETATTR mode",
            "CLOSE",
            "GETATTR",
            "LOOKUP",
            "LOOKUP of an export",
            "READDIR",
            "READLINK",
            "SEEK",
            "SEEK over all",
            "READ_PLUS",
            "WRITE far away",
            "ALLOCATE",
            "DEALLOCATE",
            "IO_ADVISE",
            "COPY",
            "CLONE",
            "SETXATTR either",
            "SETXATTR create",
            "SETXATTR replace",
            "GETXATTR",
            "LISTXATTRS",
            "REMOVEXATTR",
            "SEQUENCE alone",
            "EXCHANGE_ID",
            "CREATE_SESSION",
            "RECLAIM_COMPLETE",
            "BIND_CONN_TO_SESSION",
            "DESTROY_SESSION",
            "DESTROY_CLIENTID",
            "shared ticket",
            "shared token",
            "shared record",
            "shared record, denying",
            "shared locks",
        ],
    ),
    (
        "fault",
        &[
            "partition",
            "connection broken",
            "connection silent",
            "connection stalled",
            "storage error",
            "storage hang",
            "storage panic",
            "storage crash",
        ],
    ),
    (
        "client",
        &[
            "sequence delayed",
            "delayed",
            "session lost",
            "in doubt",
            "open again",
            "reclaimed",
            "reclaim refused",
            "write again",
            "share denied",
            "session replaced",
            "DESTROY_SESSION delayed",
            "reboot",
            "CREATE_SESSION delayed",
            "export gone",
            "bound otherwise",
        ],
    ),
    (
        "locks",
        &[
            "granted",
            "upgraded",
            "downgraded",
            "denied",
            "unlocked",
            "unlocked within",
            "unlocked nothing",
            "test: free",
            "test: denied",
            "state tested",
            "state freed",
            "state not freed",
            "closed with locks",
            "denied, would wait",
            "not open for it",
            "not open for writing",
            "written and read alone",
            "reclaimed",
            "reclaim refused",
            "went on after a restart",
            "taken over",
            "over",
        ],
    ),
    (
        "ranges",
        &[
            "allocated",
            "range refused",
            "hole found",
            "data found",
            "nothing found",
            "hole read",
            "zeroed",
            "advised",
            "copied",
            "copied in part",
            "copy refused",
            "cloned",
            "clone refused",
        ],
    ),
    ("network", &["retransmission", "timeout"]),
    (
        "operator",
        &[
            "start",
            "stop",
            "kill",
            "two stops and a start",
            "start failed",
            "stop above budget",
            "requests dropped",
            "resize",
            "resize at a stop",
            "reconfigure",
            "grace ended by word",
            "no grace to end",
            "kill of several servers",
            "stop beside another server",
        ],
    ),
    ("checker", &["sessions counted"]),
    ("life", &["up", "down", "grace start", "grace end"]),
    ("server", &["replays", "clients expired"]),
];

/// Runs, added up.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many runs.
    pub runs: u64,
    /// The seeds that failed.
    pub failed: Vec<u64>,
    /// Virtual seconds.
    pub virtual_s: f64,
    /// Polls of tasks.
    pub polls: u64,
    counts: BTreeMap<(&'static str, &'static str), u64>,
}

impl Report {
    /// Adds a run.
    pub fn add(&mut self, outcome: &Outcome) {
        self.runs += 1;
        self.virtual_s += outcome.time.as_secs_f64();
        self.polls += outcome.polls;
        if !outcome.violations.is_empty() {
            self.failed.push(outcome.seed);
        }
        for (kind, count) in &outcome.counts {
            *self.counts.entry(*kind).or_default() += count;
        }
    }

    /// How many operations were done.
    pub fn operations(&self) -> u64 {
        let of =
            |((group, _), count): (&(&str, &str), &u64)| (*group == "operation").then_some(*count);
        self.counts.iter().filter_map(of).sum()
    }

    /// The kinds that should have happened and did not.
    pub fn missing(&self) -> Vec<(&'static str, &'static str)> {
        let all =
            MUST_HAPPEN.iter().flat_map(|(group, kinds)| kinds.iter().map(|kind| (*group, *kind)));
        all.filter(|kind| self.counts.get(kind).is_none_or(|count| *count == 0)).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (runs, operations) = (self.runs, self.operations());
        writeln!(f, "{runs} runs, {operations} operations, {:.0} virtual seconds", self.virtual_s)?;
        let mut last = "";
        for ((group, kind), count) in &self.counts {
            if *group != last {
                writeln!(f, "{group}")?;
                last = group;
            }
            writeln!(f, "  {kind:<24} {count:>12}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_happened_is_missing() {
        let mut report = Report::default();
        assert!(report.missing().contains(&("fault", "storage crash")));
        report.counts.insert(("fault", "storage crash"), 1);
        assert!(!report.missing().contains(&("fault", "storage crash")));
    }
}
