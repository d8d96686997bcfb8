//! A client's transport: one connection at a time, a new one when that is lost, and every call
//! that has no reply yet sent again over the new one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdfast_base::Instant;

use super::wire;
use crate::host::Host;
use crate::network::End;
use crate::sim::Sim;
use crate::sync::{Bell, either, lock};

/// Between two attempts to connect.
const RECONNECT: Duration = Duration::from_millis(100);

/// The largest reply that is believed.
const RECORD_MAX: usize = 4 << 20;

/// A record that answers a call.
pub struct Answer {
    /// The record.
    pub record: Vec<u8>,
    /// The generation at the other end of the connection that it came over.
    pub generation: u64,
    /// The connection that it came over.
    pub link: u64,
    /// How often the call was sent.
    pub sent: u32,
}

/// A reply, the generation at the other end of its connection, and the connection.
type Arrived = (Vec<u8>, u64, u64);

struct Link {
    id: u64,
    end: Arc<End>,
}

#[derive(Default)]
struct State {
    link: Option<Link>,
    links: u64,
    cut_until: Instant,
    next_xid: u32,
    /// Replies by xid; `None` while one is awaited.
    pending: BTreeMap<u32, Option<Arrived>>,
}

/// The transport of one client.
#[derive(Clone)]
pub struct Rpc {
    sim: Arc<Sim>,
    host: Arc<Host>,
    name: Arc<str>,
    client: u32,
    state: Arc<Mutex<State>>,
    changed: Bell,
}

impl Rpc {
    /// A transport to this server, of the client of this name and number.
    pub fn new(sim: &Arc<Sim>, host: &Arc<Host>, (name, client): (&Arc<str>, u32)) -> Self {
        Self {
            sim: sim.clone(),
            host: host.clone(),
            name: name.clone(),
            client,
            state: Arc::default(),
            changed: Bell::default(),
        }
    }

    /// A number for the next call.
    pub fn xid(&self) -> u32 {
        let mut state = lock(&self.state);
        state.next_xid += 1;
        state.next_xid
    }

    /// Sends a call until it is answered.
    pub async fn call(&self, xid: u32, record: &[u8]) -> Answer {
        let mut sent = 0;
        lock(&self.state).pending.insert(xid, None);
        loop {
            let link = self.connected().await;
            let (id, end) = link;
            if sent > 0 {
                self.sim.journal.count("network", "retransmission");
            }
            end.send(record);
            drop(end);
            sent += 1;
            if let Some((record, generation, link)) = self.reply(xid, id).await {
                lock(&self.state).pending.remove(&xid);
                return Answer { record, generation, link, sent };
            }
        }
    }

    /// The reply, unless the connection is lost first.
    async fn reply(&self, xid: u32, link: u64) -> Option<Arrived> {
        let deadline = self.sim.now() + self.sim.options.timeout;
        loop {
            let wait = self.changed.wait();
            {
                let mut state = lock(&self.state);
                if let Some(reply) = state.pending.get_mut(&xid).and_then(Option::take) {
                    return Some(reply);
                }
                if state.link.as_ref().is_none_or(|current| current.id != link) {
                    return None;
                }
            }
            let left = deadline.since(self.sim.now());
            if left.is_zero() {
                self.sim.journal.count("network", "timeout");
                self.sim.journal.line(&self.name, || format!("xid {xid}: no reply in time"));
                self.lose(link);
                return None;
            }
            either(wait, self.sim.after(left)).await;
        }
    }

    async fn connected(&self) -> (u64, Arc<End>) {
        loop {
            if let Some(link) = &lock(&self.state).link {
                return (link.id, link.end.clone());
            }
            let cut = lock(&self.state).cut_until.since(self.sim.now());
            if !cut.is_zero() {
                self.sim.after(cut).await;
                continue;
            }
            if let Some((end, generation)) = self.host.connect(self.client) {
                let end = Arc::new(end);
                let id = {
                    let mut state = lock(&self.state);
                    state.links += 1;
                    let id = state.links;
                    state.link = Some(Link { id, end: end.clone() });
                    id
                };
                self.sim
                    .journal
                    .line(&self.name, || format!("connection {id} to generation {generation}"));
                let rpc = self.clone();
                self.sim.outside.go(async move { rpc.receive(id, end, generation).await });
                continue;
            }
            self.sim.after(RECONNECT).await;
        }
    }

    /// Gives a connection up, if it is still the one in use.
    pub fn lose(&self, id: u64) {
        let lost = {
            let mut state = lock(&self.state);
            if state.link.as_ref().is_some_and(|link| link.id == id) {
                state.link.take()
            } else {
                None
            }
        };
        if let Some(link) = lost {
            link.end.close();
            self.changed.ring();
        }
    }

    /// Loses the connection, and makes none for a while.
    pub fn partition(&self, time: Duration) {
        lock(&self.state).cut_until = self.sim.now() + time;
        self.disconnect();
    }

    /// Gives the connection up.
    pub fn disconnect(&self) {
        let id = lock(&self.state).link.as_ref().map(|link| link.id);
        if let Some(id) = id {
            self.lose(id);
        }
    }

    async fn receive(&self, id: u64, end: Arc<End>, generation: u64) {
        let mut stream = Vec::new();
        while let Some(bytes) = end.recv().await {
            stream.extend_from_slice(&bytes);
            while let Some(record) = self.cut(&mut stream) {
                self.deliver(record, generation, id);
            }
        }
        self.sim.journal.line(&self.name, || format!("connection {id} ended"));
        self.lose(id);
    }

    /// The first whole record of a stream.
    fn cut(&self, stream: &mut Vec<u8>) -> Option<Vec<u8>> {
        let mark = u32::from_be_bytes(*stream.first_chunk::<4>()?);
        let len = (mark & 0x7fff_ffff) as usize;
        if mark >> 31 == 0 || len > RECORD_MAX {
            self.sim.journal.violation("wire", format!("record mark {mark:#x}"));
            stream.clear();
            return None;
        }
        if stream.len() < 4 + len {
            return None;
        }
        let record = stream[4..4 + len].to_vec();
        stream.drain(..4 + len);
        Some(record)
    }

    fn deliver(&self, record: Vec<u8>, generation: u64, link: u64) {
        let Some(xid) = wire::xid(&record) else { return };
        let mut state = lock(&self.state);
        match state.pending.get_mut(&xid) {
            Some(place) => *place = Some((record, generation, link)),
            None => self.sim.journal.count("network", "late reply"),
        }
        drop(state);
        self.changed.ring();
    }
}
