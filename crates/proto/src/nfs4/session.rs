//! Clients and sessions: EXCHANGE_ID to DESTROY_CLIENTID, SEQUENCE, and state id housekeeping.

use alloc::vec::Vec;

use super::bitmap::Bitmap;
use super::limits;
use super::stateid::Stateid;
use super::status::Status;
use super::types::{AuthFlavor, ClientId, ClientOwner, GssService, ImplId, ServerOwner, SessionId};
use crate::xdr::{xdr_enum, xdr_flags, xdr_struct, xdr_union};

xdr_flags! {
    /// `eia_flags` and `eir_flags` (RFC 8881 §18.35, RFC 7862 §14.1).
    pub struct ExchangeIdFlags {
        SUPP_MOVED_REFER = 0x1,
        SUPP_MOVED_MIGR = 0x2,
        SUPP_FENCE_OPS = 0x4,
        BIND_PRINC_STATEID = 0x100,
        USE_NON_PNFS = 0x1_0000,
        USE_PNFS_MDS = 0x2_0000,
        USE_PNFS_DS = 0x4_0000,
        MASK_PNFS = 0x7_0000,
        UPD_CONFIRMED_REC_A = 0x4000_0000,
        CONFIRMED_R = 0x8000_0000,
    }

    /// `csa_flags` and `csr_flags` (RFC 8881 §18.36).
    pub struct CreateSessionFlags {
        PERSIST = 0x1,
        CONN_BACK_CHAN = 0x2,
        CONN_RDMA = 0x4,
    }

    /// `sr_status_flags` (RFC 8881 §18.46).
    pub struct SequenceStatus {
        CB_PATH_DOWN = 0x1,
        CB_GSS_CONTEXTS_EXPIRING = 0x2,
        CB_GSS_CONTEXTS_EXPIRED = 0x4,
        EXPIRED_ALL_STATE_REVOKED = 0x8,
        EXPIRED_SOME_STATE_REVOKED = 0x10,
        ADMIN_STATE_REVOKED = 0x20,
        RECALLABLE_STATE_REVOKED = 0x40,
        LEASE_MOVED = 0x80,
        RESTART_RECLAIM_NEEDED = 0x100,
        CB_PATH_DOWN_SESSION = 0x200,
        BACKCHANNEL_FAULT = 0x400,
        DEVID_CHANGED = 0x800,
        DEVID_DELETED = 0x1000,
    }
}

xdr_enum! {
    /// `channel_dir_from_client4`.
    pub struct DirFromClient {
        FORE = 1,
        BACK = 2,
        FORE_OR_BOTH = 3,
        BACK_OR_BOTH = 7,
    }

    /// `channel_dir_from_server4`.
    pub struct DirFromServer {
        FORE = 1,
        BACK = 2,
        BOTH = 3,
    }

    /// `state_protect_how4`.
    pub struct StateProtectHow {
        NONE = 0,
        MACH_CRED = 1,
        SSV = 2,
    }
}

