//! Who is asking: the credential of a call as an identity to compare and as rights to use.

use holdfast_engine::Principal;
use holdfast_proto::rpc::Credential;
use holdfast_vfs::{Cred, Groups};

/// The uid and gid of nobody.
pub(crate) const NOBODY: u32 = 65_534;

/// The identity behind a credential.
pub(crate) const fn of(credential: &Credential) -> Principal {
    match credential {
        Credential::None => Principal::None,
        Credential::Sys(sys) => Principal::Sys { uid: sys.uid, gid: sys.gid },
    }
}

/// The rights a credential claims, before any export squashes them.
pub(crate) fn rights(credential: &Credential) -> Cred {
    match credential {
        Credential::None => Cred { uid: NOBODY, gid: NOBODY, groups: Groups::NONE },
        Credential::Sys(sys) => {
            Cred { uid: sys.uid, gid: sys.gid, groups: Groups::new(sys.gids()) }
        }
    }
}
