//! READDIR (RFC 8881 §18.23).

use holdfast_proto::nfs4::{Bitmap, ReadDirArgs, Status, Verifier, attr, dir};
use holdfast_proto::xdr::Writer;
use holdfast_vfs::{DirEntry, DirSink, Properties, Space, Want};

use crate::attrs::{self, Source};
use crate::exports::{Export, Fh};
use crate::ops::attr::write_in_full;
use crate::request::Request;
use crate::status;

/// Cookies stay good for as long as the directory: there is nothing to verify.
const COOKIE_VERIFIER: Verifier = Verifier([0; 8]);

/// Bytes of a listing without entries.
const LEAST_BYTES: usize = size_of::<Verifier>() + dir::END_BYTES;

/// READDIR.
pub(super) async fn readdir(rq: &mut Request, args: &ReadDirArgs) -> Result<(), Status> {
    let fh = rq.fh()?;
    attrs::askable(&args.attr_request, rq.minor)?;
    if matches!(args.cookie, 1 | 2) {
        return Err(Status::BAD_COOKIE);
    }
    if args.cookie != 0 && args.cookieverf != COOKIE_VERIFIER {
        return Err(Status::NOT_SAME);
    }
    if (args.maxcount as usize) < LEAST_BYTES {
        return Err(Status::TOOSMALL);
    }
    let room = (args.maxcount as usize).min(rq.room());
    let limit = rq.out.position() + room;
    if rq.server.exports.pseudo_of(&fh).is_some() {
        return readdir_above(rq, &fh, args, limit).await;
    }
    let export = rq.server.exports.get(&fh);
    let cred = rq.cred(&fh);
    let space = if attrs::needs_space(&args.attr_request) {
        Some(export.fs.space(&cred, &fh.node).await.map_err(status::of)?)
    } else {
        None
    };
    dir::begin(&mut rq.out, COOKIE_VERIFIER);
    let mut sink = Listing {
        limit,
        w: &mut rq.out,
        exports: &rq.server.exports,
        export,
        properties: export.fs.properties_of(&fh.node),
        space,
        want: args.attr_request,
        give: attrs::given(&args.attr_request, rq.minor),
        dir_room: dir_room(args.dircount),
        lease_s: rq.server.lease_s(),
        minor: rq.minor,
        entries: 0,
        failed: None,
    };
    let want = Want {
        attr: !args.attr_request.is_empty(),
        handle: args.attr_request.contains(attr::FILEHANDLE),
    };
    let listed = export.fs.readdir(&cred, &fh.node, args.cookie, room, want, &mut sink).await;
    let (entries, failed) = (sink.entries, sink.failed);
    let end = listed.map_err(status::of)?;
    if let Some(status) = failed {
        return Err(status);
    }
    if entries == 0 && !end.eof {
        return Err(Status::TOOSMALL);
    }
    dir::end(&mut rq.out, end.eof);
    Ok(())
}

/// `dircount` bounds cookies and names; zero means that it does not (RFC 8881 §18.23.3).
const fn dir_room(dircount: u32) -> usize {
    if dircount == 0 { usize::MAX } else { dircount as usize }
}

/// Bytes of an entry that `dircount` bounds.
const fn dir_bytes(name: &[u8]) -> usize {
    const COOKIE_AND_LENGTH: usize = 12;
    COOKIE_AND_LENGTH + name.len().next_multiple_of(4)
}

/// Writes entries straight into the reply.
struct Listing<'a> {
    w: &'a mut Writer,
    limit: usize,
    exports: &'a crate::exports::Exports,
    export: &'a Export,
    properties: Properties,
    space: Option<Space>,
    want: Bitmap,
    /// What of that there is.
    give: Bitmap,
    dir_room: usize,
    lease_s: u32,
    minor: u32,
    entries: usize,
    failed: Option<Status>,
}

impl DirSink for Listing<'_> {
    fn entry(&mut self, entry: &DirEntry<'_>) -> bool {
        let dir_bytes = dir_bytes(entry.name);
        if self.entries > 0 && dir_bytes > self.dir_room {
            return false;
        }
        let start = self.w.position();
        if let Err(status) = self.write(entry) {
            self.failed = Some(status);
            return false;
        }
        if self.w.position() + dir::END_BYTES > self.limit {
            self.w.truncate(start);
            return false;
        }
        self.dir_room = self.dir_room.saturating_sub(dir_bytes);
        self.entries += 1;
        true
    }
}

