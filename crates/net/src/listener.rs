//! Listening sockets, and how the connections they accept are dealt to the loops.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use holdfast_server::{Connection, Instance};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, accept_with, bind, getsockname, listen, socket_with,
    sockopt,
};

use crate::config::{Congestion, ListenError, Notice};
use crate::counters::{Counters, count};
use crate::mailbox::{Mail, Mailbox, Signal};
use crate::owner::Owner;

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

    /// The place of a connection that comes; none if there are too many.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Permit> {
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

    /// Tells the operator.
    pub(crate) fn tell(&self, notice: Notice) {
        (self.notice)(notice);
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

/// A connection on its way to its loop. Its conversation has begun: a stop knows of it.
pub(crate) struct Accepted {
    pub(crate) socket: OwnedFd,
    pub(crate) talk: Connection,
    pub(crate) signal: Arc<Signal>,
    pub(crate) permit: Permit,
    pub(crate) owner: Owner,
}

/// An address that is ours as long as this lives, whether anybody listens there or not: a service
/// that starts again listens where it did.
pub(crate) struct Port {
    _holder: OwnedFd,
    pub(crate) addr: SocketAddr,
    wanted: Option<String>,
    pub(crate) congestion: Congestion,
}

impl Port {
    /// Takes the address.
    pub(crate) fn take(addr: SocketAddr, congestion: Option<&str>) -> Result<Self, ListenError> {
        let take = || {
            let holder = bound(addr)?;
            let addr = getsockname(&holder)?.try_into().unwrap_or(addr);
            let wanted = congestion.map(str::to_owned);
            let congestion = congestion.map_or(Congestion::System, |name| choose(&holder, name));
            Ok(Self { _holder: holder, addr, wanted, congestion })
        };
        take().map_err(|errno| ListenError { addr, errno })
    }

    /// Listens. Connections inherit the options of the listening socket.
    pub(crate) fn listen(&self) -> Result<OwnedFd, ListenError> {
        let open = || {
            let socket = bound(self.addr)?;
            sockopt::set_tcp_nodelay(&socket, true)?;
            sockopt::set_socket_keepalive(&socket, true)?;
            sockopt::set_tcp_keepidle(&socket, KEEP_IDLE)?;
            sockopt::set_tcp_keepintvl(&socket, KEEP_INTERVAL)?;
            sockopt::set_tcp_keepcnt(&socket, KEEP_COUNT)?;
            if let Some(name) = &self.wanted {
                choose(&socket, name);
            }
            listen(&socket, BACKLOG)?;
            Ok(socket)
        };
        open().map_err(|errno| ListenError { addr: self.addr, errno })
    }
}

/// A socket with this address. Several may have it, as long as none of the others listens.
fn bound(addr: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = if addr.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, FLAGS, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if addr.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    bind(&socket, &addr)?;
    Ok(socket)
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

/// Where a listener takes connections: to which instance, and on which loops.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) owner: Owner,
    pub(crate) instance: Arc<Instance>,
    pub(crate) loops: Vec<Weak<Mailbox>>,
    pub(crate) gate: Arc<Gate>,
}

/// A listening socket on a loop.
pub(crate) struct Listener {
    pub(crate) socket: Arc<OwnedFd>,
    /// Waits for the next tick, because nothing can be accepted now.
    pub(crate) paused: bool,
    target: Target,
    next_loop: usize,
}

impl Listener {
    /// Deals connections to the loops of `target` in turn.
    pub(crate) const fn new(socket: Arc<OwnedFd>, target: Target) -> Self {
        Self { socket, paused: false, target, next_loop: 0 }
    }

    /// The service that listens.
    pub(crate) const fn owner(&self) -> Owner {
        self.target.owner
    }

    /// Accepts what came.
    pub(crate) fn accept(&mut self) {
        for _ in 0..ACCEPTS_MAX {
            match accept_with(&self.socket, FLAGS) {
                Ok(socket) => self.deal(socket),
                Err(Errno::AGAIN) => return,
                Err(errno @ (Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)) => {
                    self.target.gate.cannot_accept(errno);
                    self.paused = true;
                    return;
                }
                // It was shut down, and is about to be dropped.
                Err(Errno::INVAL) => {
                    self.paused = true;
                    return;
                }
                // The error of one connection that is gone already.
                Err(_) => {}
            }
        }
    }

    fn deal(&mut self, socket: OwnedFd) {
        let target = &self.target;
        let Some(permit) = target.gate.enter() else { return };
        self.next_loop = (self.next_loop + 1) % target.loops.len();
        let mailbox = &target.loops[self.next_loop];
        let counters = target.gate.counters.clone();
        let signal = Arc::new(Signal::new(mailbox.clone(), counters));
        let mut talk = target.instance.connect(signal.clone());
        talk.take_pipes();
        let accepted = Accepted { socket, talk, signal, permit, owner: target.owner };
        if let Some(mailbox) = mailbox.upgrade() {
            let _ = mailbox.send(Mail::Accepted(Box::new(accepted)));
        }
    }
}
