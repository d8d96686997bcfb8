//! What two clients of one server do at the same time. Each runs this program; they tell each
//! other where they are through a connection that has nothing to do with the server.
//!
//! Run as `guest-suite pair first|second MEETING-ADDRESS` and what `Options` takes.

mod files;
mod locks;
mod peer;
mod sqlite;

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use crate::mount::Mount;
use crate::options::{Ability, Options};
use crate::{Failure, Step};
pub(crate) use locks::{HOLD, hold};
use peer::Peer;

/// The word that selects this.
pub(crate) const COMMAND: &str = "pair";
/// Where the program for databases is, if it is there.
const SQLITE: &str = "/usr/bin/sqlite3";

type Steps = &'static [(&'static str, fn(&mut Pair) -> Step)];

const STEPS: Steps = &[
    ("what one writes the other reads", files::writes),
    ("what one renames the other finds", files::names),
    ("what both create is created once", files::creations),
    ("append in turns", files::append_in_turns),
];

/// Of these a client makes locks of ranges, which they are not to a process beside the server.
const WHOLE_FILE_STEPS: Steps = &[("locks of whole files", locks::whole_files)];

const LOCK_STEPS: Steps = &[
    ("locks that conflict", locks::conflicts),
    ("locks to share, to raise and to lower", locks::shared),
    ("parts of locks", locks::parts),
    ("a lock that is waited for", locks::waiting),
    ("locks that go with a close", locks::closed),
    ("locks that go with a process", locks::dead_process),
    ("append under a lock", files::append_under_lock),
];

/// One of the two clients.
pub(crate) struct Pair {
    mount: Mount,
    peer: Peer,
    /// One of them is.
    is_first: bool,
}

impl Pair {
    /// A new folder of both.
    fn folder(&mut self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.mount.path(name);
        if self.is_first {
            fs::create_dir(&path)?;
        }
        self.meet()?;
        Ok(path)
    }

    /// Waits until the other one is here, too.
    fn meet(&mut self) -> Step {
        self.peer.exchange("here").map(|_word| ())
    }

    /// Does something in turns: the first one, then the second one.
    fn in_turn(&mut self, first: impl FnOnce() -> Step, second: impl FnOnce() -> Step) -> Step {
        if self.is_first {
            first()?;
            self.meet()?;
        } else {
            self.meet()?;
            second()?;
        }
        self.meet()
    }
}

pub(crate) fn main(args: &[String]) -> Step {
    let [role, address, rest @ ..] = args else {
        return Err("usage: guest-suite pair first|second ADDRESS ...".into());
    };
    let options = Options::parse(rest)?;
    let is_first = role == "first";
    let begin = Instant::now();
    // First of all: when one of them fails, the other one sees the connection end.
    let peer = Peer::connect(address)?;
    let mount = Mount::new(&options, &options.export, "/mnt/main")?;
    if is_first {
        mount.begin()?;
    }
    let mut pair = Pair { mount, peer, is_first };
    let mut passed = 0;
    let mut all = |pair: &mut Pair, steps: Steps| {
        for (name, run) in steps {
            let begin = Instant::now();
            pair.peer.exchange(name)?;
            let outcome = run(pair);
            let verdict = if outcome.is_ok() { "ok" } else { "FAILED" };
            println!("{name:<40} {verdict:<6} {:>6} ms", begin.elapsed().as_millis());
            outcome.map_err(|error| Failure::from(format!("{name}: {error}")))?;
            passed += 1;
        }
        Ok::<(), Failure>(())
    };
    if !options.mixed {
        all(&mut pair, STEPS)?;
    }
    if pair.mount.has(Ability::Locks) {
        if !options.mixed {
            all(&mut pair, WHOLE_FILE_STEPS)?;
        }
        all(&mut pair, LOCK_STEPS)?;
        if fs::exists(SQLITE)? {
            all(&mut pair, &[("a database that both write to", sqlite::torture)])?;
        } else {
            println!("without a database: there is no {SQLITE}");
        }
        all(&mut pair, &[("locks that go with a client", locks::dead_client)])?;
    } else {
        println!("the server has no locks: {} steps are left out", LOCK_STEPS.len() + 3);
    }
    println!("{passed} steps, {} s", begin.elapsed().as_secs());
    if is_first {
        pair.mount.end()?;
        pair.mount.unmount()?;
    }
    Ok(())
}
