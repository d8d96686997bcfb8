//! Clients and sessions (RFC 8881 §18.34 to §18.37, §18.46, §18.50, §18.51).

use std::sync::Arc;

use holdfast_engine::server::{Clients, CreateSession, Created, ExchangeId, SessionTerms};
use holdfast_engine::session::{Admit, Offer, Request as SlotRequest};
use holdfast_proto::nfs4::{
    BindConnToSessionArgs, BindConnToSessionOk, ClientId, CreateSessionArgs, CreateSessionFlags,
    CreateSessionOk, DestroySessionArgs, DirFromServer, ExchangeIdArgs, ExchangeIdFlags,
    ExchangeIdOk, SequenceArgs, SequenceOk, SequenceStatus, ServerOwner, SsvParms,
    StateProtectArgs, StateProtectRes, Status,
};
use holdfast_proto::xdr::Encode;

use crate::counters::count;
use crate::ops::Flow;
use crate::request::Request;
use crate::state::{Session, SessionCell, SlotClaim};

/// EXCHANGE_ID.
pub(super) async fn exchange_id(rq: &mut Request, args: &ExchangeIdArgs<'_>) -> Result<(), Status> {
    // RFC 7862 §14.1 adds it.
    let since_minor_2 =
        if rq.minor < 2 { ExchangeIdFlags(0) } else { ExchangeIdFlags::SUPP_FENCE_OPS };
    let known = since_minor_2
        | ExchangeIdFlags::SUPP_MOVED_REFER
        | ExchangeIdFlags::SUPP_MOVED_MIGR
        | ExchangeIdFlags::BIND_PRINC_STATEID
        | ExchangeIdFlags::MASK_PNFS
        | ExchangeIdFlags::UPD_CONFIRMED_REC_A;
    if !known.contains(args.flags) {
        return Err(Status::INVAL);
    }
    match &args.state_protect {
        StateProtectArgs::None => {}
        // Only a caller that RPCSEC_GSS proves can have its state protected.
        StateProtectArgs::MachCred(_) => return Err(Status::INVAL),
        StateProtectArgs::Ssv(parms) => return Err(refuse_ssv(parms)),
    }
    let asked = ExchangeId {
        owner: args.clientowner.ownerid,
        verifier: args.clientowner.verifier,
        principal: rq.principal,
        update: args.flags.contains(ExchangeIdFlags::UPD_CONFIRMED_REC_A),
    };
    let state = &rq.server.state;
    let now = state.now();
    let held = |client| state.has_opens(client);
    let exchanged = state.with(state.clients(), |c| c.exchange_id(&asked, now, held)).await??;
    if let Some(dropped) = &exchanged.dropped {
        state.drop_client(dropped).await;
    }
    let mut flags = ExchangeIdFlags::USE_NON_PNFS;
    if exchanged.confirmed {
        flags |= ExchangeIdFlags::CONFIRMED_R;
    }
    let identity = rq.server.identity;
    let ok = ExchangeIdOk {
        clientid: exchanged.clientid,
        sequenceid: exchanged.sequence,
        flags,
        state_protect: StateProtectRes::None,
        server_owner: ServerOwner { minor_id: 0, major_id: &identity },
        server_scope: &identity,
        server_impl_id: None,
    };
    ok.encode(&mut rq.out);
    Ok(())
}

/// Why protection by a shared secret is not granted (RFC 8881 §18.35.3): the algorithms are looked
/// at in the order of the arguments.
fn refuse_ssv(parms: &SsvParms<'_>) -> Status {
    /// SHA-1, SHA-224, SHA-256, SHA-384, SHA-512: the object identifiers of RFC 8017 §B.1.
    const HASHES: [&[u8]; 5] = [
        &[0x2b, 0x0e, 0x03, 0x02, 0x1a],
        &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x04],
        &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01],
        &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02],
        &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03],
    ];
    if parms.hash_algs.is_empty() || parms.encr_algs.is_empty() || parms.window == 0 {
        return Status::INVAL;
    }
    let is_known = |oid: &&[u8]| {
        // Some clients send the whole of the DER encoding, with its tag and length.
        let value = if oid.first() == Some(&0x06) { oid.get(2..) } else { Some(*oid) };
        value.is_some_and(|value| HASHES.contains(&value))
    };
    if !parms.hash_algs.iter().any(is_known) {
        return Status::HASH_ALG_UNSUPP;
    }
    Status::ENCR_ALG_UNSUPP
}

