//! READDIR of a directory whose listing is remembered: its entries are asked for their attributes
//! only. Who may not both read and search the directory is left to the kernel's own listing.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use holdfast_vfs::{DirEnd, DirEntry, Handle, Result, Want};
use rustix::io::Errno;

use crate::attr::attr;
use crate::cache::Node;
use crate::change::ctime_ns;
use crate::core::{Core, stat_fd};
use crate::dir::stat_name;
use crate::errno::error;
use crate::listing::{Entry, Found, Part, Version};
use crate::sys;

impl Core {
    /// Whether a directory was read to its end, so that it is likely to be in memory.
    pub(crate) fn was_listed(&self, dir: &Handle) -> bool {
        self.cache.get(dir).is_some_and(|node| node.listed.load(Ordering::Relaxed))
    }

    /// What a directory is now, for a listing that leaves out what is hidden; none where its next
    /// change may not show.
    pub(crate) fn version(&self, dir: &Node, want: Want) -> Result<Option<Version>> {
        let is_told = (want.attr || want.handle) && dir.mount().keeps_change();
        let listings = self.listings.as_ref().filter(|_| is_told);
        let before = listings.and_then(|listings| listings.before());
        let stat = self.stat(dir)?;
        Ok(before.and_then(|before| before.version(ctime_ns(&stat))))
    }

    /// What is remembered of a directory after a cookie, if whoever this thread acts as may see
    /// it.
    pub(crate) fn remembered(
        &self,
        dir: &Node,
        version: Version,
        want: Want,
        cookie: u64,
    ) -> Option<Found> {
        let found = self.listings.as_ref()?.find(dir.handle(), version, want.handle, cookie)?;
        sys::access(dir.fd(), libc::R_OK | libc::X_OK).is_ok().then_some(found)
    }

    /// Begins to remember what is listed from a cookie on.
    pub(crate) fn remember(
        &self,
        dir: &Node,
        version: Version,
        want: Want,
        cookie: u64,
    ) -> Option<Part> {
        self.listings.as_ref()?.begin(dir.handle(), version, want.handle, cookie)
    }

    /// Remembers what was listed; `eof`: up to the end.
    pub(crate) fn listed(&self, dir: &Node, part: Option<Part>, eof: bool) {
        if eof {
            dir.listed.store(true, Ordering::Relaxed);
        }
        if let (Some(listings), Some(part)) = (&self.listings, part) {
            listings.add(part, eof);
        }
    }

    pub(crate) fn list_again(
        &self,
        dir: &Node,
        found: &Found,
        want: Want,
        take: &mut dyn FnMut(&DirEntry<'_>) -> bool,
    ) -> DirEnd {
        for entry in found.entries() {
            let Some(entry) = self.entry_again(dir, &entry, want) else { continue };
            if !take(&entry) {
                return DirEnd { eof: false };
            }
        }
        DirEnd { eof: true }
    }

    /// A remembered entry with what is asked for of it; `None` when it is gone.
    #[inline]
    fn entry_again<'a>(&self, dir: &Node, entry: &Entry<'a>, want: Want) -> Option<DirEntry<'a>> {
        let Entry { name, cookie, fileid, .. } = *entry;
        let with = |attr, handle| DirEntry { name: name.to_bytes(), cookie, fileid, attr, handle };
        let anew = || {
            let (attr, handle) = self.details((dir, dir.fd()), (name, fileid), want)?;
            Some(with(attr, handle))
        };
        if entry.handle.is_empty() {
            return anew();
        }
        let handle = || Handle::new(entry.handle).ok();
        if !want.attr {
            return Some(with(None, handle()));
        }
        let stat = match self.node_again(entry) {
            Some(node) => stat_fd(node.fd()),
            None => stat_name(dir.fd(), name),
        };
        match stat {
            Ok(stat) if stat.stx_nlink == 0 => None,
            // Another object took the name, or something was mounted over it.
            Ok(stat) if stat.stx_ino != fileid || self.is_elsewhere(dir, &stat) => anew(),
            Ok(stat) => {
                Some(with(Some(Ok(attr(dir.volume(), &stat))), handle().filter(|_| want.handle)))
            }
            Err(Errno::NOENT) => None,
            Err(errno) => Some(with(Some(Err(error(errno))), handle().filter(|_| want.handle))),
        }
    }

    /// The object of an entry, if it is open.
    fn node_again(&self, entry: &Entry<'_>) -> Option<Arc<Node>> {
        let seen = entry.node?;
        if let Some(node) = seen.get().and_then(Weak::upgrade) {
            return Some(node);
        }
        let node = self.cache.get(&Handle::new(entry.handle).ok()?)?;
        // Where another one was seen before, that stays: the cache is asked each time then.
        let _ = seen.set(Arc::downgrade(&node));
        Some(node)
    }
}
