//! How a simulated server is configured. A reconfiguration changes it between a stop and a start.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdfast_server::{Export, Exports, Squash};

use crate::options::Options;
use crate::rng::Rng;
use crate::storage::View;
use crate::sync::lock;

/// Where the files are when there are several exports.
pub const MAIN: &str = "main";

/// The export that comes and goes: the same files, read-only.
pub const MORE: &str = "more";

/// What is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// The files, as the root.
    Root,
    /// The files as [`MAIN`], in a tree above it.
    Main,
    /// [`MAIN`] and [`MORE`].
    MainAndMore,
}

/// A configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// How long a client may be silent.
    pub lease: Duration,
    /// How long clients may reclaim after a start.
    pub grace: Duration,
    /// What is exported.
    pub layout: Layout,
}

impl Setup {
    /// The first configuration.
    pub const fn first(options: &Options) -> Self {
        let layout = if options.several_exports { Layout::Main } else { Layout::Root };
        Self { lease: options.lease, grace: options.lease, layout }
    }

    /// Another one. Clients that had the old lease have the time to reclaim.
    #[must_use]
    pub fn other(self, options: &Options, rng: &mut Rng) -> Self {
        let layout = match self.layout {
            Layout::Root => Layout::Root,
            Layout::Main => Layout::MainAndMore,
            Layout::MainAndMore => Layout::Main,
        };
        let lease = *rng.pick(&[options.lease, options.other_lease]);
        Self { lease, grace: lease.max(self.lease), layout }
    }

    /// The list of exports over this view.
    ///
    /// # Errors
    /// It is not one.
    pub fn exports(self, view: &Arc<View>) -> Result<Exports, String> {
        let export = |path: &str| Export::new(path, view.clone()).squash(Squash::None);
        let (main, more) = (export(&format!("/{MAIN}")), export(&format!("/{MORE}")));
        let list = match self.layout {
            Layout::Root => vec![export("/")],
            Layout::Main => vec![main],
            Layout::MainAndMore => vec![main, more.read_only(true)],
        };
        Exports::new(list).map_err(|error| error.to_string())
    }
}

/// How each generation of a server was configured, and how many clients it found on record.
#[derive(Clone, Default)]
pub(super) struct Served(Arc<Mutex<BTreeMap<u64, (Setup, usize)>>>);

impl Served {
    pub(super) fn begins(&self, generation: u64, setup: Setup, recorded: usize) {
        lock(&self.0).insert(generation, (setup, recorded));
    }

    pub(super) fn of(&self, generation: u64) -> Option<(Setup, usize)> {
        lock(&self.0).get(&generation).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_setup_leaves_time_to_reclaim_and_changes_only_what_may_change() {
        let mut rng = Rng::new(1);
        for seed in 0..50 {
            let options = Options::draw(&mut Rng::new(seed));
            let first = Setup::first(&options);
            let other = first.other(&options, &mut rng);
            assert!(other.grace >= first.lease && other.grace >= other.lease);
            assert_eq!(other.layout != first.layout, options.several_exports);
            assert_eq!(other.other(&options, &mut rng).layout, first.layout);
        }
    }
}
