//! The same seed gives the same run, and fixed seeds are clean.

use holdfast_sim::journal::Tracing;
use holdfast_sim::run;

#[test]
fn the_same_seed_twice_gives_the_same_digest() {
    for seed in 1..=20 {
        let (first, second) = (run::run(seed, Tracing::Off), run::run(seed, Tracing::Last));
        assert_eq!(first.digest, second.digest, "seed {seed}");
        assert_eq!(first.counts, second.counts, "seed {seed}");
        assert_eq!(first.time, second.time, "seed {seed}");
    }
    assert_ne!(run::run(1, Tracing::Off).digest, run::run(2, Tracing::Off).digest);
}

#[test]
fn fifty_fixed_seeds_are_clean() {
    for seed in 1000..1050 {
        let outcome = run::run(seed, Tracing::Off);
        assert_eq!(outcome.violations, [], "seed {seed}");
    }
}