/// CREATE_SESSION.
pub(super) async fn create_session(
    rq: &mut Request,
    args: &CreateSessionArgs<'_>,
) -> Result<(), Status> {
    let mut nonce = [0; 4];
    rq.server.state.world.random(&mut nonce);
    let asked = CreateSession {
        nonce,
        slots: rq.server.state.slot_memory.new_slots(),
        client: args.clientid,
        sequence: args.sequence,
        principal: rq.principal,
        terms: SessionTerms {
            flags: args.flags,
            fore: args.fore_chan_attrs,
            back: args.back_chan_attrs,
        },
    };
    let state = &rq.server.state;
    let (now, connection) = (state.now(), rq.connection.id);
    let created = state
        .with(state.clients(), |clients| {
            let created = clients.create_session(&asked, now, |ids| state.any_busy(ids))?;
            // Within this step, so that no one sees a client whose session is not there yet.
            let cell = match &created {
                Created::New { ok, replaced, .. } => {
                    let gone = replaced.iter().flat_map(|dropped| &dropped.sessions);
                    gone.for_each(|id| state.remove_session(id));
                    let (names, slots) =
                        ((ok.sessionid, asked.client), asked.terms.fore.maxrequests);
                    let memory = state.slot_memory.clone();
                    let cell = SessionCell::new(names, terms_of(ok), slots, memory, now);
                    let cell = Arc::new(cell);
                    state.add_session(cell.clone());
                    Some(cell)
                }
                Created::Again(_) => None,
            };
            Ok::<_, Status>((created, cell))
        })
        .await??;
    let (ok, replaced) = match created {
        (Created::Again(ok), _) => (ok, None),
        (Created::New { ok, confirmed, replaced }, cell) => {
            if confirmed {
                count(&state.counters.clients_confirmed);
            }
            if let Some(cell) = cell {
                let bind = |session: &mut Session| session.bind(connection, direction(ok.flags));
                if state.with(&cell.piece, bind).await? {
                    rq.connection.bound(cell);
                }
            }
            (ok, replaced)
        }
    };
    if let Some(replaced) = replaced {
        rq.server.state.drop_client(&replaced).await;
    }
    ok.encode(&mut rq.out);
    Ok(())
}

const fn terms_of(ok: &CreateSessionOk) -> SessionTerms {
    SessionTerms { flags: ok.flags, fore: ok.fore_chan_attrs, back: ok.back_chan_attrs }
}

const fn direction(flags: CreateSessionFlags) -> DirFromServer {
    if flags.contains(CreateSessionFlags::CONN_BACK_CHAN) {
        DirFromServer::BOTH
    } else {
        DirFromServer::FORE
    }
}

/// What became of a request that came under SEQUENCE.
enum Admitted {
    Execute(SlotClaim),
    Replay(Vec<u8>),
    Uncached,
}

/// SEQUENCE: the slot, the lease, the connection.
pub(super) async fn sequence(rq: &mut Request, args: &SequenceArgs) -> Result<Flow, Status> {
    const OK_BYTES: usize = 36;
    const RECORD_MARK: usize = 4;
    let cell = rq.server.state.session(&args.sessionid)?;
    let fore = cell.terms.fore;
    if rq.call_bytes > fore.maxrequestsize as usize {
        return Err(Status::REQ_TOO_BIG);
    }
    if rq.operations > fore.maxoperations {
        return Err(Status::TOO_MANY_OPS);
    }
    let most = if args.cachethis { fore.maxresponsesize_cached } else { fore.maxresponsesize };
    // The record's mark is no part of the reply (RFC 8881 §18.36.3).
    let most = RECORD_MARK + most as usize;
    rq.cache_this = args.cachethis;
    // A SEQUENCE that fails changes nothing of its slot (RFC 8881 §18.46.3).
    if rq.out.position() + OK_BYTES > most {
        return Err(rq.too_big());
    }
    let (admitted, offer) = admit(rq, &cell, args).await?;
    match admitted {
        Admitted::Execute(claim) => {
            if let Some(progress) = &rq.progress {
                progress.holds(&args.sessionid, args.slotid);
            }
            rq.slot = Some(claim);
        }
        Admitted::Uncached => count(&rq.server.state.counters.replays),
        Admitted::Replay(reply) => {
            count(&rq.server.state.counters.replays);
            rq.out.truncate(rq.start);
            rq.out.raw(&reply);
            return Ok(Flow::Replayed);
        }
    }
    rq.limit = most;
    let ok = SequenceOk {
        sessionid: args.sessionid,
        sequenceid: args.sequenceid,
        slotid: args.slotid,
        highest_slotid: offer.size - 1,
        target_highest_slotid: offer.target - 1,
        status_flags: SequenceStatus::empty(),
    };
    ok.encode(&mut rq.out);
    Ok(Flow::Next)
}

