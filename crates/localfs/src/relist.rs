//! READDIR of a directory whose listing is remembered: its entries are asked for their attributes
//! only. Who may not both read and search the directory is left to the kernel's own listing.

use std::sync::atomic::Ordering;

use holdfast_vfs::{Attr, DirEnd, DirEntry, Handle, Result, Want};
use rustix::fs::Statx;
use rustix::io::Errno;

use crate::attr::change;
use crate::cache::Node;
use crate::core::{Core, stat_fd};
use crate::dir::stat_name;
use crate::errno::error;
use crate::listing::{Before, Entry, Found, Part, Version};
use crate::sys;

impl Core {
    /// Whether a directory was read to its end, so that it is likely to be in memory.
    pub(crate) fn was_listed(&self, dir: &Handle) -> bool {
        self.cache.get(dir).is_some_and(|node| node.listed.load(Ordering::Relaxed))
    }

    /// What a directory is now, for a listing that leaves out what is hidden; none where its next
    /// change may not show.
    pub(crate) fn version(&self, dir: &Node, want: Want) -> Result<Option<Version>> {
        let listings = self.listings.as_ref().filter(|_| want.attr || want.handle);
        let before = listings.and_then(|listings| listings.before());
        let stat = self.stat(dir)?;
        Ok(before.and_then(|before: Before| before.version(change(&stat))))
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

    /// An entry as it is remembered: the numbers of a table name places too, and these are seen
    /// to change by whoever looks.
    pub(crate) fn to_remember<'a>(&self, entry: Entry<'a>) -> Entry<'a> {
        Entry { handle: entry.handle.filter(|_| self.table.is_none()), ..entry }
    }

    pub(crate) fn list_again(
        &self,
        dir: &Node,
        found: &Found,
        want: Want,
        take: &mut dyn FnMut(&DirEntry<'_>) -> bool,
    ) -> DirEnd {
        for entry in found.entries() {
            let Some((attr, handle)) = self.details_again(dir, &entry, want) else { continue };
            let Entry { cookie, fileid, .. } = entry;
            let entry = DirEntry { name: entry.name.to_bytes(), cookie, fileid, attr, handle };
            if !take(&entry) {
                return DirEnd { eof: false };
            }
        }
        DirEnd { eof: true }
    }

    /// What is asked for of a remembered entry; `None` when it is gone.
    fn details_again(
        &self,
        dir: &Node,
        entry: &Entry<'_>,
        want: Want,
    ) -> Option<(Option<Result<Attr>>, Option<Handle>)> {
        let Some(handle) = entry.handle else {
            return self.details(dir, dir.fd(), entry.name, want);
        };
        let given = want.handle.then_some(handle);
        if !want.attr {
            return Some((None, given));
        }
        match self.stat_again(dir, entry, &handle) {
            Ok(stat) if stat.stx_nlink == 0 => None,
            // Another object took the name.
            Ok(stat) if stat.stx_ino != entry.fileid => {
                self.details(dir, dir.fd(), entry.name, want)
            }
            Err(Errno::NOENT) => None,
            stat => Some((Some(stat.map(|stat| self.attr(&stat)).map_err(error)), given)),
        }
    }

    fn stat_again(
        &self,
        dir: &Node,
        entry: &Entry<'_>,
        handle: &Handle,
    ) -> rustix::io::Result<Statx> {
        match self.cache.get(handle) {
            Some(node) => stat_fd(node.fd()),
            None => stat_name(dir.fd(), entry.name),
        }
    }
}
