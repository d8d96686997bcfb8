//! What a server has of its runtime: ports to listen on, and threads.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use holdfast_base::{BoxFuture, World};
use holdfast_server::{CrashRecord, Host, Instance};
use rustix::net::{Shutdown, shutdown};

use crate::config::{Congestion, ListenError, Notice, StartError};
use crate::listener::{Gate, Listener, Port, Target};
use crate::mailbox::{Mail, Mailbox};
use crate::owner::Owner;
use crate::pool::{Left, Pool};
use crate::waiting::promise;

/// The host of one service.
pub(crate) struct NetHost {
    owner: Owner,
    loops: Vec<Weak<Mailbox>>,
    pool: Arc<Pool>,
    world: Arc<dyn World>,
    ports: Vec<Port>,
    gate: Arc<Gate>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The sockets that listen now: their loop has them.
    listening: Vec<Weak<OwnedFd>>,
    left: Left,
}

/// What of a runtime its hosts share.
pub(crate) struct Shares {
    pub(crate) owner: Owner,
    pub(crate) loops: Vec<Weak<Mailbox>>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) world: Arc<dyn World>,
}

impl NetHost {
    /// Takes the ports.
    pub(crate) fn new(
        shares: Shares,
        listen: &[SocketAddr],
        congestion: Option<&str>,
        gate: Gate,
    ) -> Result<Self, StartError> {
        let ports = listen.iter().map(|addr| Port::take(*addr, congestion));
        let ports = ports.collect::<Result<_, _>>().map_err(StartError::Listen)?;
        let Shares { owner, loops, pool, world } = shares;
        let gate = Arc::new(gate);
        Ok(Self { owner, loops, pool, world, ports, gate, state: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where it listens.
    pub(crate) fn local_addrs(&self) -> Vec<SocketAddr> {
        self.ports.iter().map(|port| port.addr).collect()
    }

    /// What its connections have.
    pub(crate) fn congestion(&self) -> Congestion {
        self.ports.first().map_or(Congestion::System, |port| port.congestion.clone())
    }

    /// How many threads it has.
    pub(crate) fn threads(&self) -> usize {
        self.pool.share(self.owner)
    }

    /// What was left of the threads when the last instance stopped.
    pub(crate) fn left(&self) -> Left {
        self.lock().left
    }

    async fn take_threads_back(&self) {
        let Left { jobs_dropped, threads_left } =
            self.pool.withdraw(self.owner, &*self.world).await;
        let left = &mut self.lock().left;
        left.jobs_dropped += jobs_dropped;
        left.threads_left += threads_left;
    }
}

impl Host for NetHost {
    fn listen(&self, instance: &Arc<Instance>) -> Result<(), String> {
        let sockets = self.ports.iter().map(Port::listen);
        let sockets: Vec<_> =
            sockets.collect::<Result<_, ListenError>>().map_err(|error| error.to_string())?;
        let sockets: Vec<_> = sockets.into_iter().map(Arc::new).collect();
        let listening = sockets.iter().map(Arc::downgrade).collect();
        *self.lock() = State { listening, left: Left::default() };
        let target = Target {
            owner: self.owner,
            instance: instance.clone(),
            loops: self.loops.clone(),
            gate: self.gate.clone(),
        };
        let listener = |socket| Listener::new(socket, target.clone());
        let listeners = sockets.into_iter().map(listener).collect();
        let first = self.loops.first().and_then(Weak::upgrade);
        let sent = first.map(|mailbox| mailbox.send(Mail::Listen(listeners)));
        sent.and_then(Result::ok).ok_or_else(|| "the runtime has ended".to_owned())
    }

    fn unlisten(&self) -> BoxFuture<'static, ()> {
        // The kernel refuses connections from now on, even if the loop is busy for long.
        let listening = std::mem::take(&mut self.lock().listening);
        for socket in listening.iter().filter_map(Weak::upgrade) {
            let _ = shutdown(&*socket, Shutdown::Both);
        }
        let (done, is_done) = promise();
        if let Some(mailbox) = self.loops.first().and_then(Weak::upgrade) {
            // A loop that has ended has closed its listeners, and drops the promise.
            let _ = mailbox.send(Mail::Unlisten(self.owner, done));
        }
        Box::pin(async {
            is_done.await;
        })
    }

    fn resize(&self, threads: usize) -> BoxFuture<'_, Result<usize, String>> {
        Box::pin(async move {
            if threads == 0 {
                self.take_threads_back().await;
                return Ok(0);
            }
            let reached = self.pool.resize(self.owner, threads).await;
            reached.map_err(|error| {
                let count = self.threads();
                format!("cannot start a thread: {error}; {count} of {threads} run")
            })
        })
    }

    fn crashed(&self, record: &CrashRecord) {
        self.gate.tell(Notice::Crashed(record.clone()));
    }
}
