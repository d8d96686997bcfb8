//! Clients and sessions (RFC 8881 §18.34 to §18.37, §18.46, §18.50, §18.51).

use std::sync::Arc;

use holdfast_engine::server::{Clients, CreateSession, Created, ExchangeId, SessionTerms};
use holdfast_engine::session::{Admit, Request as SlotRequest};
use holdfast_proto::nfs4::{
    BindConnToSessionArgs, BindConnToSessionOk, ClientId, CreateSessionArgs, CreateSessionFlags,
    CreateSessionOk, DestroySessionArgs, DirFromClient, DirFromServer, ExchangeIdArgs,
    ExchangeIdFlags, ExchangeIdOk, SequenceArgs, SequenceOk, SequenceStatus, ServerOwner,
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
    match args.state_protect {
        StateProtectArgs::None => {}
        // Only a caller that RPCSEC_GSS proves can have its state protected.
        StateProtectArgs::MachCred(_) => return Err(Status::INVAL),
        StateProtectArgs::Ssv(_) => return Err(Status::ENCR_ALG_UNSUPP),
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

/// CREATE_SESSION.
pub(super) async fn create_session(
    rq: &mut Request,
    args: &CreateSessionArgs<'_>,
) -> Result<(), Status> {
    let mut nonce = [0; 4];
    rq.server.state.world.random(&mut nonce);
    let asked = CreateSession {
        nonce,
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
                Created::New { ok, replaced } => {
                    let gone = replaced.iter().flat_map(|dropped| &dropped.sessions);
                    gone.for_each(|id| state.remove_session(id));
                    let cell =
                        Arc::new(SessionCell::new(ok.sessionid, asked.client, terms_of(ok), now));
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
        (Created::New { ok, replaced }, cell) => {
            if let Some(cell) = cell {
                bind_connection(rq, &cell, connection, direction(ok.flags))?;
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

fn bind_connection(
    rq: &Request,
    cell: &Arc<SessionCell>,
    connection: u64,
    dir: DirFromServer,
) -> Result<(), Status> {
    let bound = cell.piece.enter(|session| session.bind(connection, dir));
    if bound.map_err(|_poisoned| Status::SERVERFAULT)?? {
        rq.connection.bound(cell.clone());
    }
    Ok(())
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
    let cell = rq.server.state.session(&args.sessionid)?;
    let fore = cell.terms.fore;
    if rq.call_bytes > fore.maxrequestsize as usize {
        return Err(Status::REQ_TOO_BIG);
    }
    if rq.operations > fore.maxoperations {
        return Err(Status::TOO_MANY_OPS);
    }
    let most = if args.cachethis { fore.maxresponsesize_cached } else { fore.maxresponsesize };
    let most = most as usize;
    rq.cache_this = args.cachethis;
    // A SEQUENCE that fails changes nothing of its slot (RFC 8881 §18.46.3).
    if rq.out.position() + OK_BYTES > most {
        return Err(rq.too_big());
    }
    match admit(rq, &cell, args).await? {
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
    let highest_slot = fore.maxrequests - 1;
    let ok = SequenceOk {
        sessionid: args.sessionid,
        sequenceid: args.sequenceid,
        slotid: args.slotid,
        highest_slotid: highest_slot,
        target_highest_slotid: highest_slot,
        status_flags: SequenceStatus::empty(),
    };
    ok.encode(&mut rq.out);
    Ok(Flow::Next)
}

async fn admit(
    rq: &Request,
    cell: &Arc<SessionCell>,
    args: &SequenceArgs,
) -> Result<Admitted, Status> {
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
        // A SEQUENCE that is refused leaves nothing behind, and one that runs must not fail here.
        session.check_bind(connection)?;
        let admitted = match session.slots.admit(&request)? {
            Admit::Execute(claim) => Admitted::Execute(SlotClaim::new(cell.clone(), claim)),
            Admit::Replay(reply) => Admitted::Replay(reply.to_vec()),
            Admit::Uncached => Admitted::Uncached,
            Admit::InProgress => return Err(Status::DELAY),
        };
        session.used = now;
        let newly_bound = session.bind(connection, DirFromServer::FORE)?;
        Ok((admitted, newly_bound))
    };
    let (admitted, newly_bound) = state.with(&cell.piece, step).await??;
    if newly_bound {
        rq.connection.bound(cell.clone());
    }
    Ok(admitted)
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
pub(super) fn bind(rq: &mut Request, args: &BindConnToSessionArgs) -> Result<(), Status> {
    let cell = rq.server.state.session(&args.sessid)?;
    if cell.is_dead() {
        return Err(Status::BADSESSION);
    }
    let dir = match args.dir {
        DirFromClient::FORE => DirFromServer::FORE,
        DirFromClient::BACK => DirFromServer::BACK,
        DirFromClient::FORE_OR_BOTH | DirFromClient::BACK_OR_BOTH => DirFromServer::BOTH,
        _ => return Err(Status::INVAL),
    };
    bind_connection(rq, &cell, rq.connection.id, dir)?;
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
