//! ONC RPC version 2 (RFC 5531) over a byte stream: records, headers, credentials, and the
//! conversation of one connection, on which both ends may call.

mod auth;
mod buffers;
mod connection;
mod message;
mod record;
#[cfg(test)]
mod tests;
mod transmit;

pub use auth::{AuthSys, Credential, Flavor, GIDS_MAX};
pub use buffers::{Buffers, SLAB_BYTES};
pub use connection::{Call, Connection, Message, Refusals, TooManyCalls};
pub use message::{
    AcceptStat, AuthStat, CallHeader, REPLY_HEADER_BYTES, ReplyHeader, finish_record,
    finish_record_with, start_accepted, start_reply_record, write_call_header, write_denied_auth,
    write_denied_version, write_program_mismatch,
};
pub use record::{Record, RecordError, RecordReader};
pub use transmit::Transmit;
