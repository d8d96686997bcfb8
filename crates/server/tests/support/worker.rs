//! A connection as a driver serves it: resumed when notified, dropped when the instance says so.

use holdfast_proto::nfs4::Op;
use holdfast_server::Instance;

use super::client::{Client, Reply};

/// A client whose connection is driven one step at a time.
pub(crate) struct Worker {
    /// None: its connection was closed.
    pub(crate) client: Option<Client>,
    pub(crate) replies: Vec<Reply>,
}

impl Worker {
    pub(crate) const fn new(client: Client) -> Self {
        Self { client: Some(client), replies: Vec::new() }
    }

    /// A worker on a new connection that asks just this.
    pub(crate) fn asking(instance: &Instance, ops: &[Op<'_>]) -> Self {
        let mut worker = Self::new(Client::unknown(instance, 2));
        worker.send_bare(ops);
        worker
    }

    /// Whether a step could make a difference.
    pub(crate) fn is_ready(&self) -> bool {
        self.client.as_ref().is_some_and(|client| client.peer.is_notified())
    }

    /// Sends a compound of just these operations, if the connection takes input.
    pub(crate) fn send_bare(&mut self, ops: &[Op<'_>]) {
        if let Some(client) = &mut self.client {
            let record = client.record(ops);
            self.send(&record);
        }
    }

    /// Sends a compound under SEQUENCE on a slot.
    pub(crate) fn send_on(&mut self, slot: usize, ops: &[Op<'_>]) {
        if let Some(client) = &mut self.client {
            let record = client.in_session(slot, true, ops);
            self.send(&record);
        }
    }

    fn send(&mut self, record: &[u8]) {
        if let Some(client) = &mut self.client
            && client.peer.connection.wants_input()
        {
            client.peer.send(record).expect("the stream is whole");
        }
        self.look();
    }

    /// What a driver does when it is notified.
    pub(crate) fn step(&mut self) {
        if let Some(client) = &mut self.client {
            client.peer.resume().expect("the stream is whole");
        }
        self.look();
    }

    fn look(&mut self) {
        let Some(client) = &mut self.client else { return };
        self.replies.extend(std::iter::from_fn(|| client.peer.record()).map(Reply));
        let connection = &client.peer.connection;
        if connection.is_aborted() || (connection.is_closing() && connection.is_quiet()) {
            self.client = None;
        }
    }
}