xdr_union! {
    /// `state_protect4_a`: how the client wants its state protected.
    pub enum StateProtectArgs<'a> switch StateProtectHow {
        /// Not.
        None = NONE,
        /// By the machine's credential.
        MachCred(StateProtectOps) = MACH_CRED,
        /// By a shared secret.
        Ssv(SsvParms<'a>) = SSV,
    }

    /// `state_protect4_r`: how it is protected.
    pub enum StateProtectRes<'a> switch StateProtectHow {
        /// Not.
        None = NONE,
        /// By the machine's credential.
        MachCred(StateProtectOps) = MACH_CRED,
        /// By a shared secret.
        Ssv(SsvProtInfo<'a>) = SSV,
    }

    /// `callback_sec_parms4`: how the server authenticates when it calls back.
    pub enum CallbackSecParms<'a> switch AuthFlavor {
        /// Not.
        None = NONE,
        /// As this user.
        Sys(AuthSysParms<'a>) = SYS,
        /// With these contexts.
        Gss(GssCbHandles<'a>) = GSS,
    }
}

xdr_struct! {
    /// `state_protect_ops4`: operations by number.
    #[derive(Copy)]
    pub struct StateProtectOps {
        /// Must be protected.
        must_enforce: Bitmap,
        /// May be protected.
        must_allow: Bitmap,
    }

    /// `ssv_sp_parms4`.
    pub struct SsvParms<'a> {
        /// Which operations.
        ops: StateProtectOps,
        /// Hash algorithms, by object identifier.
        hash_algs: Vec<&'a [u8]> [limits::SSV_ALGORITHMS],
        /// Encryption algorithms, by object identifier.
        encr_algs: Vec<&'a [u8]> [limits::SSV_ALGORITHMS],
        /// How many versions of the secret are kept.
        window: u32,
        /// How many RPCSEC_GSS handles to make.
        num_gss_handles: u32,
    }

    /// `ssv_prot_info4`.
    pub struct SsvProtInfo<'a> {
        /// Which operations.
        ops: StateProtectOps,
        /// Index of the hash algorithm.
        hash_alg: u32,
        /// Index of the encryption algorithm.
        encr_alg: u32,
        /// Bytes of the secret.
        ssv_len: u32,
        /// How many versions of the secret are kept.
        window: u32,
        /// RPCSEC_GSS handles.
        handles: Vec<&'a [u8]> [limits::GSS_HANDLES],
    }

    /// `authsys_parms` (RFC 5531).
    pub struct AuthSysParms<'a> {
        /// Arbitrary.
        stamp: u32,
        /// The caller's machine.
        machinename: &'a [u8] [limits::MACHINE_NAME],
        /// User.
        uid: u32,
        /// Group.
        gid: u32,
        /// Supplementary groups.
        gids: Vec<u32> [limits::AUTH_SYS_GIDS],
    }

    /// `gss_cb_handles4`.
    pub struct GssCbHandles<'a> {
        /// Integrity, privacy or neither.
        service: GssService,
        /// The context the server made.
        handle_from_server: &'a [u8] [limits::GSS_BYTES],
        /// The context the client made.
        handle_from_client: &'a [u8] [limits::GSS_BYTES],
    }

    /// `channel_attrs4`.
    #[derive(Copy, Default)]
    pub struct ChannelAttrs {
        /// Bytes of padding after the headers.
        headerpadsize: u32,
        /// Bytes of the largest request.
        maxrequestsize: u32,
        /// Bytes of the largest reply.
        maxresponsesize: u32,
        /// Bytes of the largest reply that is cached.
        maxresponsesize_cached: u32,
        /// Operations of one compound.
        maxoperations: u32,
        /// Slots.
        maxrequests: u32,
        /// RDMA inbound read queue depth.
        rdma_ird: Option<u32>,
    }

    /// EXCHANGE_ID: who are you (RFC 8881 §18.35).
    pub struct ExchangeIdArgs<'a> {
        /// Who the client is.
        clientowner: ClientOwner<'a>,
        /// What it can do.
        flags: ExchangeIdFlags,
        /// How it wants its state protected.
        state_protect: StateProtectArgs<'a>,
        /// Who wrote it.
        client_impl_id: Option<ImplId<'a>>,
    }

    /// EXCHANGE_ID's result.
    pub struct ExchangeIdOk<'a> {
        /// The client's id.
        clientid: ClientId,
        /// The sequence id for CREATE_SESSION.
        sequenceid: u32,
        /// What the server can do.
        flags: ExchangeIdFlags,
        /// How state is protected.
        state_protect: StateProtectRes<'a>,
        /// Which server this is.
        server_owner: ServerOwner<'a>,
        /// Where its ids are known.
        server_scope: &'a [u8] [limits::OPAQUE_LIMIT],
        /// Who wrote it.
        server_impl_id: Option<ImplId<'a>>,
    }

    /// CREATE_SESSION (RFC 8881 §18.36).
    pub struct CreateSessionArgs<'a> {
        /// The client.
        clientid: ClientId,
        /// Tells a retry.
        sequence: u32,
        /// What the session should be.
        flags: CreateSessionFlags,
        /// Client to server.
        fore_chan_attrs: ChannelAttrs,
        /// Server to client.
        back_chan_attrs: ChannelAttrs,
        /// RPC program of callbacks.
        cb_program: u32,
        /// Ways to authenticate callbacks.
        sec_parms: Vec<CallbackSecParms<'a>> [limits::CALLBACK_SEC_PARMS],
    }

    /// CREATE_SESSION's result.
    #[derive(Copy)]
    pub struct CreateSessionOk {
        /// The session.
        sessionid: SessionId,
        /// As in the arguments.
        sequence: u32,
        /// What the session is.
        flags: CreateSessionFlags,
        /// Client to server.
        fore_chan_attrs: ChannelAttrs,
        /// Server to client.
        back_chan_attrs: ChannelAttrs,
    }

    /// BACKCHANNEL_CTL (RFC 8881 §18.33).
    pub struct BackchannelCtlArgs<'a> {
        /// RPC program of callbacks.
        cb_program: u32,
        /// Ways to authenticate callbacks.
        sec_parms: Vec<CallbackSecParms<'a>> [limits::CALLBACK_SEC_PARMS],
    }

    /// BIND_CONN_TO_SESSION (RFC 8881 §18.34).
    #[derive(Copy)]
    pub struct BindConnToSessionArgs {
        /// The session.
        sessid: SessionId,
        /// For which channels.
        dir: DirFromClient,
        /// Whether to switch to RDMA.
        use_conn_in_rdma_mode: bool,
    }

    /// BIND_CONN_TO_SESSION's result.
    #[derive(Copy)]
    pub struct BindConnToSessionOk {
        /// The session.
        sessid: SessionId,
        /// For which channels.
        dir: DirFromServer,
        /// Whether the connection is now RDMA.
        use_conn_in_rdma_mode: bool,
    }

    /// DESTROY_SESSION (RFC 8881 §18.37).
    #[derive(Copy)]
    pub struct DestroySessionArgs {
        /// The session.
        sessionid: SessionId,
    }

    /// DESTROY_CLIENTID (RFC 8881 §18.50).
    #[derive(Copy)]
    pub struct DestroyClientIdArgs {
        /// The client.
        clientid: ClientId,
    }

    /// SEQUENCE (RFC 8881 §18.46).
    #[derive(Copy)]
    pub struct SequenceArgs {
        /// The session.
        sessionid: SessionId,
        /// Counts the slot's requests.
        sequenceid: u32,
        /// The slot.
        slotid: u32,
        /// The highest slot in use.
        highest_slotid: u32,
        /// Whether the reply must be kept for a retry.
        cachethis: bool,
    }

    /// SEQUENCE's result.
    #[derive(Copy)]
    pub struct SequenceOk {
        /// The session.
        sessionid: SessionId,
        /// As in the arguments.
        sequenceid: u32,
        /// As in the arguments.
        slotid: u32,
        /// The highest slot the server accepts.
        highest_slotid: u32,
        /// The highest slot the server wants used.
        target_highest_slotid: u32,
        /// What the client must look after.
        status_flags: SequenceStatus,
    }

    /// SET_SSV (RFC 8881 §18.47).
    pub struct SetSsvArgs<'a> {
        /// Changes the secret.
        ssv: &'a [u8] [limits::GSS_BYTES],
        /// Proves knowledge of it.
        digest: &'a [u8] [limits::GSS_BYTES],
    }

    /// SET_SSV's result.
    pub struct SetSsvOk<'a> {
        /// Proves the server's knowledge of it.
        digest: &'a [u8] [limits::GSS_BYTES],
    }

    /// FREE_STATEID (RFC 8881 §18.38).
    #[derive(Copy)]
    pub struct FreeStateidArgs {
        /// The state.
        stateid: Stateid,
    }

    /// TEST_STATEID (RFC 8881 §18.48).
    pub struct TestStateidArgs {
        /// The states asked about.
        stateids: Vec<Stateid> [limits::STATEIDS],
    }

    /// TEST_STATEID's result.
    pub struct TestStateidOk {
        /// What using each would answer.
        status_codes: Vec<Status> [limits::STATEIDS],
    }

    /// RECLAIM_COMPLETE (RFC 8881 §18.51).
    #[derive(Copy)]
    pub struct ReclaimCompleteArgs {
        /// Whether only for the current handle's file system.
        one_fs: bool,
    }
}
