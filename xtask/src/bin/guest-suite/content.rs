//! Bytes and numbers that look random and are the same in every run.

/// A small generator of numbers (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).expect("sizes fit 64 bits");
        usize::try_from(self.next() % limit).expect("it is below a usize")
    }

    /// The next `len` bytes.
    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            bytes.extend_from_slice(&self.next().to_le_bytes());
        }
        bytes.truncate(len);
        bytes
    }
}

/// A checksum that also depends on the order of what it is fed (FNV-1a over words).
#[derive(Clone, Debug)]
pub(crate) struct Checksum(u64);

impl Checksum {
    pub(crate) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 = (self.0 ^ u64::from_le_bytes(word)).wrapping_mul(0x0100_0000_01b3);
            self.0 ^= self.0 >> 29;
        }
    }

    pub(crate) fn value(&self) -> u64 {
        self.0
    }
}

/// The checksum of some bytes.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    let mut checksum = Checksum::new();
    checksum.feed(bytes);
    checksum.value()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_repeats_and_a_checksum_sees_order() {
        let bytes = Random::new(7).bytes(1001);
        assert_eq!(bytes.len(), 1001);
        assert_eq!(bytes, Random::new(7).bytes(1001));
        let (front, back) = bytes.split_at(504);
        let mut pieces = Checksum::new();
        pieces.feed(front);
        pieces.feed(back);
        assert_eq!(pieces.value(), checksum(&bytes));
        assert_ne!(checksum(&[back, front].concat()), checksum(&bytes));
    }
}
