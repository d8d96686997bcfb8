//! Tells a service manager how far this service is, as sd_notify(3) describes. Without one it
//! tells nobody.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::log::warn;

/// It is ready: whoever depends on it may begin.
pub(crate) fn ready() {
    tell("READY=1");
}

/// It has begun to stop.
pub(crate) fn stopping() {
    tell("STOPPING=1");
}

fn tell(what: &str) {
    let Some(name) = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else { return };
    if let Err(error) = send(&name, what) {
        warn(format_args!("cannot tell the service manager {what}: {error}"));
    }
}

fn send(name: &OsStr, what: &str) -> io::Result<()> {
    let addr = match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    // A manager that does not read must not keep us from serving.
    socket.set_nonblocking(true)?;
    socket.send_to_addr(what.as_bytes(), &addr).map(drop)
}
