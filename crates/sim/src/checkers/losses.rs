//! A session is lost for a reason only: its server ended, its lease may be over, a request of it
//! panicked, or its own client ended it. Above all not because of another server's stop.

use holdfast_proto::nfs4::SessionId;

use crate::journal::Journal;

/// The checker.
pub struct Losses {
    journal: Journal,
}

/// What is known of a session that the server does not know.
#[derive(Clone, Copy, Debug)]
pub struct Loss {
    /// Which.
    pub session: SessionId,
    /// Whether the instance that made it says so.
    pub same_instance: bool,
    /// Whether its client's lease surely goes on.
    pub lease_goes_on: bool,
    /// Whether its client ended it.
    pub ended: bool,
    /// Whether requests may have panicked.
    pub panics: bool,
}

impl Losses {
    /// No session was lost yet.
    pub const fn new(journal: Journal) -> Self {
        Self { journal }
    }

    /// The server does not know a session.
    pub fn lost(&self, loss: Loss) {
        if loss.same_instance && loss.lease_goes_on && !loss.ended && !loss.panics {
            let message = format!("session {:x?} is gone, and nothing happened", loss.session.0);
            self.journal.violation("losses", message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::testing::verdicts;

    #[test]
    fn a_session_is_not_lost_without_a_reason() {
        let none = Loss {
            session: SessionId([1; 16]),
            same_instance: true,
            lease_goes_on: true,
            ended: false,
            panics: false,
        };
        let said = |loss| verdicts(Losses::new, |losses| losses.lost(loss)).len();
        assert_eq!(said(none), 1);
        assert_eq!(said(Loss { same_instance: false, ..none }), 0);
        assert_eq!(said(Loss { lease_goes_on: false, ..none }), 0);
        assert_eq!(said(Loss { ended: true, ..none }), 0);
        assert_eq!(said(Loss { panics: true, ..none }), 0);
    }
}
