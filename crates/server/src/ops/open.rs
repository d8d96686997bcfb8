//! OPEN, OPEN_DOWNGRADE, CLOSE (RFC 8881 §18.16, §18.18, §18.2).

use holdfast_engine::server::Share;
use holdfast_proto::nfs4::{
    Bitmap, ChangeInfo, CloseArgs, CreateHow, NoDelegation, OpenArgs, OpenClaim, OpenDelegation,
    OpenDowngradeArgs, OpenDowngradeOk, OpenHow, OpenOk, OpenResultFlags, ShareAccess, ShareDeny,
    Stateid, Status, WhyNoDelegation, attr,
};
use holdfast_proto::xdr::Encode;
use holdfast_vfs::{File, OpenMode, SetAttr};

use crate::attrs::decode;
use crate::exports::Fh;
use crate::ops::{lookup, names};
use crate::owners::Resolved;
use crate::request::{Request, check_name};
use crate::state::{MakerGuard, OpenFiles, OpenRequest, State};
use crate::{owners, status};

/// What was found or made, before any state says that it is open.
struct Target {
    fh: Fh,
    file: File,
    change: ChangeInfo,
    attrset: Bitmap,
    /// The file existed and is to be emptied.
    truncate: bool,
}

/// OPEN.
pub(super) async fn open(rq: &mut Request, args: &OpenArgs<'_>) -> Result<(), Status> {
    let client = rq.client()?;
    let (access, deny) = shares(args.share_access, args.share_deny)?;
    check_claim(rq, args).await?;
    let server = rq.server.clone();
    let making = making(rq, &server.state, args).await?;
    let target = target(rq, args, access).await?;
    if let OpenClaim::Null(name) = args.claim
        && making.is_none()
    {
        let dir = rq.fh()?;
        server.state.check_made(|| rq.key(&dir), name).await?;
    }
    let (key, principal) = (rq.key(&target.fh), rq.principal);
    let request = OpenRequest { client, owner: args.owner.owner, access, deny };
    let guard = server.state.begin_open(key, request).await;
    let guard = guard.map_err(|status| conflict(args, status))?;
    drop(making);
    if target.truncate {
        truncate(rq, &target).await?;
    }
    let stateid = guard.commit(OpenFiles::new(&target.file, access, principal)).await?;
    rq.set_fh(target.fh);
    rq.current_stateid = Some(stateid);
    let ok = OpenOk {
        stateid,
        cinfo: target.change,
        rflags: OpenResultFlags::LOCKTYPE_POSIX,
        attrset: target.attrset,
        delegation: no_delegation(args.share_access),
    };
    ok.encode(&mut rq.out);
    Ok(())
}

fn shares(wanted: ShareAccess, deny: ShareDeny) -> Result<(Share, Share), Status> {
    let access = wanted.access();
    let known = ShareAccess::BOTH
        | ShareAccess::WANT_DELEG_MASK
        | ShareAccess::WANT_SIGNAL_DELEG_WHEN_RESRC_AVAIL
        | ShareAccess::WANT_PUSH_DELEG_WHEN_UNCONTENDED
        | ShareAccess::WANT_DELEG_TIMESTAMPS
        | ShareAccess::WANT_OPEN_XOR_DELEGATION;
    if access.0 == 0 || !known.contains(wanted) || !ShareDeny::BOTH.contains(deny) {
        return Err(Status::INVAL);
    }
    let share = |bits: u32| Share { read: bits & 1 != 0, write: bits & 2 != 0 };
    Ok((share(access.0), share(deny.0)))
}

/// Keeps others from a file until it is made and opened, where a retry would find it in its way.
async fn making<'a>(
    rq: &Request,
    state: &'a State,
    args: &OpenArgs<'_>,
) -> Result<Option<MakerGuard<'a>>, Status> {
    let (OpenClaim::Null(name), OpenHow::Create(CreateHow::Guarded(_))) =
        (&args.claim, &args.openhow)
    else {
        return Ok(None);
    };
    let dir = rq.key(&rq.fh()?);
    state.begin_making(rq.client()?, dir, name).await.map(Some)
}

/// What to say of an open that others are in the way of.
const fn conflict(args: &OpenArgs<'_>, status: Status) -> Status {
    match (&args.claim, status) {
        (OpenClaim::Previous(_), Status::SHARE_DENIED) => Status::RECLAIM_CONFLICT,
        _ => status,
    }
}

