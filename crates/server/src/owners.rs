//! Owners that a client gives as `name@domain` (RFC 8881 §5.9).

use holdfast_proto::nfs4::{AttrValue, Bitmap, Fattr, Status, attr};
use holdfast_vfs::offload;

use crate::exports::Fh;
use crate::request::Request;
use crate::status;

/// Which numbers the users and groups have that a client names. What it is asked is UTF-8 with an
/// `@`, as it came: it says itself which domains it knows. It may block.
pub trait Owners: Send + Sync {
    /// The number of a user; none: there is no such user here.
    fn user(&self, who: &str) -> Option<u32>;

    /// The number of a group; none: there is no such group here.
    fn group(&self, who: &str) -> Option<u32>;
}

/// The numbers of those that some attributes name.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Resolved {
    pub(crate) user: Option<u32>,
    pub(crate) group: Option<u32>,
}

const OWNERS: Bitmap = Bitmap::of(&[attr::OWNER, attr::OWNER_GROUP]);

/// Looks up the names of owners in attributes to set, where the export has somebody to ask.
///
/// # Errors
/// `DELAY`, `IO`: nobody could be asked.
pub(crate) async fn resolve(rq: &Request, fh: &Fh, fattr: &Fattr<'_>) -> Result<Resolved, Status> {
    let mut resolved = Resolved::default();
    if fattr.mask.intersect(&OWNERS).is_empty() {
        return Ok(resolved);
    }
    let Some(owners) = &rq.export(fh).owners else { return Ok(resolved) };
    let (mut user, mut group) = (None, None);
    for (_, value) in fattr.iter().flatten() {
        if let AttrValue::Owner(who) = value {
            user = name(who);
        } else if let AttrValue::OwnerGroup(who) = value {
            group = name(who);
        }
    }
    if user.is_none() && group.is_none() {
        return Ok(resolved);
    }
    let owners = owners.clone();
    let asking = offload(&*rq.server.state.world, move || {
        resolved.user = user.and_then(|who| owners.user(&who));
        resolved.group = group.and_then(|who| owners.group(&who));
        Ok(resolved)
    });
    asking.await.map_err(status::of)
}

fn name(who: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(who).ok()?;
    text.contains('@').then(|| text.to_owned())
}
