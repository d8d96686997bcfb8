//! Operations that only minor version 0 has (RFC 7530 §16). A 4.1 server refuses them, but must
//! know how long they are to keep its place.

use super::limits;
use super::stateid::Stateid;
use super::types::{ClientId, NetAddr, StateOwner, Verifier};
use crate::xdr::xdr_struct;

xdr_struct! {
    /// OPEN_CONFIRM (RFC 7530 §16.18).
    #[derive(Copy)]
    pub struct OpenConfirmArgs {
        /// The open.
        open_stateid: Stateid,
        /// The open owner's sequence id.
        seqid: u32,
    }

    /// OPEN_CONFIRM's result.
    #[derive(Copy)]
    pub struct OpenConfirmOk {
        /// The open.
        open_stateid: Stateid,
    }

    /// RENEW (RFC 7530 §16.28).
    #[derive(Copy)]
    pub struct RenewArgs {
        /// The client.
        clientid: ClientId,
    }

    /// `nfs_client_id4`.
    pub struct NfsClientId<'a> {
        /// Changes when the client restarts.
        verifier: Verifier,
        /// Names the client.
        id: &'a [u8] [limits::OPAQUE_LIMIT],
    }

    /// `cb_client4`.
    pub struct CbClient<'a> {
        /// RPC program of callbacks.
        cb_program: u32,
        /// Where to call.
        cb_location: NetAddr<'a>,
    }

    /// SETCLIENTID (RFC 7530 §16.33).
    pub struct SetClientIdArgs<'a> {
        /// Who the client is.
        client: NfsClientId<'a>,
        /// Where it takes callbacks.
        callback: CbClient<'a>,
        /// What callbacks carry.
        callback_ident: u32,
    }

    /// SETCLIENTID's result.
    #[derive(Copy)]
    pub struct SetClientIdOk {
        /// The client's id.
        clientid: ClientId,
        /// What SETCLIENTID_CONFIRM must show.
        setclientid_confirm: Verifier,
    }

    /// SETCLIENTID_CONFIRM (RFC 7530 §16.34).
    #[derive(Copy)]
    pub struct SetClientIdConfirmArgs {
        /// The client's id.
        clientid: ClientId,
        /// What SETCLIENTID gave.
        setclientid_confirm: Verifier,
    }

    /// RELEASE_LOCKOWNER (RFC 7530 §16.37).
    pub struct ReleaseLockOwnerArgs<'a> {
        /// The lock owner.
        lock_owner: StateOwner<'a>,
    }
}
