//! Where two guests meet: what one says, the other one hears.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often the place is looked at while somebody is missing.
const LOOK: Duration = Duration::from_millis(50);

/// A port where two connections become one.
#[derive(Debug)]
pub(super) struct Meeting {
    port: u16,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Meeting {
    pub(super) fn open() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let over = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&over);
        let thread = thread::spawn(move || {
            if let Err(error) = join(&listener, &flag) {
                eprintln!("guest-pair: the meeting: {error}");
            }
        });
        Ok(Self { port, over, thread: Some(thread) })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Meeting {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It has said what went wrong.
            let _panicked = thread.join();
        }
    }
}

/// Takes two connections and carries bytes between them until both have ended.
fn join(listener: &TcpListener, over: &AtomicBool) -> io::Result<()> {
    let (Some(one), Some(two)) = (accept(listener, over)?, accept(listener, over)?) else {
        return Ok(());
    };
    thread::scope(|scope| {
        scope.spawn(|| carry(&one, &two));
        carry(&two, &one);
    });
    Ok(())
}

fn accept(listener: &TcpListener, over: &AtomicBool) -> io::Result<Option<TcpStream>> {
    while !over.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                stream.set_nodelay(true)?;
                return Ok(Some(stream));
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(LOOK),
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn carry(mut from: &TcpStream, mut to: &TcpStream) {
    // A guest that is gone ends it: the other one is to see that.
    let _cut = io::copy(&mut from, &mut to);
    let _gone = to.shutdown(Shutdown::Write);
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn what_one_says_the_other_hears_to_the_end() {
        let meeting = Meeting::open().expect("a free port");
        let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, meeting.port()));
        let (mut one, mut two) = (connect().expect("listens"), connect().expect("listens"));
        one.write_all(b"hello").expect("is connected");
        drop(one);
        let mut heard = String::new();
        two.read_to_string(&mut heard).expect("ends");
        assert_eq!(heard, "hello");
    }
}
