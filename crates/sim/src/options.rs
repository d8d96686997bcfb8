//! What kind of world a seed makes. Drawn first and printed first.

use std::fmt;
use std::time::Duration;

use crate::executor::Preemption;
use crate::rng::Rng;

macro_rules! options {
    ($($(#[$doc:meta])* $name:ident: $ty:ty,)+) => {
        /// The options of one run.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Options {
            $($(#[$doc])* pub $name: $ty,)+
        }

        impl fmt::Display for Options {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                $(writeln!(f, "  {:<22} {:?}", stringify!($name), self.$name)?;)+
                Ok(())
            }
        }
    };
}

options! {
    /// Servers, each with its own instances and files.
    hosts: usize,
    /// Clients; each mounts one server.
    clients: usize,
    /// Users on a client, each in its own directory and in the shared one.
    actors: usize,
    /// Steps of one user.
    steps: u64,
    /// Slots that a client asks for.
    slots: u32,
    /// How long a client may be silent.
    lease: Duration,
    /// How long faults go on.
    faults: Duration,
    /// Pauses inside the server, in a thousand.
    pauses: u32,
    /// Pauses that take time, as when a thread loses its processor, in a thousand.
    preempt_permille: u32,
    /// The most that such a pause takes.
    preempt_max: Duration,
    /// The most that bytes take to the other end.
    latency: Duration,
    /// Pieces that take much longer, in a thousand.
    stall_permille: u32,
    /// Streams are cut into pieces of up to so many bytes.
    piece_max: u64,
    /// Connections that break at some byte, in a thousand.
    break_permille: u32,
    /// Connections one side of which falls silent at some byte, in a thousand.
    silent_permille: u32,
    /// How long a client waits for a reply.
    timeout: Duration,
    /// File-system calls that answer later, in a thousand.
    slow_permille: u32,
    /// The most such a call takes.
    slow_max: Duration,
    /// File-system calls that fail, in a thousand.
    error_permille: u32,
    /// File-system calls that do not answer before the faults are over, in ten thousand.
    hang_per_10k: u32,
    /// File-system calls that change something and then panic, in ten thousand.
    panic_per_10k: u32,
    /// Whether writes are unstable until they are committed.
    unstable: bool,
    /// Crashes of the storage.
    storage_crashes: u32,
    /// Stops of a server that let its requests end, each with a new start.
    restarts: u32,
    /// Ends of a server without a word, each with a new start.
    kills: u32,
    /// Times that a client is cut off, perhaps for longer than its lease.
    partitions: u32,
    /// Starts that fail at one of their steps, in a thousand.
    start_fail_permille: u32,
    /// Whether a new instance starts at the moment the old one is gone.
    restart_at_once: bool,
    /// Whether all servers are in one process, and end together when it is killed.
    one_process: bool,
    /// Whether the files are one of several exports, some of which come and go.
    several_exports: bool,
    /// Changes of the number of workers.
    resizes: u32,
    /// Stops and starts with another configuration.
    reconfigures: u32,
    /// What a reconfiguration may make the lease.
    other_lease: Duration,
    /// Grace periods that the administrator ends, in a thousand.
    force_grace_permille: u32,
    /// Times that a client destroys its session under load and makes a new one.
    new_sessions: u32,
    /// Times that a client binds a new connection to its session.
    binds: u32,
    /// Restarts of the client that does nothing else.
    reboots: u32,
    /// Times that a client falls silent with a lock that another one wants.
    vanishes: u32,
    /// Opens that deny something to others, in a thousand.
    deny_permille: u32,
    /// Operations of the shared directory among all, in a thousand.
    shared_permille: u32,
}

impl Options {
    /// As the executor needs it.
    pub const fn preemption(&self) -> Preemption {
        Preemption { permille: self.preempt_permille, most: self.preempt_max }
    }

    /// The longest lease that any server grants.
    pub fn lease_max(&self) -> Duration {
        self.lease.max(self.other_lease)
    }

    /// The options of a seed.
    pub fn draw(rng: &mut Rng) -> Self {
        let calm = rng.chance(100);
        let mut some = |permille: u32, low: u64, high: u64| {
            if !calm && rng.chance(permille) { rng.between(low, high) } else { 0 }
        };
        let stall_permille = some(400, 1, 60) as u32;
        let break_permille = some(600, 50, 900) as u32;
        let silent_permille = some(300, 20, 250) as u32;
        let error_permille = some(400, 1, 60) as u32;
        let hang_per_10k = some(250, 1, 40) as u32;
        let panic_per_10k = some(150, 10, 200) as u32;
        let storage_crashes = some(300, 1, 3) as u32;
        let restarts = some(500, 1, 4) as u32;
        let kills = some(400, 1, 3) as u32;
        let partitions = some(300, 1, 3) as u32;
        let start_fail_permille = some(300, 50, 400) as u32;
        let resizes = some(300, 1, 4) as u32;
        let reconfigures = some(250, 1, 3) as u32;
        let force_grace_permille = some(300, 100, 900) as u32;
        let new_sessions = some(300, 1, 4) as u32;
        let binds = some(300, 1, 4) as u32;
        let reboots = some(250, 1, 4) as u32;
        let vanishes = some(300, 1, 2) as u32;
        let ms = |rng: &mut Rng, low, high| Duration::from_millis(rng.between(low, high));
        let latency = Duration::from_micros(rng.between(10, 20_000));
        Self {
            hosts: *rng.pick(&[1, 1, 1, 1, 1, 2, 2, 3]),
            clients: rng.between(1, 4) as usize,
            actors: rng.between(1, 3) as usize,
            steps: rng.between(10, 50),
            slots: rng.between(1, 6) as u32,
            lease: Duration::from_secs(rng.between(5, 30)),
            faults: ms(rng, 2_000, 40_000),
            pauses: *rng.pick(&[0, 100, 300, 600]),
            preempt_permille: *rng.pick(&[0, 20, 80, 200]),
            preempt_max: ms(rng, 1, 1_500),
            latency,
            stall_permille,
            piece_max: *rng.pick(&[16, 300, 4_000, 100_000]),
            break_permille,
            silent_permille,
            timeout: ms(rng, 1_000, 8_000),
            slow_permille: *rng.pick(&[0, 50, 300, 900]),
            slow_max: ms(rng, 1, 800),
            error_permille,
            hang_per_10k,
            panic_per_10k,
            unstable: rng.chance(600),
            storage_crashes,
            restarts,
            kills,
            partitions,
            start_fail_permille,
            restart_at_once: rng.chance(500),
            one_process: rng.chance(600),
            several_exports: rng.chance(400),
            resizes,
            reconfigures,
            other_lease: Duration::from_secs(rng.between(5, 30)),
            force_grace_permille,
            new_sessions,
            binds,
            reboots,
            vanishes,
            deny_permille: *rng.pick(&[0, 0, 100, 400]),
            shared_permille: *rng.pick(&[0, 100, 300]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_and_seeds_differ() {
        let draw = |seed| Options::draw(&mut Rng::new(seed));
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert!((0..100).any(|seed| draw(seed).kills > 0));
    }
}
