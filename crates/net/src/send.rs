//! One send for all that waits: bytes in as few calls as they need, pipes by splice.

use std::io::IoSlice;
use std::os::fd::AsFd;

use holdfast_proto::rpc::Transmit;
use holdfast_vfs::Piped;
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, send, sendmsg};
use rustix::pipe::{SpliceFlags, splice};

/// Segments in one send.
const SLICES_MAX: usize = 64;

/// Where a send left off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// All is sent; how much that was.
    All(usize),
    /// The socket takes no more for now; how much it took.
    Blocked(usize),
}

/// What a connection has to send.
pub(crate) type Outgoing = Transmit<Box<dyn Piped>>;

/// Sends what waits, as far as the socket takes it.
pub(crate) fn send_all(socket: impl AsFd, outgoing: &mut Outgoing) -> Result<Sent, Errno> {
    let mut total = 0;
    while outgoing.pending() > 0 {
        match send_next(socket.as_fd(), outgoing) {
            Ok((sent, offered)) => {
                outgoing.sent(sent);
                total += sent;
                if sent < offered {
                    return Ok(Sent::Blocked(total));
                }
            }
            Err(Errno::AGAIN) => return Ok(Sent::Blocked(total)),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(Sent::All(total))
}

/// How much was sent, and of how much. Rust's runtime ignores SIGPIPE, which no flag of splice
/// does. A splice offers only what it sent: the socket may take a
/// page less than it has room for, so the next call tells.
fn send_next(socket: impl AsFd, outgoing: &mut Outgoing) -> Result<(usize, usize), Errno> {
    let pending = outgoing.pending();
    let Some((data, left)) = outgoing.elsewhere() else { return send_bytes(socket, outgoing) };
    let mut flags = SpliceFlags::NONBLOCK;
    flags.set(SpliceFlags::MORE, left < pending);
    match splice(data.reader(), None, socket, None, left, flags)? {
        // The pipe has less than it said: what follows would be taken for its data.
        0 => Err(Errno::IO),
        sent => {
            data.taken(sent);
            Ok((sent, sent))
        }
    }
}

fn send_bytes(socket: impl AsFd, outgoing: &Outgoing) -> Result<(usize, usize), Errno> {
    let mut slices = outgoing.slices();
    let first = slices.next().unwrap_or_default();
    if first.len() == outgoing.pending() {
        return Ok((send(socket, first, SendFlags::NOSIGNAL)?, first.len()));
    }
    let mut vector = [IoSlice::new(&[]); SLICES_MAX];
    let (mut used, mut offered) = (0, 0);
    for (place, slice) in vector.iter_mut().zip(std::iter::once(first).chain(slices)) {
        *place = IoSlice::new(slice);
        used += 1;
        offered += slice.len();
    }
    let mut flags = SendFlags::NOSIGNAL;
    flags.set(SendFlags::MORE, offered < outgoing.pending());
    let mut control = SendAncillaryBuffer::default();
    let sent = sendmsg(socket, &vector[..used], &mut control, flags)?;
    Ok((sent, offered))
}
