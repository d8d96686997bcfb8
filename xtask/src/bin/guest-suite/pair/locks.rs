//! Locks that one client holds and the other one meets.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::Pair;
use crate::check::{ensure, equal, refused};
use crate::sys::{self, Lock, Range};
use crate::{Failure, Step};

/// The word that makes this program hold a lock until it is killed.
pub(crate) const HOLD: &str = "hold-lock";
/// How long a lock may take that nobody is in the way of.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often is asked again.
const AGAIN: Duration = Duration::from_millis(500);
/// What a lock that conflicts is refused with.
const BUSY: &[Errno] = &[Errno::AGAIN, Errno::ACCESS];
/// Everything.
const WHOLE: Range = Range::new(0, 0);

fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// A file that both have open.
fn shared_file(pair: &mut Pair, name: &str) -> Result<File, Failure> {
    let path = pair.folder(name)?.join("file");
    let file = open(&path)?;
    pair.meet()?;
    Ok(file)
}

fn denied(file: &File, lock: Lock, range: Range) -> Step {
    refused(&format!("{lock:?} lock of {range:?}"), sys::try_lock(file, lock, range), BUSY)
}

fn granted(file: &File, lock: Lock, range: Range) -> Step {
    sys::try_lock(file, lock, range)
        .map_err(|error| format!("{lock:?} lock of {range:?}: {error}").into())
}

pub(super) fn conflicts(pair: &mut Pair) -> Step {
    let file = shared_file(pair, "lock-conflicts")?;
    let held = Range::new(100, 50);
    let last = Range::new(i64::MAX, 1);
    pair.in_turn(
        || {
            granted(&file, Lock::Write, held)?;
            granted(&file, Lock::Read, Range::new(1 << 40, 0))?;
            // What this process has itself is never in its way.
            equal("own lock", sys::conflict(&file, Lock::Write, held)?, None)
        },
        || {
            for range in [held, WHOLE, Range::new(0, 101), Range::new(149, 1), Range::new(120, 3)] {
                denied(&file, Lock::Write, range)?;
                denied(&file, Lock::Read, range)?;
                let seen = sys::conflict(&file, Lock::Read, range)?;
                equal("the lock in the way", seen, Some((Lock::Write, held)))?;
            }
            for range in [Range::new(0, 100), Range::new(150, 1000)] {
                granted(&file, Lock::Write, range)?;
            }
            denied(&file, Lock::Write, last)?;
            granted(&file, Lock::Read, last)?;
            denied(&file, Lock::Write, Range::new((1 << 40) - 1, 2))
        },
    )?;
    pair.in_turn(
        || {
            let seen = sys::conflict(&file, Lock::Write, Range::new(0, 1))?;
            equal("the other's lock", seen, Some((Lock::Write, Range::new(0, 100))))?;
            sys::unlock(&file, WHOLE).map_err(Into::into)
        },
        || granted(&file, Lock::Write, WHOLE),
    )?;
    pair.in_turn(|| denied(&file, Lock::Read, Range::new(7, 1)), || Ok(()))
}

pub(super) fn shared(pair: &mut Pair) -> Step {
    let file = shared_file(pair, "lock-shared")?;
    let range = Range::new(10, 10);
    granted(&file, Lock::Read, range)?;
    pair.meet()?;
    // Neither can raise what both have.
    denied(&file, Lock::Write, range)?;
    pair.meet()?;
    pair.in_turn(|| Ok(()), || Ok(sys::unlock(&file, range)?))?;
    pair.in_turn(|| granted(&file, Lock::Write, range), || denied(&file, Lock::Read, range))?;
    // The middle is lowered: it can be shared, the ends can not.
    let middle = Range::new(13, 4);
    pair.in_turn(
        || granted(&file, Lock::Read, middle),
        || {
            granted(&file, Lock::Read, middle)?;
            denied(&file, Lock::Read, Range::new(12, 2))?;
            denied(&file, Lock::Read, Range::new(16, 2))
        },
    )
}

pub(super) fn parts(pair: &mut Pair) -> Step {
    let file = shared_file(pair, "lock-parts")?;
    let middle = Range::new(40, 20);
    pair.in_turn(
        || {
            granted(&file, Lock::Write, Range::new(0, 100))?;
            Ok(sys::unlock(&file, middle)?)
        },
        || {
            granted(&file, Lock::Write, middle)?;
            denied(&file, Lock::Write, Range::new(39, 1))?;
            denied(&file, Lock::Write, Range::new(60, 1))?;
            granted(&file, Lock::Write, Range::new(100, 1))
        },
    )?;
    // Unlocking what is not locked is no error; locks that touch become one.
    pair.in_turn(|| Ok(()), || Ok(sys::unlock(&file, WHOLE)?))?;
    pair.in_turn(
        || {
            sys::unlock(&file, Range::new(200, 10))?;
            granted(&file, Lock::Write, middle)
        },
        || {
            let seen = sys::conflict(&file, Lock::Read, Range::new(50, 1))?;
            equal("one lock of all parts", seen, Some((Lock::Write, Range::new(0, 100))))
        },
    )
}

