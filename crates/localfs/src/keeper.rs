//! Lets go of mounts below an export that no request reaches: as long as a descriptor of ours is
//! open there, the operator cannot unmount them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use holdfast_base::World;
use holdfast_vfs::offload;

use crate::core::Core;

/// How long a mount is kept at least after the last request that reached it; at most twice as long.
const IDLE: Duration = Duration::from_secs(10);

/// Looks after the mounts of an export while there are any.
pub(crate) struct Keeper {
    world: Arc<dyn World>,
    core: Weak<Core>,
    is_awake: AtomicBool,
}

impl Keeper {
    pub(crate) fn new(world: Arc<dyn World>, core: &Arc<Core>) -> Arc<Self> {
        Arc::new(Self { world, core: Arc::downgrade(core), is_awake: AtomicBool::new(false) })
    }

    /// There is a mount now.
    pub(crate) fn wake(self: &Arc<Self>) {
        if self.is_awake.swap(true, Ordering::AcqRel) {
            return;
        }
        // A world that stops takes everything with it: nothing is left to let go of.
        let _ = self.world.spawn(Box::pin(self.clone().keep()));
    }

    /// Drops something where that may block.
    pub(crate) fn discard(&self, what: impl Send + 'static) {
        // Refused, it is dropped here.
        let _ = self.world.blocking(Box::new(move || drop(what)));
    }

    async fn keep(self: Arc<Self>) {
        loop {
            self.world.sleep(self.world.now() + IDLE).await;
            let Some(core) = self.core.upgrade() else { return };
            // To close a descriptor may have to wait for a disk.
            let Ok(has_more) = offload(&*self.world, move || Ok(core.let_go())).await else {
                return self.is_awake.store(false, Ordering::Release);
            };
            if !has_more {
                self.is_awake.store(false, Ordering::Release);
                // One may have come in between.
                let is_alone = self.core.upgrade().is_none_or(|core| core.volumes.is_alone());
                if is_alone || self.is_awake.swap(true, Ordering::AcqRel) {
                    return;
                }
            }
        }
    }
}
