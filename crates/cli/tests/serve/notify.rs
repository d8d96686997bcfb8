use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use super::*;

/// Asserts that a server tells `manager`, which is at `name`, when it is ready and when it stops.
fn assert_told(manager: &UnixDatagram, name: &str) {
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let next = || {
        let mut told = [0; 64];
        let length = manager.recv(&mut told).unwrap();
        String::from_utf8(told[..length].to_vec()).unwrap()
    };
    let mut command = holdfast(&["--listen", "127.0.0.1:0", "--log", "warn"]);
    let server = Server::spawn(command.env("NOTIFY_SOCKET", name));
    assert_eq!(next(), "READY=1");
    let (status, said) = server.stop(Signal::TERM);
    assert_eq!((status, said.lines().count()), (Some(0), 1), "{said}");
    assert_eq!(next(), "STOPPING=1");
}

#[test]
fn a_service_manager_is_told_of_start_and_stop() {
    let folder = Folder::new();
    let path = folder.path("notify");
    assert_told(&UnixDatagram::bind(&path).unwrap(), path.to_str().unwrap());
    let name = format!("holdfast-test-{}", std::process::id());
    let addr = SocketAddr::from_abstract_name(&name).unwrap();
    assert_told(&UnixDatagram::bind_addr(&addr).unwrap(), &format!("@{name}"));
}

#[test]
fn a_service_manager_that_is_gone_changes_nothing() {
    let folder = Folder::new();
    let mut command = holdfast(&["--listen", "127.0.0.1:0"]);
    let server = Server::spawn(command.env("NOTIFY_SOCKET", folder.path("none")));
    server.ping();
    let (status, said) = server.stop(Signal::TERM);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("cannot tell the service manager READY=1: No such file"), "{said}");
}
