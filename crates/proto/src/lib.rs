//! NFSv4.1/4.2 and ONC RPC: bytes to values and back, and the RPC conversation. No sockets, no
//! clock, no state beyond a connection.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod nfs4;
pub mod rpc;
pub mod xdr;
