//! Listening sockets, and how the connections they accept are dealt to the loops.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use holdfast_server::Instance;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, accept_with, bind, getsockname, listen, socket_with,
    sockopt,
};

use crate::config::{Congestion, Notice};
use crate::counters::{Counters, count};
use crate::mailbox::{Mail, Mailbox};

/// Connections the kernel accepts ahead of us.
const BACKLOG: i32 = 4096;
/// Connections accepted per wake-up, so that others get their turn.
const ACCEPTS_MAX: usize = 64;
const KEEP_IDLE: Duration = Duration::from_secs(60);
const KEEP_INTERVAL: Duration = Duration::from_secs(10);
const KEEP_COUNT: u32 = 6;

const FLAGS: SocketFlags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);

/// How many connections there may be.
pub(crate) struct Gate {
    open: AtomicUsize,
    limit: usize,
    counters: Arc<Counters>,
    notice: Arc<dyn Fn(Notice) + Send + Sync>,
    told_limit: AtomicBool,
    told_accept: AtomicBool,
}

impl Gate {
    pub(crate) fn new(
        limit: usize,
        counters: Arc<Counters>,
        notice: Arc<dyn Fn(Notice) + Send + Sync>,
    ) -> Self {
        let (told_limit, told_accept) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { open: AtomicUsize::new(0), limit, counters, notice, told_limit, told_accept }
    }

    fn enter(self: &Arc<Self>) -> Option<Permit> {
        let permit = Permit(self.clone());
        if self.open.fetch_add(1, Ordering::Relaxed) < self.limit {
            return Some(permit);
        }
        count(&self.counters.connections_refused);
        if !self.told_limit.swap(true, Ordering::Relaxed) {
            (self.notice)(Notice::TooManyConnections(self.limit));
        }
        None
    }

    fn cannot_accept(&self, errno: Errno) {
        count(&self.counters.accepts_paused);
        if !self.told_accept.swap(true, Ordering::Relaxed) {
            (self.notice)(Notice::CannotAccept(errno));
        }
    }
}

/// The place of one connection.
pub(crate) struct Permit(Arc<Gate>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection on its way to its loop.
pub(crate) struct Accepted {
    pub(crate) socket: OwnedFd,
    pub(crate) instance: Arc<Instance>,
    pub(crate) permit: Permit,
}

/// A listening socket that nobody accepts from yet.
pub(crate) struct Bound {
    socket: OwnedFd,
    pub(crate) addr: SocketAddr,
    pub(crate) congestion: Congestion,
}

impl Bound {
    /// Listens on `addr`. Connections inherit the options of the listening socket.
    pub(crate) fn listen(addr: SocketAddr, congestion: Option<&str>) -> Result<Self, Errno> {
        let family = if addr.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = socket_with(family, SocketType::STREAM, FLAGS, None)?;
        sockopt::set_socket_reuseaddr(&socket, true)?;
        if addr.is_ipv6() {
            sockopt::set_ipv6_v6only(&socket, true)?;
        }
        sockopt::set_tcp_nodelay(&socket, true)?;
        sockopt::set_socket_keepalive(&socket, true)?;
        sockopt::set_tcp_keepidle(&socket, KEEP_IDLE)?;
        sockopt::set_tcp_keepintvl(&socket, KEEP_INTERVAL)?;
        sockopt::set_tcp_keepcnt(&socket, KEEP_COUNT)?;
        let congestion = congestion.map_or(Congestion::System, |name| choose(&socket, name));
        bind(&socket, &addr)?;
        listen(&socket, BACKLOG)?;
        let addr = getsockname(&socket)?.try_into().unwrap_or(addr);
        Ok(Self { socket, addr, congestion })
    }
}

fn choose(socket: &OwnedFd, name: &str) -> Congestion {
    match sockopt::set_tcp_congestion(socket, name) {
        Ok(()) => Congestion::Set(name.to_owned()),
        Err(_) => {
            let used = sockopt::tcp_congestion(socket).unwrap_or_default();
            Congestion::Refused { wanted: name.to_owned(), used }
        }
    }
}

/// A listening socket on a loop.
pub(crate) struct Listener {
    pub(crate) socket: OwnedFd,
    /// Waits for the next tick, because nothing can be accepted now.
    pub(crate) paused: bool,
    instance: Arc<Instance>,
    loops: Vec<Weak<Mailbox>>,
    next_loop: usize,
    gate: Arc<Gate>,
}

impl Listener {
    /// Deals connections to the `loops` in turn.
    pub(crate) fn new(
        bound: Bound,
        instance: Arc<Instance>,
        loops: Vec<Weak<Mailbox>>,
        gate: Arc<Gate>,
    ) -> Self {
        Self { socket: bound.socket, paused: false, instance, loops, next_loop: 0, gate }
    }

    /// Accepts what came.
    pub(crate) fn accept(&mut self) {
        for _ in 0..ACCEPTS_MAX {
            match accept_with(&self.socket, FLAGS) {
                Ok(socket) => self.deal(socket),
                Err(Errno::AGAIN) => return,
                Err(errno @ (Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)) => {
                    self.gate.cannot_accept(errno);
                    self.paused = true;
                    return;
                }
                // The error of one connection that is gone already.
                Err(_) => {}
            }
        }
    }

    fn deal(&mut self, socket: OwnedFd) {
        let Some(permit) = self.gate.enter() else { return };
        self.next_loop = (self.next_loop + 1) % self.loops.len();
        let accepted = Accepted { socket, instance: self.instance.clone(), permit };
        if let Some(mailbox) = self.loops[self.next_loop].upgrade() {
            let _ = mailbox.send(Mail::Accepted(accepted));
        }
    }
}
