//! One send for all that waits.

use std::io::IoSlice;
use std::os::fd::AsFd;

use holdfast_proto::rpc::Transmit;
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, send, sendmsg};

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

/// Sends what waits, as far as the socket takes it.
pub(crate) fn send_all(socket: impl AsFd, transmit: &mut Transmit) -> Result<Sent, Errno> {
    let mut total = 0;
    while transmit.pending() > 0 {
        match send_once(socket.as_fd(), transmit) {
            Ok((sent, offered)) => {
                transmit.sent(sent);
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

fn send_once(socket: impl AsFd, transmit: &Transmit) -> Result<(usize, usize), Errno> {
    let mut slices = transmit.slices();
    let first = slices.next().unwrap_or_default();
    if first.len() == transmit.pending() {
        return Ok((send(socket, first, SendFlags::NOSIGNAL)?, first.len()));
    }
    let mut vector = [IoSlice::new(&[]); SLICES_MAX];
    let (mut used, mut offered) = (0, 0);
    for (place, slice) in vector.iter_mut().zip(std::iter::once(first).chain(slices)) {
        *place = IoSlice::new(slice);
        used += 1;
        offered += slice.len();
    }
    let mut control = SendAncillaryBuffer::default();
    let sent = sendmsg(socket, &vector[..used], &mut control, SendFlags::NOSIGNAL)?;
    Ok((sent, offered))
}
