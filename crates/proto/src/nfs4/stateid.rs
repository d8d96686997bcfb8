//! `stateid4` and its special values.

use crate::xdr::xdr_struct;

xdr_struct! {
    /// What an open, a lock, a delegation or a layout is called (RFC 8881 §3.3.12).
    #[derive(Copy, PartialOrd, Ord, Hash, Default)]
    pub struct Stateid {
        /// Counts the changes of the state; zero means the newest, where that is allowed.
        seqid: u32,
        /// Names the state; opaque to the client.
        other: [u8; 12],
    }
}

/// Special values (RFC 8881 §8.2.3).
impl Stateid {
    /// All zeros: no state, share reservations are respected.
    pub const ANONYMOUS: Self = Self { seqid: 0, other: [0; 12] };
    /// All ones: no state, READ passes by share reservations.
    pub const READ_BYPASS: Self = Self { seqid: u32::MAX, other: [0xff; 12] };
    /// The current state id of the compound.
    pub const CURRENT: Self = Self { seqid: 1, other: [0; 12] };
    /// Never valid.
    pub const INVALID: Self = Self { seqid: u32::MAX, other: [0; 12] };

    /// Whether `other` is one of the reserved patterns, so that no state can have this name.
    pub fn is_special(&self) -> bool {
        self.other == [0; 12] || self.other == [0xff; 12]
    }
}
