//! Who acts, for comparison: never a bare uid.

/// The identity behind a call. Records of clients, slots and opens remember it and compare it;
/// rights come from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Principal {
    /// AUTH_NONE.
    None,
    /// AUTH_SYS.
    Sys {
        /// Effective user id.
        uid: u32,
        /// Effective group id.
        gid: u32,
    },
}
