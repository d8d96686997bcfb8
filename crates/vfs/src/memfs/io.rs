//! Opening, reading and writing regular files.

use std::sync::Arc;

use super::inode::{Inode, require};
use super::sync::{read, write};
use super::{MemFs, SIZE_MAX, rules};
use crate::{Cred, Error, File, Handle, OpenMode, ReadEnd, ReadSink, Result, Stability, Written};

/// What a [`File`] of this backend is.
pub(super) struct OpenFile {
    pub(super) inode: Arc<Inode>,
    pub(super) mode: OpenMode,
}

impl MemFs {
    /// The open file, if it is one of this file system.
    pub(super) fn opened<'a>(&self, file: &'a File) -> Result<&'a OpenFile> {
        let open: &OpenFile = file.get()?;
        if Arc::ptr_eq(&open.inode.shared, &self.shared) { Ok(open) } else { Err(Error::Invalid) }
    }

    pub(super) fn open_node(
        &self,
        cred: &Cred,
        node: &Handle,
        mode: OpenMode,
        owner_override: bool,
    ) -> Result<File> {
        let inode = self.shared.resolve(node)?;
        inode.data()?;
        let attr = inode.attr();
        if !(owner_override && cred.uid == attr.uid) {
            require(cred, &attr, mode.access())?;
        }
        Ok(File::new(OpenFile { inode, mode }))
    }

    pub(super) fn read_file(
        &self,
        file: &File,
        offset: u64,
        len: usize,
        sink: &mut dyn ReadSink,
    ) -> Result<ReadEnd> {
        let open = self.opened(file)?;
        if !open.mode.read {
            return Err(Error::AccessDenied);
        }
        let data = read(open.inode.data()?);
        let left = data.size().saturating_sub(offset);
        let count = usize::try_from(left).map_or(len, |left| left.min(len));
        if count > 0 {
            data.read(offset, &mut sink.buf(count)[..count]);
            sink.filled(count);
        }
        Ok(ReadEnd { count, eof: count as u64 == left })
    }

    pub(super) fn write_file(
        &self,
        cred: &Cred,
        file: &File,
        offset: u64,
        data: &[u8],
    ) -> Result<Written> {
        let open = self.opened(file)?;
        if !open.mode.write {
            return Err(Error::AccessDenied);
        }
        let room = SIZE_MAX.saturating_sub(offset);
        if room == 0 && !data.is_empty() {
            return Err(Error::TooBig);
        }
        let count = usize::try_from(room).map_or(data.len(), |room| room.min(data.len()));
        if count > 0 {
            self.put(cred, &open.inode, offset, &data[..count])?;
        }
        Ok(Written { count, stability: Stability::File, verifier: self.shared.verifier })
    }

    fn put(&self, cred: &Cred, inode: &Inode, offset: u64, bytes: &[u8]) -> Result<()> {
        let now = self.shared.now();
        let mut data = write(inode.data()?);
        let growth = data.growth(offset, bytes.len());
        self.shared.account.take_bytes(growth)?;
        let before = data.used();
        let done = data.write(offset, bytes);
        let mut meta = inode.meta();
        meta.attr.used = data.used();
        if done.is_err() {
            self.shared.account.give_bytes(growth - (data.used() - before));
            return Err(Error::NoSpace);
        }
        meta.attr.size = data.size();
        meta.touch_data(now);
        rules::written(cred, &mut meta.attr);
        Ok(())
    }
}
