//! Data: read and written at an offset.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use holdfast_vfs::{Cred, Error, ReadEnd, Result, Stability, Written};
use rustix::io::{Errno, IoSliceMut, ReadWriteFlags, pread, preadv2, pwrite};

use crate::core::{Core, stat_fd};
use crate::errno::{Meaning, error};
use crate::open::{Awake, OpenFile};

/// How far a read came.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Progress {
    /// To its end.
    Done(ReadEnd),
    /// This far; the rest is not in memory.
    Waits(usize),
}

/// Whether a read may wait for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    Never,
    Allowed,
}

impl Core {
    /// Reads into `fill`, which is asked for room and told what of it counts.
    pub(crate) fn read(
        &self,
        file: &OpenFile,
        offset: u64,
        len: usize,
        wait: Wait,
        sink: &mut dyn holdfast_vfs::ReadSink,
    ) -> Result<Progress> {
        let awake = file.awake()?;
        let file = &*awake;
        let mut count = 0;
        // Beyond what the kernel can address there is nothing.
        let addressable = (i64::MAX as u64).saturating_sub(offset);
        if addressable == 0 {
            return Ok(Progress::Done(ReadEnd { count, eof: true }));
        }
        let len = len.min(usize::try_from(addressable).unwrap_or(usize::MAX));
        loop {
            let room = &mut sink.buf(len - count)[..len - count];
            let at = offset.saturating_add(count as u64);
            let read = match self.read_once(file, room, at, wait) {
                Err(Errno::AGAIN) if wait == Wait::Never => {
                    sink.filled(0);
                    return Ok(Progress::Waits(count));
                }
                Err(Errno::INTR) => {
                    sink.filled(0);
                    continue;
                }
                result => result.meaning(),
            };
            sink.filled(read.unwrap_or(0));
            let read = read?;
            count += read;
            let size = stat_fd(file.fd()).meaning()?.stx_size;
            let eof = offset.saturating_add(count as u64) >= size;
            if eof || count == len || read == 0 {
                return Ok(Progress::Done(ReadEnd { count, eof: eof || read == 0 && count < len }));
            }
        }
    }

    fn read_once(
        &self,
        file: &Awake,
        room: &mut [u8],
        at: u64,
        wait: Wait,
    ) -> rustix::io::Result<usize> {
        if wait == Wait::Allowed || !file.node().mount().nowait.load(Ordering::Relaxed) {
            return pread(file.fd(), room, at);
        }
        let parts = &mut [IoSliceMut::new(room)];
        match preadv2(file.fd(), parts, at, ReadWriteFlags::NOWAIT) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                let mount = file.node().mount();
                mount.nowait.store(false, Ordering::Relaxed);
                if mount.volatile { pread(file.fd(), room, at) } else { Err(Errno::AGAIN) }
            }
            result => result,
        }
    }

    /// Writes as much of `data` as goes, in memory.
    pub(crate) fn write(
        &self,
        cred: &Cred,
        file: &OpenFile,
        offset: u64,
        data: &[u8],
    ) -> Result<Written> {
        let awake = file.awake()?;
        let file = &*awake;
        let limit = file.node().mount().properties.size_max;
        if offset >= limit && !data.is_empty() {
            return Err(Error::TooBig);
        }
        let fits = usize::try_from(limit - offset.min(limit)).unwrap_or(usize::MAX);
        let data = &data[..data.len().min(fits)];
        // Who writes decides whether set-id bits stay and whose reserve is spent.
        self.assume(cred)?;
        // From before the write: data that is lost while this answers must not seem safe.
        let verifier = self.verifier.load(Ordering::Acquire);
        let mut count = 0;
        while count < data.len() {
            match pwrite(file.fd(), &data[count..], offset + count as u64) {
                Ok(0) => break,
                Ok(written) => count += written,
                Err(Errno::INTR) => {}
                Err(_) if count > 0 => break,
                Err(errno) => return Err(error(errno)),
            }
        }
        self.changed(file.node());
        self.wrote(file);
        Ok(Written { count, stability: Stability::Unstable, verifier })
    }

    /// Notes that data was written which no sync has made stable.
    pub(crate) fn wrote(&self, file: &Awake) {
        if !file.node().mount().volatile {
            file.opens().wrote();
        }
    }

    /// Makes what was just written as safe as asked.
    pub(crate) fn settle(
        &self,
        file: &Arc<OpenFile>,
        written: Written,
        stability: Stability,
    ) -> Result<Written> {
        if stability != Stability::Unstable {
            let (file, data_only) = (file.awake()?, stability == Stability::Data);
            self.sync(file.node(), file.fd(), data_only)?;
        }
        Ok(Written { stability, ..written })
    }
}
