//! Call and reply headers (RFC 5531 §9).

use super::auth::{BODY_MAX, Credential, Flavor};
use super::record::RecordError;
use crate::xdr::{DecodeError, Reader, Writer, padding};

const RPC_VERSION: u32 = 2;
const CALL: u32 = 0;
const REPLY: u32 = 1;
const MSG_ACCEPTED: u32 = 0;
const MSG_DENIED: u32 = 1;
const RPC_MISMATCH: u32 = 0;
const AUTH_ERROR: u32 = 1;
const LAST_FRAGMENT: u32 = 0x8000_0000;

/// Bytes from the record mark to the accept status of an accepted reply.
pub const REPLY_HEADER_BYTES: usize = 28;

/// How an accepted call went (RFC 5531 §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptStat(pub u32);

impl AcceptStat {
    /// It was executed.
    pub const SUCCESS: Self = Self(0);
    /// The program is not served here.
    pub const PROG_UNAVAIL: Self = Self(1);
    /// The program is served in other versions.
    pub const PROG_MISMATCH: Self = Self(2);
    /// The program has no such procedure.
    pub const PROC_UNAVAIL: Self = Self(3);
    /// The arguments could not be decoded.
    pub const GARBAGE_ARGS: Self = Self(4);
    /// The server failed.
    pub const SYSTEM_ERR: Self = Self(5);
}

/// Why authentication failed (RFC 5531 §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthStat(pub u32);

impl AuthStat {
    /// The credential is malformed, or of a flavor not served.
    pub const BADCRED: Self = Self(1);
    /// The client must begin anew.
    pub const REJECTEDCRED: Self = Self(2);
    /// The verifier is malformed.
    pub const BADVERF: Self = Self(3);
    /// The credential is not enough for this call.
    pub const TOOWEAK: Self = Self(5);
}

/// The header of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallHeader {
    /// Matches the reply to the call.
    pub xid: u32,
    /// Program number.
    pub prog: u32,
    /// Program version.
    pub vers: u32,
    /// Procedure number.
    pub proc: u32,
    /// Who calls.
    pub cred: Credential,
}

/// The header of a reply, as far as the caller needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyHeader {
    /// The call was accepted; results follow on [`AcceptStat::SUCCESS`].
    Accepted(AcceptStat),
    /// The server speaks other RPC versions, from low to high.
    VersionMismatch(u32, u32),
    /// The server does not believe the credential.
    AuthError(AuthStat),
}

/// What a received record begins with.
pub(super) enum Head {
    Call(Result<CallHeader, Refusal>),
    Reply(u32, Result<ReplyHeader, DecodeError>),
}

/// A call that is answered without looking at its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) xid: u32,
    pub(super) why: RefusalReason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RefusalReason {
    RpcVersion,
    Auth(AuthStat),
    Garbage,
}

/// Reads the header off a record; `r` is left at the arguments or results.
pub(super) fn read_head(r: &mut Reader<'_>) -> Result<Head, RecordError> {
    let short = |_| RecordError::TooShort;
    let xid = r.u32().map_err(short)?;
    match r.u32().map_err(short)? {
        CALL => Ok(Head::Call(read_call(xid, r).map_err(|why| Refusal { xid, why }))),
        REPLY => Ok(Head::Reply(xid, read_reply(r))),
        _ => Err(RecordError::TooShort),
    }
}

fn read_call(xid: u32, r: &mut Reader<'_>) -> Result<CallHeader, RefusalReason> {
    let garbage = |_| RefusalReason::Garbage;
    if r.u32().map_err(garbage)? != RPC_VERSION {
        return Err(RefusalReason::RpcVersion);
    }
    let (prog, vers) = (r.u32().map_err(garbage)?, r.u32().map_err(garbage)?);
    let proc = r.u32().map_err(garbage)?;
    let flavor = Flavor(r.u32().map_err(garbage)?);
    let bad_cred = |_| RefusalReason::Auth(AuthStat::BADCRED);
    let body = r.opaque(BODY_MAX).map_err(bad_cred)?;
    let cred = Credential::decode(flavor, body).map_err(RefusalReason::Auth)?;
    let bad_verf = |_| RefusalReason::Auth(AuthStat::BADVERF);
    let _verifier_flavor = r.u32().map_err(bad_verf)?;
    let _verifier = r.opaque(BODY_MAX).map_err(bad_verf)?;
    Ok(CallHeader { xid, prog, vers, proc, cred })
}

