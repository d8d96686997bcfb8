//! A connection as a driver serves it: resumed when notified, dropped when the instance says so.

use holdfast_proto::nfs4::{Op, Status};

use super::client::{Client, Reply};

/// A client whose connection is driven one step at a time.
pub(crate) struct Worker {
    /// None: its connection was closed.
    pub(crate) client: Option<Client>,
    pub(crate) replies: Vec<Reply>,
    /// A record that the next step sends.
    todo: Option<Vec<u8>>,
}

impl Worker {
    pub(crate) const fn new(client: Client) -> Self {
        Self { client: Some(client), replies: Vec::new(), todo: None }
    }

    /// A worker whose first step asks just this.
    pub(crate) fn with_bare(mut client: Client, ops: &[Op<'_>]) -> Self {
        let todo = Some(client.record(ops));
        Self { todo, ..Self::new(client) }
    }

    /// A worker whose first step asks this under SEQUENCE.
    pub(crate) fn with(mut client: Client, ops: &[Op<'_>]) -> Self {
        let todo = Some(client.in_session(0, true, ops));
        Self { todo, ..Self::new(client) }
    }

    /// Whether a step could make a difference.
    pub(crate) fn is_ready(&self) -> bool {
        let asks = |client: &Client| self.todo.is_some() || client.peer.is_notified();
        self.client.as_ref().is_some_and(asks)
    }

    /// Takes steps until none makes a difference.
    pub(crate) fn settle(&mut self) {
        while self.is_ready() {
            self.step();
        }
    }

    /// The status of the only reply.
    #[track_caller]
    pub(crate) fn status(&self) -> Status {
        assert_eq!(self.replies.len(), 1, "there is one reply");
        self.replies[0].status()
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
        if let Some(record) = self.todo.take() {
            return self.send(&record);
        }
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
