//! The entries of a directory: by name, and in the order they were made.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use super::inode::Inode;

/// What an entry costs beside its name; near what the two tables take for it.
const ENTRY_COST: u64 = 128;

/// RFC 8881 §18.23.3 keeps 0 to 2 from being an entry's cookie.
const FIRST_COOKIE: u64 = 3;

type Name = Arc<[u8]>;

struct Slot {
    cookie: u64,
    node: Arc<Inode>,
}

pub(super) struct Dir {
    names: HashMap<Name, Slot>,
    /// Cookies are never given twice, so a listing goes on where it was whatever came or went.
    order: BTreeMap<u64, Name>,
    next_cookie: u64,
    used: u64,
    /// Removed: it takes no entries any more.
    pub(super) dead: bool,
}

impl Dir {
    pub(super) fn new() -> Self {
        Self {
            names: HashMap::new(),
            order: BTreeMap::new(),
            next_cookie: FIRST_COOKIE,
            used: 0,
            dead: false,
        }
    }

    /// What an entry of this name costs.
    pub(super) const fn cost(name: &[u8]) -> u64 {
        ENTRY_COST + name.len() as u64
    }

    pub(super) const fn used(&self) -> u64 {
        self.used
    }

    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    pub(super) fn get(&self, name: &[u8]) -> Option<&Arc<Inode>> {
        self.names.get(name).map(|slot| &slot.node)
    }

    /// Adds a name that does not exist.
    pub(super) fn insert(&mut self, name: &[u8], node: Arc<Inode>) {
        let cookie = self.next_cookie;
        self.next_cookie += 1;
        self.used += Self::cost(name);
        let name = Name::from(name);
        self.order.insert(cookie, name.clone());
        let before = self.names.insert(name, Slot { cookie, node });
        debug_assert!(before.is_none(), "the name is new");
    }

    /// Gives a name another object, in its old place.
    pub(super) fn replace(&mut self, name: &[u8], node: Arc<Inode>) {
        if let Some(slot) = self.names.get_mut(name) {
            slot.node = node;
        }
    }

    pub(super) fn remove(&mut self, name: &[u8]) -> Option<Arc<Inode>> {
        let slot = self.names.remove(name)?;
        self.order.remove(&slot.cookie);
        self.used -= Self::cost(name);
        Some(slot.node)
    }

    /// Whether a listing may go on from `cookie`.
    pub(super) const fn gave(&self, cookie: u64) -> bool {
        cookie == 0 || (FIRST_COOKIE <= cookie && cookie < self.next_cookie)
    }

    /// The entries that come after `cookie`.
    pub(super) fn after(&self, cookie: u64) -> impl Iterator<Item = (u64, &[u8], &Arc<Inode>)> {
        self.order.range((Bound::Excluded(cookie), Bound::Unbounded)).map(|(cookie, name)| {
            let slot = &self.names[name];
            (*cookie, &**name, &slot.node)
        })
    }

    /// Takes all objects out.
    pub(super) fn take_nodes(&mut self) -> impl Iterator<Item = Arc<Inode>> + use<> {
        self.order.clear();
        std::mem::take(&mut self.names).into_values().map(|slot| slot.node)
    }
}
