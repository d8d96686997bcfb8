//! How busy a loop is: written by its own thread now and then, read by the other loops.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use holdfast_base::Instant;

use crate::cpus::run_time_ns;

/// How long is measured at least.
const PERIOD_MIN: Duration = Duration::from_millis(10);
/// How long a measurement tells of now. After it a loop that sleeps is idle, and one that does not
/// is stuck, or as good as.
const FRESH: Duration = Duration::from_millis(100);

/// What the others see.
#[derive(Default)]
pub(crate) struct Load {
    busy_percent: AtomicU64,
    measured_ns: AtomicU64,
}

impl Load {
    /// How much of its time the loop works, in percent, when it sleeps now or does not.
    pub(crate) fn busy_percent(&self, is_asleep: bool, now: Instant) -> u64 {
        let age = now.as_ns().saturating_sub(self.measured_ns.load(Ordering::Relaxed));
        match is_asleep {
            _ if u128::from(age) <= FRESH.as_nanos() => self.busy_percent.load(Ordering::Relaxed),
            true => 0,
            false => 100,
        }
    }

    /// Says how busy the loop is.
    pub(crate) fn tell(&self, busy_percent: u64, now: Instant) {
        self.busy_percent.store(busy_percent, Ordering::Relaxed);
        self.measured_ns.store(now.as_ns(), Ordering::Relaxed);
    }
}

/// Measures the loop of this thread.
#[derive(Default)]
pub(crate) struct Meter {
    since_ns: u64,
    run_ns: u64,
}

impl Meter {
    /// Measures, unless that was done just now. What it is, then.
    pub(crate) fn measure(&mut self, load: &Load, now: Instant) -> Option<u64> {
        let passed = now.as_ns().saturating_sub(self.since_ns);
        if u128::from(passed) < PERIOD_MIN.as_nanos() {
            return None;
        }
        let run_ns = run_time_ns();
        let busy = run_ns.saturating_sub(self.run_ns).saturating_mul(100) / passed.max(1);
        (self.since_ns, self.run_ns) = (now.as_ns(), run_ns);
        load.tell(busy.min(100), now);
        Some(busy.min(100))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_ns(10_000_000_000);

    #[test]
    fn what_was_measured_long_ago_says_nothing_of_now() {
        let load = Load::default();
        load.tell(60, NOW);
        let seen = |is_asleep, later| load.busy_percent(is_asleep, NOW + later);
        for is_asleep in [true, false] {
            assert_eq!(seen(is_asleep, FRESH), 60);
        }
        let later = FRESH + Duration::from_nanos(1);
        assert_eq!(seen(true, later), 0, "it has slept since");
        assert_eq!(seen(false, later), 100, "it is stuck");
    }

    #[test]
    fn a_thread_is_busy_between_0_and_100_percent_of_a_period() {
        let (load, mut meter) = (Load::default(), Meter::default());
        assert!(meter.measure(&load, NOW).is_some_and(|busy| busy <= 100));
        assert_eq!(meter.measure(&load, NOW + PERIOD_MIN / 2), None);
        assert!(meter.measure(&load, NOW + PERIOD_MIN).is_some_and(|busy| busy <= 100));
    }
}