async fn admit(
    rq: &Request,
    cell: &Arc<SessionCell>,
    args: &SequenceArgs,
) -> Result<(Admitted, Offer), Status> {
    let request = SlotRequest {
        slot: args.slotid,
        seqid: args.sequenceid,
        highest_slot: args.highest_slotid,
        cache_this: args.cachethis,
        operations: rq.operations,
        principal: rq.principal,
    };
    let state = &rq.server.state;
    let (now, connection) = (state.now(), rq.connection.id);
    let step = |session: &mut Session| {
        if cell.is_dead() {
            return Err(Status::BADSESSION);
        }
        if state.is_stopping() {
            return Err(Status::DELAY);
        }
        let memory = session.memory();
        let admitted = match session.slots.admit(&request, memory)? {
            Admit::Execute(claim) => Admitted::Execute(SlotClaim::new(cell.clone(), claim)),
            Admit::Replay(reply) => Admitted::Replay(reply.to_vec()),
            Admit::Uncached => Admitted::Uncached,
            Admit::InProgress => return Err(Status::DELAY),
        };
        session.account();
        session.used = now;
        let newly_bound = session.bind(connection, DirFromServer::FORE);
        Ok((admitted, session.slots.offer(), newly_bound))
    };
    let (admitted, offer, newly_bound) = state.with(&cell.piece, step).await??;
    if newly_bound {
        rq.connection.bound(cell.clone());
    }
    Ok((admitted, offer))
}

/// DESTROY_SESSION.
pub(super) async fn destroy_session(
    rq: &mut Request,
    args: &DestroySessionArgs,
) -> Result<(), Status> {
    let state = &rq.server.state;
    let cell = state.session(&args.sessionid)?;
    let own = rq.slot.as_ref().is_some_and(|slot| slot.cell().id == cell.id);
    if own && !rq.is_last {
        return Err(Status::NOT_ONLY_OP);
    }
    let connection = rq.connection.id;
    let in_progress = u32::from(own);
    let step = |session: &mut Session| {
        if !session.is_bound(connection) {
            return Err(Status::CONN_NOT_BOUND_TO_SESSION);
        }
        if session.slots.busy() > in_progress {
            return Err(Status::DELAY);
        }
        cell.kill();
        Ok(())
    };
    state.with(&cell.piece, step).await??;
    state.remove_session(&cell.id);
    let now = state.now();
    state.with(state.clients(), |c| c.session_destroyed(cell.client, cell.id, now)).await
}

/// DESTROY_CLIENTID.
pub(super) async fn destroy_clientid(rq: &mut Request, client: ClientId) -> Result<(), Status> {
    let state = &rq.server.state;
    let destroy = |clients: &mut Clients| {
        // What a panic left does not keep a client from leaving.
        state.forget_dead_sessions_of(clients, client);
        clients.destroy(client, |client| state.has_opens(client))
    };
    let dropped = state.with(state.clients(), destroy).await??;
    state.drop_client(&dropped).await;
    Ok(())
}

/// BIND_CONN_TO_SESSION.
pub(super) async fn bind(rq: &mut Request, args: &BindConnToSessionArgs) -> Result<(), Status> {
    let state = &rq.server.state;
    let cell = state.session(&args.sessid)?;
    let connection = rq.connection.id;
    let step = |session: &mut Session| {
        if cell.is_dead() {
            return Err(Status::BADSESSION);
        }
        session.rebind(connection, args.dir)
    };
    let (dir, newly_bound) = state.with(&cell.piece, step).await??;
    if newly_bound {
        rq.connection.bound(cell);
    }
    let sessid = args.sessid;
    BindConnToSessionOk { sessid, dir, use_conn_in_rdma_mode: false }.encode(&mut rq.out);
    Ok(())
}

/// RECLAIM_COMPLETE. For one file system there is nothing to end: none moves here.
pub(super) async fn reclaim_complete(rq: &mut Request, one_fs: bool) -> Result<(), Status> {
    let client = rq.client()?;
    if one_fs {
        return rq.fh().map(drop);
    }
    rq.server.state.reclaim_complete(client).await
}
