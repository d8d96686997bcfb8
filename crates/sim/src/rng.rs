//! Chance from a seed: SplitMix64. Streams are split off, so that one part's draws do not shift
//! another's.

/// A stream of numbers that follows from its seed.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The stream of a seed.
    pub const fn new(seed: u64) -> Self {
        Self(mix(seed ^ 0x5851_f42d_4c95_7f2d))
    }

    /// A stream of its own, named by `part`.
    #[must_use]
    pub const fn split(&self, part: u64) -> Self {
        Self(mix(self.0 ^ mix(part.wrapping_add(0xa076_1d64_78bd_642f))))
    }

    /// The next number.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `end`; 0 when that is 0.
    pub const fn below(&mut self, end: u64) -> u64 {
        let wide = self.next() as u128 * end as u128;
        (wide >> 64) as u64
    }

    /// An index into something with `len` items.
    pub const fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// A number from `low` to `high`, both included.
    pub const fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True `permille` times in a thousand.
    pub const fn chance(&mut self, permille: u32) -> bool {
        self.below(1000) < permille as u64
    }

    /// One of the items.
    ///
    /// # Panics
    /// When there is none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.index(items.len())]
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(8) {
            let word = self.next().to_le_bytes();
            part.copy_from_slice(&word[..part.len()]);
        }
    }
}

/// Spreads every bit over all bits (the finalizer of SplitMix64).
pub const fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_has_one_stream_and_its_parts_have_others() {
        let (mut a, mut b) = (Rng::new(1), Rng::new(1));
        assert_eq!(a.next(), b.next());
        let (mut c, mut d) = (a.split(1), a.split(2));
        assert_ne!(c.next(), d.next());
        let numbers: Vec<_> = (0..1000).map(|_| a.between(3, 5)).collect();
        assert!(numbers.iter().all(|n| (3..=5).contains(n)));
        assert!([3, 4, 5].iter().all(|n| numbers.contains(n)));
    }
}