fn read_reply(r: &mut Reader<'_>) -> Result<ReplyHeader, DecodeError> {
    match r.u32()? {
        MSG_ACCEPTED => {
            let _verifier_flavor = r.u32()?;
            let _verifier = r.opaque(BODY_MAX)?;
            Ok(ReplyHeader::Accepted(AcceptStat(r.u32()?)))
        }
        MSG_DENIED => match r.u32()? {
            RPC_MISMATCH => Ok(ReplyHeader::VersionMismatch(r.u32()?, r.u32()?)),
            AUTH_ERROR => Ok(ReplyHeader::AuthError(AuthStat(r.u32()?))),
            other => Err(DecodeError::BadDiscriminant(other)),
        },
        other => Err(DecodeError::BadDiscriminant(other)),
    }
}

/// Begins a reply record: a mark to be set by [`finish_record`], then the header.
pub fn start_accepted(w: &mut Writer, xid: u32, stat: AcceptStat) {
    start_reply_record(w, xid);
    w.u32(MSG_ACCEPTED);
    w.u32(Flavor::NONE.0);
    w.u32(0);
    w.u32(stat.0);
}

/// Begins a reply record up to and without the reply status.
pub fn start_reply_record(w: &mut Writer, xid: u32) {
    w.u32(0);
    w.u32(xid);
    w.u32(REPLY);
}

/// Sets the mark of the record that began at byte `start`, and ends it.
pub fn finish_record(w: &mut Writer, start: usize) {
    finish_record_with(w, start, 0);
}

/// As [`finish_record`], of a record that ends in an opaque of `len` bytes which is not in `w`,
/// and in its padding.
pub fn finish_record_with(w: &mut Writer, start: usize, len: usize) {
    let len = w.position() - start - 4 + len + padding(len);
    w.patch_u32(start, LAST_FRAGMENT | len as u32);
}

/// Writes a whole reply that denies a call for its RPC version: 2 to 2 is served.
pub fn write_denied_version(w: &mut Writer, xid: u32) {
    let start = w.position();
    start_reply_record(w, xid);
    w.u32(MSG_DENIED);
    w.u32(RPC_MISMATCH);
    w.u32(RPC_VERSION);
    w.u32(RPC_VERSION);
    finish_record(w, start);
}

/// Writes a whole reply that denies a call for its credential.
pub fn write_denied_auth(w: &mut Writer, xid: u32, stat: AuthStat) {
    let start = w.position();
    start_reply_record(w, xid);
    w.u32(MSG_DENIED);
    w.u32(AUTH_ERROR);
    w.u32(stat.0);
    finish_record(w, start);
}

/// Writes a whole reply that names the versions served, from `low` to `high`.
pub fn write_program_mismatch(w: &mut Writer, xid: u32, low: u32, high: u32) {
    let start = w.position();
    start_accepted(w, xid, AcceptStat::PROG_MISMATCH);
    w.u32(low);
    w.u32(high);
    finish_record(w, start);
}

/// Begins a call record: a mark to be set by [`finish_record`], then the header.
pub fn write_call_header(w: &mut Writer, header: &CallHeader, machine: &[u8]) {
    w.u32(0);
    w.u32(header.xid);
    w.u32(CALL);
    w.u32(RPC_VERSION);
    w.u32(header.prog);
    w.u32(header.vers);
    w.u32(header.proc);
    header.cred.encode(machine, w);
    w.u32(Flavor::NONE.0);
    w.u32(0);
}
