//! Who asked for an object whose place nobody knows, and which scan answers. No I/O, no clock.
//!
//! A question is answered "stale" by a scan that began after it and ended without the object. So
//! each must be asked twice, and what is asked once only costs a place in a bounded table.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use crate::table::Identity;

/// Questions that wait for a scan. More are told to ask again, and are not remembered.
const ASKED_MAX: usize = 1 << 16;
/// Objects remembered as removed.
const GONE_MAX: usize = 1 << 16;
/// Scans for which an answer is kept for who does not ask again.
const KEPT: u64 = 2;

/// What becomes of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is nowhere.
    Gone,
    /// Ask again, while somebody looks.
    Wait,
}

/// The questions.
#[derive(Default)]
pub(crate) struct Questions {
    /// Scans that began; the number of a scan is what this is after its beginning.
    begun: u64,
    /// The number of the last scan that ended.
    ended: u64,
    /// By how many scans had begun when it was asked first.
    asked: HashMap<Identity, u64>,
    gone: HashSet<Identity>,
    gone_in_order: VecDeque<Identity>,
    /// No scan begins before.
    next_at: Option<Instant>,
}

impl Questions {
    /// Where is it?
    pub(crate) fn ask(&mut self, identity: Identity) -> Answer {
        if self.gone.contains(&identity) {
            return Answer::Gone;
        }
        match self.asked.get(&identity) {
            Some(asked) if self.ended > *asked => {
                self.asked.remove(&identity);
                Answer::Gone
            }
            Some(_) => Answer::Wait,
            None => {
                if self.asked.len() < ASKED_MAX {
                    self.asked.insert(identity, self.begun);
                }
                Answer::Wait
            }
        }
    }

    /// Whether somebody waits to hear of it.
    pub(crate) fn is_asked(&self, identity: &Identity) -> bool {
        self.asked.contains_key(identity)
    }

    /// It has been found.
    pub(crate) fn found(&mut self, identity: &Identity) {
        self.asked.remove(identity);
    }

    /// Its last name was removed, and nothing has it open: no scan need look for it.
    pub(crate) fn removed(&mut self, identity: Identity) {
        self.asked.remove(&identity);
        if self.gone.insert(identity) {
            self.gone_in_order.push_back(identity);
        }
        if self.gone_in_order.len() > GONE_MAX
            && let Some(oldest) = self.gone_in_order.pop_front()
        {
            self.gone.remove(&oldest);
        }
    }

    /// Whether a scan may begin now, and somebody waits for it.
    pub(crate) fn wants(&self, now: Instant) -> bool {
        self.next_at.is_none_or(|at| at <= now) && self.asked.values().any(|at| *at >= self.ended)
    }

    /// A scan begins; answers its number.
    pub(crate) fn begin(&mut self) -> u64 {
        self.begun += 1;
        self.begun
    }

    /// Whether somebody waits for what the scan of that number has not found.
    pub(crate) fn misses(&self, number: u64) -> bool {
        self.asked.values().any(|asked| *asked < number && *asked >= self.ended)
    }

    /// A scan has ended; the next one waits.
    pub(crate) fn end(&mut self, number: u64, now: Instant, pause: Duration) {
        self.ended = number;
        self.next_at = now.checked_add(pause);
        self.asked.retain(|_, asked| *asked + KEPT >= number);
    }

    /// A scan could not see all, for want of memory or descriptors: it answers nobody.
    pub(crate) fn give_up(&mut self, now: Instant, pause: Duration) {
        self.next_at = now.checked_add(pause);
    }

    /// How many scans have begun.
    pub(crate) const fn begun(&self) -> u64 {
        self.begun
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(ino: u64) -> Identity {
        Identity { volume: 0, ino, stamp: 1 }
    }

    #[test]
    fn only_a_scan_that_began_after_the_question_answers_it() {
        let (mut questions, now) = (Questions::default(), Instant::now());
        assert!(!questions.wants(now));
        assert_eq!(questions.ask(identity(1)), Answer::Wait);
        assert!(questions.wants(now));
        let first = questions.begin();
        assert_eq!(questions.ask(identity(2)), Answer::Wait);
        assert!(questions.misses(first));
        questions.end(first, now, Duration::ZERO);
        assert_eq!(questions.ask(identity(1)), Answer::Gone);
        assert_eq!(questions.ask(identity(2)), Answer::Wait);
        assert!(questions.wants(now));
        let second = questions.begin();
        assert!(questions.is_asked(&identity(2)) && questions.misses(second));
        questions.found(&identity(2));
        assert!(!questions.misses(second));
        questions.end(second, now, Duration::ZERO);
        assert!(!questions.wants(now));
        // Whoever asks again begins again.
        assert_eq!(questions.ask(identity(1)), Answer::Wait);
        assert!(questions.wants(now));
    }

    #[test]
    fn scans_have_pauses_whoever_asks() {
        let (mut questions, now) = (Questions::default(), Instant::now());
        for ino in 0..2 * ASKED_MAX as u64 {
            assert_eq!(questions.ask(identity(ino)), Answer::Wait);
        }
        assert_eq!(questions.asked.len(), ASKED_MAX);
        let pause = Duration::from_secs(9);
        let number = questions.begin();
        questions.end(number, now, pause);
        questions.ask(identity(u64::MAX));
        assert!(!questions.wants(now));
        for ino in 0..ASKED_MAX as u64 {
            assert_eq!(questions.ask(identity(ino)), Answer::Gone);
        }
        questions.ask(identity(u64::MAX));
        assert!(!questions.wants(now + pause - Duration::from_nanos(1)));
        assert!(questions.wants(now + pause));
    }

    #[test]
    fn a_scan_that_could_not_see_all_answers_nobody() {
        let (mut questions, now) = (Questions::default(), Instant::now());
        questions.ask(identity(1));
        questions.begin();
        questions.give_up(now, Duration::from_secs(1));
        assert_eq!(questions.ask(identity(1)), Answer::Wait);
        assert!(!questions.wants(now) && questions.wants(now + Duration::from_secs(1)));
    }

    #[test]
    fn what_nobody_asks_again_for_is_forgotten() {
        let (mut questions, now) = (Questions::default(), Instant::now());
        questions.ask(identity(1));
        for _ in 0..4 {
            let number = questions.begin();
            questions.end(number, now, Duration::ZERO);
        }
        assert!(questions.asked.is_empty());
    }

    #[test]
    fn what_was_removed_needs_no_scan_and_the_list_of_it_is_bounded() {
        let (mut questions, now) = (Questions::default(), Instant::now());
        for ino in 0..=GONE_MAX as u64 {
            questions.removed(identity(ino));
            questions.removed(identity(ino));
        }
        assert_eq!(questions.ask(identity(1)), Answer::Gone);
        assert!(!questions.wants(now));
        assert_eq!(questions.ask(identity(0)), Answer::Wait);
        assert!(questions.gone.len() == GONE_MAX && questions.gone_in_order.len() == GONE_MAX);
    }
}
