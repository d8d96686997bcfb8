//! Connections that leave a loop for another one, and come.

use std::sync::Arc;

use holdfast_base::Id;

use super::EventLoop;
use crate::conn::Conn;
use crate::counters::count;
use crate::mailbox::{Mail, Mailbox};
use crate::world::now;

impl EventLoop {
    /// Counts a wake-up of a connection; now and then it is found to be better off elsewhere.
    pub(super) fn look_after(&mut self, id: Id<Conn>) {
        let others = self.conns.len() > 1;
        let Some(conn) = self.conns.get_mut(id) else { return };
        let Some(look) = conn.count_wakeup(self.place.look_every()) else { return };
        if let Some(to) = self.place.choose(&look, others, conn.socket()) {
            self.send_away(id, &to);
        }
    }

    /// Hands a connection over, unless it has to stay for now.
    fn send_away(&mut self, id: Id<Conn>, to: &Arc<Mailbox>) {
        let mut leaves = false;
        self.with_conn(id, |conn, around| leaves = conn.leave(to, around));
        if !leaves {
            return;
        }
        let Some(conn) = self.conns.remove(id) else { return };
        count(&self.counters.connections_moved);
        // A loop that has ended drops it: so does this one in a moment.
        self.contained(|| {
            let _ = to.send(Mail::Moved(Box::new(conn)));
        });
    }

    /// Goes on with a connection that another loop had.
    pub(super) fn take_in(&mut self, conn: Conn) {
        match self.conns.insert(conn) {
            Ok(id) => self.with_conn(id, |conn, around| conn.arrive(id, now(), around)),
            Err(conn) => self.contained(|| drop(conn)),
        }
    }
}