/// Whether the client may make this claim now.
async fn check_claim(rq: &Request, args: &OpenArgs<'_>) -> Result<(), Status> {
    let client = rq.client()?;
    match &args.claim {
        OpenClaim::Null(_) | OpenClaim::Fh => rq.server.state.check_new_open(client).await,
        OpenClaim::Previous(_) => rq.server.state.check_reclaim(client).await,
        // No delegation was ever given.
        OpenClaim::DelegateCur(_) | OpenClaim::DelegCurFh(_) => Err(Status::BAD_STATEID),
        OpenClaim::DelegatePrev(_) | OpenClaim::DelegPrevFh => Err(Status::NOTSUPP),
    }
}

/// Finds, makes and opens the file.
async fn target(rq: &Request, args: &OpenArgs<'_>, access: Share) -> Result<Target, Status> {
    let mode = OpenMode { read: access.read, write: access.write };
    let at = rq.fh()?;
    match (&args.claim, &args.openhow) {
        (OpenClaim::Null(name), OpenHow::Create(how)) => create(rq, &at, name, how, mode).await,
        (OpenClaim::Null(name), OpenHow::NoCreate) => existing(rq, &at, name, mode).await,
        (claim, OpenHow::NoCreate) => {
            // What was open before a restart is open again, whatever the mode became.
            let reclaim = matches!(claim, OpenClaim::Previous(_));
            let file = open_file(rq, &at, mode, reclaim).await?;
            Ok(Target::existing(at, file, ChangeInfo { atomic: true, before: 0, after: 0 }))
        }
        (_, OpenHow::Create(_)) => Err(Status::INVAL),
    }
}

impl Target {
    const fn existing(fh: Fh, file: File, change: ChangeInfo) -> Self {
        Self { fh, file, change, attrset: Bitmap::EMPTY, truncate: false }
    }
}

/// Opens the file of a name, which must exist.
async fn existing(rq: &Request, dir: &Fh, name: &[u8], mode: OpenMode) -> Result<Target, Status> {
    let fh = lookup::find(rq, dir, name).await?;
    let file = open_file(rq, &fh, mode, false).await?;
    let change = rq.attr(dir).await?.change;
    Ok(Target::existing(fh, file, ChangeInfo { atomic: true, before: change, after: change }))
}

async fn open_file(
    rq: &Request,
    fh: &Fh,
    mode: OpenMode,
    owner_override: bool,
) -> Result<File, Status> {
    let export = if mode.write { rq.writable(fh)? } else { rq.export(fh) };
    let cred = rq.cred(fh);
    export.fs.open(&cred, &fh.node, mode, owner_override).await.map_err(status::of)
}

/// Makes the file of a name, or opens it where `how` allows that it exists.
async fn create(
    rq: &Request,
    dir: &Fh,
    name: &[u8],
    how: &CreateHow<'_>,
    mode: OpenMode,
) -> Result<Target, Status> {
    let name = check_name(name)?;
    let named = match how {
        CreateHow::Unchecked(attrs) | CreateHow::Guarded(attrs) => {
            owners::resolve(rq, dir, attrs).await?
        }
        CreateHow::Exclusive41(with) => owners::resolve(rq, dir, &with.attrs).await?,
        CreateHow::Exclusive(_) => Resolved::default(),
    };
    let (how, attrset, truncate) = create_how(how, rq.minor, named)?;
    let Ok(export) = rq.writable(dir) else {
        return create_read_only(rq, dir, name, mode, truncate).await;
    };
    let cred = rq.cred(dir);
    let is_exclusive = matches!(how, holdfast_vfs::CreateHow::Exclusive { .. });
    let made = export.fs.create(&cred, &dir.node, name, &how, mode).await;
    let made = made.map_err(status::of)?;
    let fh = Fh { node: made.node, ..*dir };
    Ok(Target {
        fh,
        file: made.file,
        change: names::change(&made.change),
        // A retry must learn as well that the times hold the verifier.
        attrset: match (made.created || is_exclusive, truncate) {
            (true, _) => attrset,
            (false, true) => Bitmap::of(&[attr::SIZE]),
            (false, false) => Bitmap::EMPTY,
        },
        truncate: truncate && !made.created,
    })
}

