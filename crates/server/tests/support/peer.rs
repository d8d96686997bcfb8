//! The far end of one connection: records out, records in, nothing of NFS.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use holdfast_proto::nfs4;
use holdfast_proto::rpc::{
    AuthSys, Buffers, CallHeader, Credential, finish_record, write_call_header,
};
use holdfast_proto::xdr::Writer;
use holdfast_server::{Connection, ConnectionError, Instance, Notify};
use holdfast_vfs::Cred;

use super::world::TestWorld;

/// Remembers that a connection is to be resumed.
#[derive(Default)]
pub(crate) struct Notified(AtomicBool);

impl Notify for Notified {
    fn notify(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// A connection, and the bytes that came from the server and are no whole record yet.
pub(crate) struct Peer {
    pub(crate) connection: Connection,
    pub(crate) buffers: Buffers,
    notified: Arc<Notified>,
    received: Vec<u8>,
    xid: u32,
    /// Whose jobs are run while a reply is waited for.
    pub(crate) world: Option<Arc<TestWorld>>,
}

impl Peer {
    pub(crate) fn new(instance: &Instance) -> Self {
        let notified = Arc::new(Notified::default());
        let connection = instance.connect(notified.clone());
        let buffers = Connection::buffers(4);
        Self { connection, buffers, notified, received: Vec::new(), xid: 1, world: None }
    }

    /// Gives the server bytes of the stream.
    pub(crate) fn send(&mut self, mut bytes: &[u8]) -> Result<(), ConnectionError> {
        while !bytes.is_empty() {
            let space = self.connection.space(&mut self.buffers);
            let space = space.expect("there is a buffer for every record that may be sent");
            let n = space.len().min(bytes.len());
            assert_ne!(n, 0, "there is room for the next bytes");
            space[..n].copy_from_slice(&bytes[..n]);
            bytes = &bytes[n..];
            self.connection.received(n, &mut self.buffers)?;
            self.take_replies()?;
        }
        Ok(())
    }

    /// Whether the connection asked to be resumed.
    pub(crate) fn is_notified(&self) -> bool {
        self.notified.0.load(Ordering::Acquire)
    }

    /// Resumes the connection if it asked for that.
    pub(crate) fn resume(&mut self) -> Result<bool, ConnectionError> {
        let notified = self.notified.0.swap(false, Ordering::AcqRel);
        if notified {
            self.connection.resume(&mut self.buffers)?;
            self.take_replies()?;
        }
        Ok(notified)
    }

    /// Takes over what the server wants to send, and lets it go on with what it held back.
    fn take_replies(&mut self) -> Result<(), ConnectionError> {
        while self.connection.transmit().pending() > 0 {
            let transmit = self.connection.transmit();
            transmit.slices().for_each(|slice| self.received.extend_from_slice(slice));
            transmit.sent(transmit.pending());
            self.connection.run_received(&mut self.buffers)?;
        }
        Ok(())
    }

    /// The next whole record that came, without its mark.
    pub(crate) fn record(&mut self) -> Option<Vec<u8>> {
        let mark = u32::from_be_bytes(*self.received.first_chunk::<4>()?);
        assert_ne!(mark & 0x8000_0000, 0, "the server sends records of one fragment");
        let end = 4 + (mark & 0x7fff_ffff) as usize;
        if self.received.len() < end {
            return None;
        }
        let record = self.received[4..end].to_vec();
        self.received.drain(..end);
        Some(record)
    }

    /// The next record, when the jobs it waits for have run.
    pub(crate) fn record_in_time(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(record) = self.record() {
                return Some(record);
            }
            // What gave way for once goes on by itself.
            let goes_on = self.resume().expect("the connection lives");
            if !goes_on && !self.world.as_ref().is_some_and(|world| world.run_job()) {
                return None;
            }
        }
    }

    /// The number of the next call.
    pub(crate) const fn next_xid(&mut self) -> u32 {
        self.xid += 1;
        self.xid
    }
}

/// A credential with these rights.
pub(crate) fn credential(cred: &Cred) -> Credential {
    let sys = AuthSys::new(cred.uid, cred.gid, cred.groups.as_slice());
    Credential::Sys(sys.expect("no more groups than AUTH_SYS carries"))
}

/// A COMPOUND call as a record, mark and all; `args` writes its arguments.
pub(crate) fn call(xid: u32, cred: Credential, args: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let header = CallHeader {
        xid,
        prog: nfs4::PROGRAM,
        vers: nfs4::VERSION,
        proc: nfs4::PROC_COMPOUND,
        cred,
    };
    call_of(&header, args)
}

/// Any call as a record.
pub(crate) fn call_of(header: &CallHeader, args: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut w = Writer::default();
    write_call_header(&mut w, header, b"test");
    args(&mut w);
    finish_record(&mut w, 0);
    w.into_inner()
}
