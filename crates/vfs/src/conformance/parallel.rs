//! Several callers at once.

use std::thread;

use super::{Scratch, Subject, User};
use crate::{Error, Handle};

const THREADS: usize = 4;

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