/// Where nothing can be made, a file that exists can still be opened for reading.
async fn create_read_only(
    rq: &Request,
    dir: &Fh,
    name: &[u8],
    mode: OpenMode,
    truncate: bool,
) -> Result<Target, Status> {
    if truncate {
        return Err(Status::ROFS);
    }
    existing(rq, dir, name, mode).await.map_err(|status| match status {
        Status::NOENT => Status::ROFS,
        other => other,
    })
}

/// How to make a file, which attributes that sets, and whether a file that exists is emptied:
/// that must wait until the open is granted, so it is taken out of the attributes.
fn create_how(
    how: &CreateHow<'_>,
    minor: u32,
    named: Resolved,
) -> Result<(holdfast_vfs::CreateHow, Bitmap, bool), Status> {
    let verifier_bits = decode::CREATE.without(&decode::EXCLUSIVE_CREATE);
    Ok(match how {
        CreateHow::Unchecked(attrs) => {
            let mut attrs = decode::settable(attrs, &decode::OPEN, minor, named)?;
            let truncate = attrs.set.size == Some(0);
            if truncate {
                attrs.set.size = None;
            }
            (holdfast_vfs::CreateHow::Unchecked(attrs.set), attrs.mask, truncate)
        }
        CreateHow::Guarded(attrs) => {
            let attrs = decode::settable(attrs, &decode::OPEN, minor, named)?;
            (holdfast_vfs::CreateHow::Guarded(attrs.set), attrs.mask, false)
        }
        CreateHow::Exclusive(verifier) => {
            let attrs = SetAttr::default();
            let how = holdfast_vfs::CreateHow::Exclusive { verifier: verifier.0, attrs };
            (how, verifier_bits, false)
        }
        CreateHow::Exclusive41(with) => {
            let attrs = decode::settable(&with.attrs, &decode::EXCLUSIVE_CREATE, minor, named)?;
            let (verifier, set) = (with.verf.0, attrs.set);
            let how = holdfast_vfs::CreateHow::Exclusive { verifier, attrs: set };
            (how, attrs.mask.union(&verifier_bits), false)
        }
    })
}

async fn truncate(rq: &Request, target: &Target) -> Result<(), Status> {
    let export = rq.writable(&target.fh)?;
    let cred = rq.cred(&target.fh);
    let empty = SetAttr { size: Some(0), ..SetAttr::default() };
    let set = export.fs.setattr(&cred, &target.fh.node, None, &empty).await;
    set.map_err(status::of)
}

/// No delegation, and why, to a client that said what it wants (RFC 8881 §18.16.3).
fn no_delegation(access: ShareAccess) -> OpenDelegation<'static> {
    match access.want() {
        ShareAccess::WANT_NO_PREFERENCE => OpenDelegation::None,
        ShareAccess::WANT_NO_DELEG => {
            OpenDelegation::NoneExt(NoDelegation::Why(WhyNoDelegation::NOT_WANTED))
        }
        ShareAccess::WANT_CANCEL => {
            OpenDelegation::NoneExt(NoDelegation::Why(WhyNoDelegation::CANCELLED))
        }
        _ => OpenDelegation::NoneExt(NoDelegation::Resource(false)),
    }
}

/// OPEN_DOWNGRADE. What it wants of delegations is of no account.
pub(super) async fn downgrade(rq: &mut Request, args: &OpenDowngradeArgs) -> Result<(), Status> {
    let fh = rq.fh()?;
    let shares = shares(args.share_access, args.share_deny)?;
    let stateid = rq.exact_stateid(&args.open_stateid)?;
    let (client, key) = (rq.client()?, rq.key(&fh));
    let open_stateid = rq.server.state.downgrade(client, &key, &stateid, shares).await?;
    rq.current_stateid = Some(open_stateid);
    OpenDowngradeOk { open_stateid }.encode(&mut rq.out);
    Ok(())
}

/// CLOSE.
pub(super) async fn close(rq: &mut Request, args: &CloseArgs) -> Result<(), Status> {
    let fh = rq.fh()?;
    let stateid = rq.exact_stateid(&args.open_stateid)?;
    let (client, key) = (rq.client()?, rq.key(&fh));
    rq.server.state.close(client, &key, &stateid).await?;
    rq.current_stateid = None;
    Stateid::INVALID.encode(&mut rq.out);
    Ok(())
}
