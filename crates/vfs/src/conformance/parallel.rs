//! Several callers at once.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::{Scratch, Subject, User};
use crate::{Error, Handle};

const THREADS: usize = 4;
const ROUNDS: usize = 1000;
const SPINS: u32 = 10_000;

/// Runs `work` on several threads and collects what it answers.
fn at_once<T: Send>(t: &Scratch<'_>, work: impl Fn(User<'_>, usize) -> T + Sync) -> Vec<T> {
    let (user, work) = (&t.root, &work);
    thread::scope(|scope| {
        let run = |number| scope.spawn(move || work(*user, number));
        let threads: Vec<_> = (0..THREADS).map(run).collect();
        threads.into_iter().map(|thread| thread.join().expect("a caller passed")).collect()
    })
}

pub(super) fn files_made_at_once_are_all_there(subject: &Subject) {
    let t = Scratch::new(subject);
    if !t.features().parallel {
        return;
    }
    at_once(&t, |user, thread| {
        for number in 0..100 {
            user.file(&t.dir, format!("{thread}-{number}"));
        }
    });
    assert_eq!(t.root.names(&t.dir).len(), THREADS * 100);
}

pub(super) fn one_of_several_guarded_creates_wins(subject: &Subject) {
    let t = Scratch::new(subject);
    if !t.features().parallel {
        return;
    }
    for round in 0..50 {
        let name = format!("file-{round}");
        let made = at_once(&t, |user, _| user.guarded(&t.dir, &name));
        assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1);
        for lost in made.into_iter().filter(Result::is_err) {
            t.refused(lost, &[Error::Exists]);
        }
    }
}

pub(super) fn writes_at_once_to_other_places_are_all_there(subject: &Subject) {
    let t = Scratch::new(subject);
    if !t.features().parallel {
        return;
    }
    let (_, open) = t.root.file(&t.dir, "file");
    at_once(&t, |user, thread| {
        for number in 0..50 {
            let at = (number * THREADS + thread) * 1000;
            user.write(&open, at as u64, &[thread as u8 + 1; 1000]);
        }
    });
    let data = t.root.read(&open, 0, 1 << 20);
    assert_eq!(data.len(), THREADS * 50 * 1000);
    let whole = |(at, byte): (usize, &u8)| usize::from(*byte) == at / 1000 % THREADS + 1;
    assert!(data.iter().enumerate().all(whole));
}

/// The way from `node` up to the root has an end.
fn reaches_the_root(t: &Scratch<'_>, node: Handle) -> bool {
    let mut at = node;
    for _ in 0..100 {
        if at == t.dir {
            return true;
        }
        at = t.root.lookup_parent(&at).expect("a directory has one above it");
    }
    false
}

pub(super) fn directories_moved_at_once_make_no_loop(subject: &Subject) {
    let t = Scratch::new(subject);
    if !t.features().parallel {
        return;
    }
    let dirs: Vec<_> = (0..6).map(|n| t.root.dir(&t.dir, n.to_string())).collect();
    at_once(&t, |user, thread| {
        for step in 0..200_usize {
            let what = (step * 7 + thread) % dirs.len();
            let to = (step * 5 + thread * 3 + 1) % dirs.len();
            let from = user.lookup_parent(&dirs[what]).expect("it is not removed");
            let name = what.to_string();
            // Another caller may have moved it meanwhile, or the target may be below it.
            _ = user.rename(&from, &name, &dirs[to], &name);
            if step % 4 == 0 {
                let from = user.lookup_parent(&dirs[what]).expect("it is not removed");
                _ = user.rename(&from, &name, &t.dir, &name);
            }
        }
    });
    assert!(dirs.iter().all(|dir| reaches_the_root(&t, *dir)));
}

/// Where two threads meet. They wait awake: a thread that must be woken comes too late to race.
#[derive(Default)]
struct Meeting(AtomicUsize);

impl Meeting {
    /// The `number`th time that both are here.
    fn wait(&self, number: usize) {
        self.0.fetch_add(1, Ordering::SeqCst);
        let mut spins = 0;
        while self.0.load(Ordering::SeqCst) < 2 * number {
            spins += 1;
            if spins < SPINS { std::hint::spin_loop() } else { thread::yield_now() }
        }
    }
}

/// Something to do in a round: whether it was done.
type Call<'a> = dyn Fn(User<'_>, usize) -> bool + Sync + 'a;

/// Runs two calls against each other, round after round, and answers which were done. Nothing in
/// here may panic: the other thread would wait for ever.
fn race(t: &Scratch<'_>, calls: [&Call<'_>; 2], after: impl Fn([bool; 2])) -> Vec<[bool; 2]> {
    let (meeting, first, user) = (Meeting::default(), AtomicBool::new(false), t.root);
    let mut done = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..ROUNDS {
                meeting.wait(2 * round + 1);
                first.store(calls[0](user, round), Ordering::SeqCst);
                meeting.wait(2 * round + 2);
            }
        });
        for round in 0..ROUNDS {
            meeting.wait(2 * round + 1);
            let second = calls[1](user, round);
            meeting.wait(2 * round + 2);
            done.push([first.load(Ordering::SeqCst), second]);
            after(done[round]);
        }
    });
    done
}

pub(super) fn two_directories_moved_into_each_other_make_no_loop(subject: &Subject) {
    let t = Scratch::new(subject);
    if !t.features().parallel {
        return;
    }
    // The two calls have no directory in common: nothing but the tree as a whole is in the way.
    let (left, right) = (t.root.dir(&t.dir, "left"), t.root.dir(&t.dir, "right"));
    let (one, two) = (t.root.dir(&left, "one"), t.root.dir(&right, "two"));
    let there = |user: User<'_>, _| user.rename(&left, "one", &two, "one").is_ok();
    let back = |user: User<'_>, _| user.rename(&right, "two", &one, "two").is_ok();
    let done = race(&t, [&there, &back], |_| {
        _ = t.root.rename(&two, "one", &left, "one");
        _ = t.root.rename(&one, "two", &right, "two");
    });
    assert!(done.iter().all(|[there, back]| there != back), "one of the two is done");
    assert_eq!((t.root.lookup(&left, "one"), t.root.lookup(&right, "two")), (Ok(one), Ok(two)));
}

pub(super) fn a_removed_directory_takes_no_new_file(subject: &Subject) {
    let t = Scratch::new(subject);
    if !t.features().parallel {
        return;
    }
    let name = |round: usize| format!("dir-{round}");
    let dirs: Vec<_> = (0..ROUNDS).map(|round| t.root.dir(&t.dir, name(round))).collect();
    let remove = |user: User<'_>, round| user.remove(&t.dir, name(round)).is_ok();
    let create = |user: User<'_>, round: usize| user.guarded(&dirs[round], "file").is_ok();
    let done = race(&t, [&remove, &create], |_| {});
    for (round, [removed, created]) in done.into_iter().enumerate() {
        assert_ne!(removed, created, "either it is removed, or it has a file");
        assert_eq!(t.root.lookup(&t.dir, name(round)).is_err(), removed);
    }
}
