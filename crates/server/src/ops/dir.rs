//! CREATE (RFC 8881 §18.4), and GET_DIR_DELEGATION's refusal (§18.39).

use holdfast_proto::nfs4::{CreateArgs, CreateType, Status};
use holdfast_proto::xdr::Encode;
use holdfast_vfs::NewNode;

use crate::attrs::decode;
use crate::exports::Fh;
use crate::ops::names;
use crate::request::{Request, check_name};
use crate::{owners, status};

const GDD_UNAVAIL: u32 = 1;

/// CREATE: anything but a regular file.
pub(super) async fn create(rq: &mut Request, args: &CreateArgs<'_>) -> Result<(), Status> {
    let dir = rq.fh()?;
    let kind = kind(&args.objtype)?;
    let name = check_name(args.objname)?;
    let named = owners::resolve(rq, &dir, &args.createattrs).await?;
    let attrs = decode::settable(&args.createattrs, &decode::CREATE, rq.minor, named)?;
    let cred = rq.cred(&dir);
    let fs = &rq.writable(&dir)?.fs;
    let made = fs.make_node(&cred, &dir.node, name, kind, &attrs.set).await;
    let (node, changed) = made.map_err(status::of)?;
    names::change(&changed).encode(&mut rq.out);
    attrs.mask.encode(&mut rq.out);
    rq.set_fh(Fh { node, ..dir });
    Ok(())
}

fn kind<'a>(asked: &CreateType<'a>) -> Result<NewNode<'a>, Status> {
    Ok(match asked {
        CreateType::Directory => NewNode::Directory,
        CreateType::Link([]) => return Err(Status::INVAL),
        CreateType::Link(text) if text.contains(&0) => return Err(Status::INVAL),
        CreateType::Link(text) if text.len() > 4095 => return Err(Status::NAMETOOLONG),
        CreateType::Link(text) => NewNode::Symlink(text),
        CreateType::Block(dev) => NewNode::Block(dev.major, dev.minor),
        CreateType::Char(dev) => NewNode::Character(dev.major, dev.minor),
        CreateType::Fifo => NewNode::Fifo,
        CreateType::Socket => NewNode::Socket,
        CreateType::Other(_) => return Err(Status::BADTYPE),
    })
}

/// GET_DIR_DELEGATION: never available. An error would end the client's compound.
pub(super) fn no_delegation(rq: &mut Request) -> Result<(), Status> {
    rq.out.u32(GDD_UNAVAIL);
    rq.out.bool(false);
    Ok(())
}