/// A thread that waits for a lock, and whether it has it.
pub(super) fn waiting(pair: &mut Pair) -> Step {
    let file = shared_file(pair, "lock-waiting")?;
    if pair.is_first {
        granted(&file, Lock::Write, WHOLE)?;
        pair.meet()?;
        // The other one waits by now, or is about to.
        pair.meet()?;
        thread::sleep(AGAIN);
        sys::unlock(&file, WHOLE)?;
        pair.meet()?;
        return denied(&file, Lock::Read, WHOLE).and_then(|()| pair.meet());
    }
    pair.meet()?;
    denied(&file, Lock::Write, WHOLE)?;
    let (sender, receiver) = channel();
    let waiter = file.try_clone()?;
    // The descriptor comes back: a close of it would give the lock away.
    thread::spawn(move || sender.send((sys::lock(&waiter, Lock::Write, WHOLE), waiter)));
    ensure(receiver.try_recv().is_err(), "the lock is waited for")?;
    pair.meet()?;
    let (locked, _waiter) =
        receiver.recv_timeout(PATIENCE).map_err(|_| "the lock that is free does not come")?;
    locked?;
    pair.meet()?;
    pair.meet()
}

pub(super) fn whole_files(pair: &mut Pair) -> Step {
    let file = shared_file(pair, "lock-whole")?;
    let busy = |result: Result<(), TryLockError>, what: &str| match result {
        Err(TryLockError::WouldBlock) => Ok(()),
        other => Err(format!("{what}: {other:?}, wanted a refusal").into()),
    };
    pair.in_turn(|| Ok(file.try_lock()?), || busy(file.try_lock_shared(), "shared"))?;
    pair.in_turn(
        || {
            file.unlock()?;
            Ok(file.try_lock_shared()?)
        },
        || {
            file.try_lock_shared()?;
            file.unlock()?;
            busy(file.try_lock(), "exclusive")
        },
    )?;
    drop(file);
    pair.meet()?;
    let again = open(&pair.mount.path("lock-whole/file"))?;
    pair.in_turn(|| Ok(()), || Ok(again.try_lock()?))
}

/// A process loses its locks of a file when it closes any descriptor of it.
pub(super) fn closed(pair: &mut Pair) -> Step {
    let file = shared_file(pair, "lock-closed")?;
    let path = pair.mount.path("lock-closed/file");
    pair.in_turn(|| granted(&file, Lock::Write, WHOLE), || denied(&file, Lock::Read, WHOLE))?;
    pair.in_turn(|| open(&path).map(drop).map_err(Into::into), || eventually(&file))?;
    drop(file);
    pair.meet()?;
    let file = open(&path)?;
    pair.in_turn(|| eventually(&file), || Ok(()))
}

/// A lock that must be free within a moment.
fn eventually(file: &File) -> Step {
    let end = Instant::now() + PATIENCE;
    while let Err(error) = sys::try_lock(file, Lock::Write, WHOLE) {
        if Instant::now() > end {
            return Err(format!("a lock that nobody has: {error}").into());
        }
        thread::sleep(AGAIN);
    }
    Ok(())
}

/// The locks of a process that is killed go.
pub(super) fn dead_process(pair: &mut Pair) -> Step {
    let file = shared_file(pair, "lock-dead-process")?;
    if pair.is_first {
        pair.meet()?;
        denied(&file, Lock::Read, Range::new(5, 1))?;
        pair.meet()?;
        eventually(&file)?;
        return pair.meet();
    }
    let mut child = Command::new(std::env::current_exe()?)
        .arg(HOLD)
        .arg(pair.mount.path("lock-dead-process/file"))
        .stdout(Stdio::piped())
        .spawn()?;
    let mut said = String::new();
    let out = child.stdout.take().ok_or("a child without output")?;
    BufReader::new(out).read_line(&mut said)?;
    equal("what the child says", said.as_str(), "held\n")?;
    pair.meet()?;
    pair.meet()?;
    child.kill()?;
    child.wait()?;
    pair.meet()
}

/// Holds a lock until it is killed.
pub(crate) fn hold(args: &[String]) -> Step {
    let [path] = args else {
        return Err("usage: guest-suite hold-lock FILE".into());
    };
    let file = open(Path::new(path))?;
    granted(&file, Lock::Write, WHOLE)?;
    println!("held");
    loop {
        thread::park();
    }
}

/// The locks of a client that dies stay until its lease is over, and no longer. This is the last
/// step: the second client ends here.
pub(super) fn dead_client(pair: &mut Pair) -> Step {
    let file = shared_file(pair, "lock-dead-client")?;
    if pair.is_first {
        pair.meet()?;
        denied(&file, Lock::Write, WHOLE)?;
        pair.peer.wait_until_gone()?;
        let begin = Instant::now();
        if !pair.mount.options().is_local() {
            denied(&file, Lock::Write, WHOLE)?;
        }
        eventually(&file)?;
        println!("    its lock went {} s after it", begin.elapsed().as_secs());
        return Ok(());
    }
    granted(&file, Lock::Write, WHOLE)?;
    pair.meet()?;
    if pair.mount.options().is_local() {
        std::process::exit(0);
    }
    // Whoever runs the guest takes this for its end, and pulls the plug.
    println!("the plug is pulled\nGUEST-EXIT 0");
    loop {
        thread::park();
    }
}
