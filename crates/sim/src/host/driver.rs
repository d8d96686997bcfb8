//! Drives a connection of a simulated server as the loops of the real one do.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use holdfast_proto::rpc::Buffers;
use holdfast_server::{Connection, Notify};

use crate::network::End;
use crate::sim::Sim;
use crate::sync::lock;

/// Wakes a driver when a compound can go on.
#[derive(Default)]
pub(super) struct Wake {
    notified: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Notify for Wake {
    fn notify(&self) {
        self.notified.store(true, Ordering::Relaxed);
        if let Some(waker) = lock(&self.waker).take() {
            waker.wake();
        }
    }
}

struct Driven {
    client: u32,
    connection: Connection,
    end: End,
    input: Option<Vec<u8>>,
    eof: bool,
}

/// Moves the bytes of one connection.
pub(super) struct Driver {
    sim: Arc<Sim>,
    buffers: Arc<Mutex<Buffers>>,
    wake: Arc<Wake>,
    driven: Mutex<Option<Driven>>,
}

impl Driver {
    /// Drives this connection of a client over this end.
    pub(super) fn new(
        sim: &Arc<Sim>,
        buffers: &Arc<Mutex<Buffers>>,
        wake: Arc<Wake>,
        (client, connection, end): (u32, Connection, End),
    ) -> Arc<Self> {
        let driven = Driven { client, connection, end, input: None, eof: false };
        Arc::new(Self {
            sim: sim.clone(),
            buffers: buffers.clone(),
            wake,
            driven: Mutex::new(Some(driven)),
        })
    }

    /// Moves bytes until the connection is over.
    pub(super) async fn run(&self) {
        std::future::poll_fn(|cx| self.poll(cx)).await;
    }

    pub(super) fn is_over(&self) -> bool {
        lock(&self.driven).is_none()
    }

    /// Ends now.
    pub(super) fn cut(&self) {
        let driven = lock(&self.driven).take();
        self.drop_driven(driven);
        self.wake.notify();
    }

    fn drop_driven(&self, driven: Option<Driven>) {
        if driven.is_some_and(|driven| !driven.connection.is_done()) {
            self.sim.journal.count("operator", "requests dropped");
        }
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        *lock(&self.wake.waker) = Some(cx.waker().clone());
        let mut place = lock(&self.driven);
        let Some(driven) = place.as_mut() else { return Poll::Ready(()) };
        let resume = self.wake.notified.swap(false, Ordering::Relaxed);
        if driven.step(&self.sim, &mut lock(&self.buffers), resume, cx) {
            let driven = place.take();
            drop(place);
            self.drop_driven(driven);
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl Driven {
    /// Moves what can be moved; `true`: the connection is over.
    fn step(
        &mut self,
        sim: &Sim,
        buffers: &mut Buffers,
        resume: bool,
        cx: &mut Context<'_>,
    ) -> bool {
        let mut broken = resume && self.connection.resume(buffers).is_err();
        self.transmit();
        while !broken && !self.eof && self.connection.wants_input() {
            if self.input.is_none() {
                match self.end.poll_recv(cx) {
                    Poll::Ready(Some(bytes)) => self.input = Some(bytes),
                    Poll::Ready(None) => self.eof = true,
                    Poll::Pending => break,
                }
            }
            sim.checkers.locks.heard(self.client, sim.now().as_ns());
            broken |= self.feed(buffers);
            self.transmit();
        }
        if self.connection.is_aborted() {
            return true;
        }
        let ending = broken || self.eof || self.connection.is_closing();
        ending && self.connection.is_quiet()
    }

    /// Hands input over; `true`: the stream is broken.
    fn feed(&mut self, buffers: &mut Buffers) -> bool {
        let Some(mut input) = self.input.take() else { return false };
        let Some(space) = self.connection.space(buffers) else { return true };
        let len = space.len().min(input.len());
        space[..len].copy_from_slice(&input[..len]);
        if len < input.len() {
            self.input = Some(input.split_off(len));
        }
        self.connection.received(len, buffers).is_err()
    }

    fn transmit(&mut self) {
        let slices: Vec<Vec<u8>> =
            self.connection.transmit().slices().map(<[u8]>::to_vec).collect();
        for slice in slices {
            self.connection.transmit().sent(slice.len());
            self.end.send(&slice);
        }
    }
}
