//! Extended attributes by compounds.

use holdfast_proto::nfs4::{Op, OpBody};
use holdfast_vfs::{ChangeInfo, Cred, Error, Handle, Result, XattrHow};

use super::convert::{change, checked_name};
use super::{Answer, SessionFs};
use crate::support::ops;

/// Bytes of one listing: so few that a longer one takes several.
const LISTING: u32 = 300;

pub(super) fn get(fs: &SessionFs, cred: &Cred, node: &Handle, name: &[u8]) -> Result<Vec<u8>> {
    let answer = run(fs, cred, node, name, ops::getxattr(name))?;
    let OpBody::GetXattr(ok) = answer.last_ok() else { return Err(Error::Io) };
    Ok(ok.value.to_vec())
}

pub(super) fn set(
    fs: &SessionFs,
    cred: &Cred,
    node: &Handle,
    (name, value): (&[u8], &[u8]),
    how: XattrHow,
) -> Result<ChangeInfo> {
    let answer = run(fs, cred, node, name, ops::setxattr(name, value, how as u32))?;
    let OpBody::SetXattr(ok) = answer.last_ok() else { return Err(Error::Io) };
    Ok(change(&ok.info))
}

pub(super) fn list(fs: &SessionFs, cred: &Cred, node: &Handle) -> Result<Vec<Vec<u8>>> {
    let (mut names, mut cookie) = (Vec::new(), 0);
    loop {
        let answer = run(fs, cred, node, b"-", ops::listxattrs(cookie, LISTING))?;
        let OpBody::ListXattrs(ok) = answer.last_ok() else { return Err(Error::Io) };
        names.extend(ok.names.iter().map(|name| name.to_vec()));
        cookie = ok.cookie;
        if ok.eof {
            return Ok(names);
        }
    }
}

pub(super) fn remove(
    fs: &SessionFs,
    cred: &Cred,
    node: &Handle,
    name: &[u8],
) -> Result<ChangeInfo> {
    let answer = run(fs, cred, node, name, ops::removexattr(name))?;
    let OpBody::RemoveXattr(ok) = answer.last_ok() else { return Err(Error::Io) };
    Ok(change(&ok.info))
}

/// Runs one operation on an object. That a name has NUL in it is said in two ways.
fn run(fs: &SessionFs, cred: &Cred, node: &Handle, name: &[u8], op: Op<'_>) -> Result<Answer> {
    if !fs.properties.xattrs {
        return Err(Error::NotSupported);
    }
    let name = if name.contains(&0) { b"" } else { name };
    let answer = fs.wire.client().run_as(cred, &[ops::put(node.as_slice()), op]);
    checked_name(answer, &[name])
}
