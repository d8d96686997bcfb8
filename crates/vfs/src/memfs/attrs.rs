//! Setting attributes.

use super::inode::{Inode, require};
use super::sync::write;
use super::{MemFs, SIZE_MAX, rules};
use crate::{Access, Cred, Error, File, FileKind, Handle, OpenMode, Result, SetAttr};

impl MemFs {
    pub(super) fn set_attributes(
        &self,
        cred: &Cred,
        node: &Handle,
        file: Option<&File>,
        set: &SetAttr,
    ) -> Result<()> {
        let inode = self.shared.resolve(node)?;
        if set.is_empty() {
            return Ok(());
        }
        let through = file.map(|file| self.opened(file)).transpose()?;
        if through.is_some_and(|open| open.inode.ino != inode.ino) {
            return Err(Error::Invalid);
        }
        let Some(size) = set.size else {
            let mut meta = inode.meta();
            rules::check(cred, &meta.attr, set, None)?;
            let now = self.shared.now();
            rules::apply(cred, &mut meta.attr, set, now);
            meta.touch(now);
            return Ok(());
        };
        check_resize(inode.kind, size)?;
        self.resize(cred, &inode, size, set, through.map(|open| open.mode))
    }

    /// Sets the size, and then what else there is to set.
    pub(super) fn resize(
        &self,
        cred: &Cred,
        inode: &Inode,
        size: u64,
        set: &SetAttr,
        through: Option<OpenMode>,
    ) -> Result<()> {
        let leftover;
        let now = self.shared.now();
        {
            let mut data = write(inode.data()?);
            let mut meta = inode.meta();
            rules::check(cred, &meta.attr, set, through)?;
            leftover = data.resize(size);
            meta.attr.size = size;
            meta.attr.used = data.used();
            meta.touch_data(now);
            rules::written(cred, &mut meta.attr);
            rules::apply(cred, &mut meta.attr, set, now);
        }
        self.shared.account.give_bytes(leftover.bytes);
        Ok(())
    }

    /// Cuts a file that is opened and emptied in one step.
    pub(super) fn empty(&self, cred: &Cred, inode: &Inode) -> Result<()> {
        require(cred, &inode.attr(), Access::MODIFY)?;
        let set = SetAttr { size: Some(0), ..SetAttr::default() };
        self.resize(cred, inode, 0, &set, None)
    }
}

/// Whether an object of this kind can have that size.
fn check_resize(kind: FileKind, size: u64) -> Result<()> {
    match kind {
        FileKind::Directory => Err(Error::IsDirectory),
        FileKind::Regular => check_size(size),
        FileKind::Symlink
        | FileKind::Block
        | FileKind::Character
        | FileKind::Fifo
        | FileKind::Socket => Err(Error::Invalid),
    }
}

/// Whether a file can have that size.
pub(super) const fn check_size(size: u64) -> Result<()> {
    if size > SIZE_MAX { Err(Error::TooBig) } else { Ok(()) }
}