impl Listing<'_> {
    fn write(&mut self, entry: &DirEntry<'_>) -> Result<(), Status> {
        let node = entry.handle.as_ref();
        let handle = node.map(|node| self.exports.handle_of(self.export, node));
        let attr = match entry.attr {
            Some(Err(error)) if !self.want.contains(attr::RDATTR_ERROR) => {
                return Err(status::of(error));
            }
            other => other,
        };
        let (give, export, space) = (&self.give, self.export, self.space.as_ref());
        let is_elsewhere = matches!(attr, Some(Ok(attr)) if attr.mounted_on.is_some());
        let (properties, space) = match entry.handle {
            // Its space would have to be asked for, which a listing cannot wait for.
            Some(node) if is_elsewhere => (&export.fs.properties_of(&node), None),
            _ => (&self.properties, space),
        };
        let (lease_s, minor) = (self.lease_s, self.minor);
        dir::entry(self.w, entry.cookie, entry.name, |w| match attr {
            Some(Ok(attr)) => {
                let source = Source {
                    attr: &attr,
                    export,
                    properties,
                    handle: handle.as_ref(),
                    space,
                    mounted_on: None,
                    lease_s,
                    minor,
                };
                attrs::encode_given(w, give, &source);
            }
            Some(Err(error)) => attrs::encode_error(w, status::of(error)),
            None => {
                holdfast_proto::nfs4::encode_fattr(w, &[]);
            }
        });
        Ok(())
    }
}

/// An entry of the tree above the exports.
struct Above {
    name: Vec<u8>,
    cookie: u64,
    fh: Fh,
}

#[derive(Default)]
struct Collect(Vec<(Vec<u8>, u64, holdfast_vfs::Handle)>);

impl DirSink for Collect {
    fn entry(&mut self, entry: &DirEntry<'_>) -> bool {
        let Some(handle) = entry.handle else { return true };
        self.0.push((entry.name.to_vec(), entry.cookie, handle));
        true
    }
}

/// Lists a directory above the exports: an entry on which an export is mounted shows the
/// export's root (RFC 8881 §7.3).
async fn readdir_above(
    rq: &mut Request,
    fh: &Fh,
    args: &ReadDirArgs,
    limit: usize,
) -> Result<(), Status> {
    let cred = rq.cred(fh);
    let mut collected = Collect::default();
    let want = Want { attr: false, handle: true };
    let fs = &rq.export(fh).fs;
    let listed = fs.readdir(&cred, &fh.node, args.cookie, usize::MAX, want, &mut collected).await;
    listed.map_err(status::of)?;
    let to_above = |(name, cookie, node)| Above { name, cookie, fh: Fh { node, ..*fh } };
    let entries: Vec<_> = collected.0.into_iter().map(to_above).collect();

    let mut out = std::mem::take(&mut rq.out);
    dir::begin(&mut out, COOKIE_VERIFIER);
    let written = write_all_above(rq, &mut out, &entries, args, limit).await;
    rq.out = out;
    let written = written?;
    if written == 0 && !entries.is_empty() {
        return Err(Status::TOOSMALL);
    }
    dir::end(&mut rq.out, written == entries.len());
    Ok(())
}

/// Writes as many entries as there is room for; answers how many.
async fn write_all_above(
    rq: &Request,
    out: &mut Writer,
    entries: &[Above],
    args: &ReadDirArgs,
    limit: usize,
) -> Result<usize, Status> {
    let mut room = dir_room(args.dircount);
    for (written, entry) in entries.iter().enumerate() {
        let (start, dir_bytes) = (out.position(), dir_bytes(&entry.name));
        if written > 0 && dir_bytes > room {
            return Ok(written);
        }
        write_above(rq, out, entry, &args.attr_request).await?;
        if out.position() + dir::END_BYTES > limit {
            out.truncate(start);
            return Ok(written);
        }
        room = room.saturating_sub(dir_bytes);
    }
    Ok(entries.len())
}

async fn write_above(
    rq: &Request,
    out: &mut Writer,
    entry: &Above,
    want: &Bitmap,
) -> Result<(), Status> {
    let target = rq.server.exports.cross(entry.fh);
    let mut fattr = Writer::default();
    let written = match rq.attr(&target).await {
        Ok(attr) => write_in_full(rq, &mut fattr, &target, &attr, want).await,
        Err(status) => Err(status),
    };
    if let Err(status) = written {
        if !want.contains(attr::RDATTR_ERROR) {
            return Err(status);
        }
        fattr.truncate(0);
        attrs::encode_error(&mut fattr, status);
    }
    dir::entry(out, entry.cookie, &entry.name, |w| w.raw(fattr.bytes()));
    Ok(())
}
