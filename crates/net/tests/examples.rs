//! The examples do what they say.

mod common;

use std::net::SocketAddr;

use common::client::Client;
use common::{Peer, null};
use holdfast_net::Service;
use holdfast_proto::nfs4::{LookupArgs, Op, OpBody, OpNum, ReadArgs, Stateid, Status};

#[path = "../examples/own_file_system.rs"]
#[allow(dead_code)] // Its main program.
mod own_file_system;
#[path = "../examples/tokio_file_system.rs"]
#[allow(dead_code)] // Its main program.
mod tokio_file_system;

const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// What is in the file, as a client sees it.
fn read(service: &Service) -> Vec<u8> {
    let mut peer = Peer::connect(service);
    peer.send(&null(1));
    peer.expect_null(1);
    let mut client = Client::new(service.local_addrs()[0], "reader", 2);
    let read = ReadArgs { stateid: Stateid::ANONYMOUS, offset: 0, count: 4096 };
    let to = Op::Lookup(LookupArgs { objname: b"hello" });
    let reply = client.insist(&[Op::PutRootFh, to, Op::Read(read)]).unwrap();
    assert_eq!(reply.status(), Status::OK);
    reply.find(
        OpNum::READ,
        |body| if let OpBody::Read(ok) = body { Some(ok.data.to_vec()) } else { None },
    )
}

#[test]
fn a_file_system_of_ones_own_is_served() {
    let service = own_file_system::serve(LISTEN).unwrap();
    assert_eq!(read(&service), b"Hello from a program.\n");
    assert!(service.stop().is_clean());
}

#[test]
fn a_file_system_that_waits_for_tokio_is_served() {
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_time().build().unwrap();
    let service = tokio.block_on(tokio_file_system::serve(LISTEN)).unwrap();
    assert_eq!(read(&service), b"Hello after a while.\n");
    assert!(tokio.block_on(service.server().stop()).is_clean());
}
