//! Every order in which a few parties can take their steps, up to a number of preemptions.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// One who can take a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Actor {
    Worker(usize),
    Admin(usize),
    Task(u64),
}

struct Choice {
    taken: usize,
    of: usize,
    actor: Actor,
}

/// Decides who is next: as before up to some point, then the first that was not tried.
pub(crate) struct Chooser {
    path: Vec<Choice>,
    at: usize,
    last: Option<Actor>,
    preemptions_left: usize,
}

impl Chooser {
    /// One of those that are ready. Whoever took the last step goes on, unless it is preempted.
    pub(crate) fn pick(&mut self, ready: &[Actor]) -> Actor {
        let mut order = ready.to_vec();
        let running = ready.iter().position(|actor| Some(*actor) == self.last);
        if let Some(at) = running {
            order[..=at].rotate_right(1);
        }
        let of = if running.is_some() && self.preemptions_left == 0 { 1 } else { order.len() };
        if self.at == self.path.len() {
            self.path.push(Choice { taken: 0, of, actor: order[0] });
        }
        let choice = &mut self.path[self.at];
        assert_eq!(choice.of, of, "the same choices lead to the same choice");
        choice.actor = order[choice.taken];
        if running.is_some() && choice.taken > 0 {
            self.preemptions_left -= 1;
        }
        self.at += 1;
        self.last = Some(choice.actor);
        choice.actor
    }

    /// Goes to the next path; `false`: there is none.
    fn advance(&mut self) -> bool {
        self.path.truncate(self.at);
        while self.path.last().is_some_and(|last| last.taken + 1 >= last.of) {
            self.path.pop();
        }
        self.path.last_mut().map(|last| last.taken += 1).is_some()
    }
}

/// Runs `run` in every order with at most `preemptions`; answers how many there were. One that
/// fails is written out.
pub(crate) fn explore(preemptions: usize, mut run: impl FnMut(&mut Chooser)) -> usize {
    let mut chooser = Chooser { path: Vec::new(), at: 0, last: None, preemptions_left: 0 };
    let mut schedules = 0;
    loop {
        (chooser.at, chooser.last, chooser.preemptions_left) = (0, None, preemptions);
        schedules += 1;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| run(&mut chooser))) {
            let steps: Vec<_> = chooser.path[..chooser.at].iter().map(|at| at.actor).collect();
            say(&format!("schedule {schedules} failed: {steps:?}"));
            resume_unwind(panic);
        }
        if !chooser.advance() {
            return schedules;
        }
    }
}

/// A line for whoever watches the tests.
pub(crate) fn say(line: &str) {
    // Nobody watches: nothing is lost.
    let _ = writeln!(std::io::stderr(), "{line}");
}
