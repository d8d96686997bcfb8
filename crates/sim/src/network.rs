//! Connections: two byte streams that arrive in pieces, late, or not at all. Within a stream
//! nothing is reordered.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::executor::Sleep;
use crate::rng::Rng;
use crate::sim::Sim;
use crate::sync::lock;

/// When the end of a connection is noticed whose other end fell silent.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// How much longer a stalled piece takes.
const STALL_MAX: Duration = Duration::from_secs(3);

#[derive(Default)]
struct Stream {
    pieces: VecDeque<(u64, Vec<u8>)>,
    last_at: u64,
    sent: u64,
    break_at: Option<u64>,
    silent_at: Option<u64>,
    /// When the reader sees the end.
    eof_at: Option<u64>,
    reader: Option<Waker>,
}

impl Stream {
    /// What has not happened does not happen any more; who is silent stays so.
    fn forget_faults(&mut self) {
        self.break_at = None;
        self.silent_at = self.silent_at.filter(|at| *at <= self.sent);
    }
}

struct Link {
    streams: [Stream; 2],
    rng: Rng,
}

/// One end of a connection. Dropping it closes the connection.
pub struct End {
    sim: Arc<Sim>,
    link: Arc<Mutex<Link>>,
    out: usize,
    timer: Mutex<Option<Pin<Box<Sleep>>>>,
}

/// A new connection: the client's end and the server's.
pub fn connect(sim: &Arc<Sim>, mut rng: Rng) -> (End, End) {
    let mut streams = [Stream::default(), Stream::default()];
    let options = &sim.options;
    if sim.faults() {
        let bytes = *rng.pick(&[400, 3_000, 40_000]);
        if rng.chance(options.break_permille) {
            streams[rng.index(2)].break_at = Some(rng.below(bytes));
        } else if rng.chance(options.silent_permille) {
            streams[rng.index(2)].silent_at = Some(rng.below(bytes));
        }
    }
    let link = Arc::new(Mutex::new(Link { streams, rng }));
    let end = |out| End { sim: sim.clone(), link: link.clone(), out, timer: Mutex::default() };
    (end(0), end(1))
}

impl End {
    /// Sends bytes, as far as the connection lets them through.
    pub fn send(&self, bytes: &[u8]) {
        let now = self.sim.now().as_ns();
        let mut link = lock(&self.link);
        let link = &mut *link;
        let stream = &mut link.streams[self.out];
        if stream.eof_at.is_some() {
            return;
        }
        let mut rest = bytes;
        if !self.sim.faults() {
            stream.forget_faults();
        }
        let silent = stream.silent_at;
        let room = |limit: Option<u64>| limit.map_or(usize::MAX, |at| (at - stream.sent) as usize);
        let upto = room(stream.break_at).min(room(silent));
        let cut = upto < rest.len();
        rest = &rest[..upto.min(rest.len())];
        stream.sent += rest.len() as u64;
        while !rest.is_empty() {
            let len = (link.rng.between(1, self.sim.options.piece_max) as usize).min(rest.len());
            let at = arrival(&self.sim, &mut link.rng, now).max(stream.last_at);
            stream.last_at = at;
            stream.pieces.push_back((at, rest[..len].to_vec()));
            rest = &rest[len..];
        }
        wake(&mut stream.reader);
        if cut && silent.is_none() {
            self.sim.journal.count("fault", "connection broken");
            break_off(link, now);
        } else if cut {
            self.sim.journal.count("fault", "connection silent");
        }
    }

    /// The next bytes; `None` at the end of the stream.
    pub fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Option<Vec<u8>>> {
        let now = self.sim.now().as_ns();
        let due = {
            let mut link = lock(&self.link);
            let stream = &mut link.streams[1 - self.out];
            let due = match stream.pieces.front() {
                Some((at, _)) => Some(*at),
                None => stream.eof_at,
            };
            stream.reader = Some(cx.waker().clone());
            if due.is_some_and(|due| due <= now) {
                return Poll::Ready(stream.pieces.pop_front().map(|(_, bytes)| bytes));
            }
            due
        };
        if let Some(due) = due {
            let wait = Duration::from_nanos(due - now);
            let mut timer = lock(&self.timer);
            let sleep = timer.insert(Box::pin(self.sim.after(wait)));
            let _pending = sleep.as_mut().poll(cx);
        }
        Poll::Pending
    }

    /// The next bytes; `None` at the end of the stream.
    pub async fn recv(&self) -> Option<Vec<u8>> {
        std::future::poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Closes the connection: the other end learns of it, unless it hears nothing any more.
    pub fn close(&self) {
        let now = self.sim.now().as_ns();
        let mut link = lock(&self.link);
        let Link { streams, rng } = &mut *link;
        let stream = &mut streams[self.out];
        if stream.eof_at.is_none() {
            let silent = stream.silent_at.is_some_and(|at| at <= stream.sent);
            let later = if silent { now + KEEPALIVE.as_nanos() as u64 } else { 0 };
            let at = arrival(&self.sim, rng, now).max(stream.last_at).max(later);
            stream.eof_at = Some(at);
            wake(&mut stream.reader);
        }
        let back = &mut streams[1 - self.out];
        back.eof_at.get_or_insert(now);
        back.pieces.clear();
        wake(&mut back.reader);
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.close();
    }
}

fn wake(reader: &mut Option<Waker>) {
    if let Some(reader) = reader.take() {
        reader.wake();
    }
}

/// When a piece that is sent now arrives.
fn arrival(sim: &Sim, rng: &mut Rng, now: u64) -> u64 {
    let mut at = now + rng.below(sim.options.latency.as_nanos() as u64);
    if sim.faults() && rng.chance(sim.options.stall_permille) {
        sim.journal.count("fault", "connection stalled");
        at += rng.below(STALL_MAX.as_nanos() as u64);
    }
    at
}

/// Both ends see the end, after what is under way.
fn break_off(link: &mut Link, now: u64) {
    for stream in &mut link.streams {
        let at = now.max(stream.last_at);
        stream.eof_at.get_or_insert(at);
        wake(&mut stream.reader);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_lived_through_the_faults_is_whole() {
        let mut stream = Stream { sent: 5, silent_at: Some(9), ..Stream::default() };
        stream.break_at = Some(7);
        stream.forget_faults();
        stream.sent = 20;
        stream.forget_faults();
        assert_eq!((stream.silent_at, stream.break_at), (None, None));
    }

    #[test]
    fn a_stream_that_is_silent_stays_so() {
        let mut stream = Stream { sent: 9, silent_at: Some(9), ..Stream::default() };
        stream.forget_faults();
        assert_eq!(stream.silent_at, Some(9));
    }
}
