//! Credentials (RFC 5531 §8.2, §14; RFC 9289 §4.1 for the AUTH_TLS flavor).

use super::message::AuthStat;
use crate::xdr::{Reader, Writer};

/// The most groups an AUTH_SYS credential carries (RFC 5531 §14).
pub const GIDS_MAX: usize = 16;

/// The largest body of a credential or verifier, in bytes (RFC 5531 §8.2).
pub(super) const BODY_MAX: usize = 400;

const MACHINE_NAME_MAX: usize = 255;

/// The number of an authentication flavor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flavor(pub u32);

impl Flavor {
    /// No authentication.
    pub const NONE: Self = Self(0);
    /// The caller's word for uid, gid and groups.
    pub const SYS: Self = Self(1);
    /// A server-made shorthand; never handed out here.
    pub const SHORT: Self = Self(2);
    /// RPCSEC_GSS (RFC 2203).
    pub const GSS: Self = Self(6);
    /// The question whether the server speaks TLS (RFC 9289 §4.1).
    pub const TLS: Self = Self(7);
}

/// An AUTH_SYS credential (RFC 5531 §14), without stamp and machine name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthSys {
    /// Effective user id.
    pub uid: u32,
    /// Effective group id.
    pub gid: u32,
    len: u8,
    gids: [u32; GIDS_MAX],
}

impl AuthSys {
    /// A credential; `None` when there are more than [`GIDS_MAX`] groups.
    pub fn new(uid: u32, gid: u32, gids: &[u32]) -> Option<Self> {
        let mut sys = Self { uid, gid, len: gids.len() as u8, gids: [0; GIDS_MAX] };
        sys.gids.get_mut(..gids.len())?.copy_from_slice(gids);
        Some(sys)
    }

    /// The supplementary groups.
    pub fn gids(&self) -> &[u32] {
        &self.gids[..usize::from(self.len)]
    }

    fn decode(body: &[u8]) -> Option<Self> {
        let mut r = Reader::new(body);
        let _stamp = r.u32().ok()?;
        let _machine = r.opaque(MACHINE_NAME_MAX).ok()?;
        let (uid, gid) = (r.u32().ok()?, r.u32().ok()?);
        let mut sys = Self { uid, gid, len: 0, gids: [0; GIDS_MAX] };
        let count = r.count(GIDS_MAX, 4).ok()?;
        for place in &mut sys.gids[..count] {
            *place = r.u32().ok()?;
        }
        sys.len = count as u8;
        Some(sys)
    }
}

/// Who a call says it is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    /// Nobody.
    None,
    /// AUTH_SYS.
    Sys(AuthSys),
}

impl Credential {
    pub(super) fn decode(flavor: Flavor, body: &[u8]) -> Result<Self, AuthStat> {
        match flavor {
            Flavor::NONE if body.is_empty() => Ok(Self::None),
            Flavor::SYS => AuthSys::decode(body).map(Self::Sys).ok_or(AuthStat::BADCRED),
            Flavor::SHORT => Err(AuthStat::REJECTEDCRED),
            _ => Err(AuthStat::BADCRED),
        }
    }

    /// Writes the credential as an `opaque_auth`.
    pub fn encode(&self, machine: &[u8], w: &mut Writer) {
        match self {
            Self::None => {
                w.u32(Flavor::NONE.0);
                w.u32(0);
            }
            Self::Sys(sys) => {
                w.u32(Flavor::SYS.0);
                let len = w.reserve_u32();
                let start = w.position();
                w.u32(0);
                w.opaque(&machine[..machine.len().min(MACHINE_NAME_MAX)]);
                w.u32(sys.uid);
                w.u32(sys.gid);
                w.u32(u32::from(sys.len));
                sys.gids().iter().for_each(|gid| w.u32(*gid));
                w.patch_u32(len, (w.position() - start) as u32);
            }
        }
    }
}
