//! A hasher whose seed a peer cannot know: no table can be flooded with colliding keys.

use core::hash::BuildHasher;

use siphasher::sip::SipHasher13;

/// The secret of a table's hasher.
#[derive(Clone, Copy, Debug)]
pub struct Seed(u64, u64);

impl Seed {
    /// A seed of 16 unpredictable bytes.
    pub const fn new(bytes: [u8; 16]) -> Self {
        let whole = u128::from_le_bytes(bytes);
        Self(whole as u64, (whole >> 64) as u64)
    }
}

impl BuildHasher for Seed {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, self.1)
    }
}
