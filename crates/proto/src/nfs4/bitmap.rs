//! `bitmap4`: a set of small numbers, kept in place.

use core::fmt;

use super::limits;
use crate::xdr::{Decode, DecodeError, Encode, Reader, Writer};

const BITS: u32 = (limits::BITMAP_WORDS * 32) as u32;

/// A set of numbers below 256: attributes, operations, notification types.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bitmap {
    words: [u32; limits::BITMAP_WORDS],
}

impl Bitmap {
    /// No number.
    pub const EMPTY: Self = Self { words: [0; limits::BITMAP_WORDS] };

    /// The set of these numbers; those above 255 are left out.
    pub const fn of(numbers: &[u32]) -> Self {
        let mut set = Self::EMPTY;
        let mut i = 0;
        while i < numbers.len() {
            if numbers[i] < BITS {
                set.words[(numbers[i] / 32) as usize] |= 1 << (numbers[i] % 32);
            }
            i += 1;
        }
        set
    }

    /// Whether `number` is in the set.
    #[inline]
    pub const fn contains(&self, number: u32) -> bool {
        number < BITS && self.words[(number / 32) as usize] >> (number % 32) & 1 == 1
    }

    /// Adds `number`; one above 255 is left out.
    #[inline]
    pub const fn insert(&mut self, number: u32) {
        if number < BITS {
            self.words[(number / 32) as usize] |= 1 << (number % 32);
        }
    }

    /// Takes `number` out.
    #[inline]
    pub const fn remove(&mut self, number: u32) {
        if number < BITS {
            self.words[(number / 32) as usize] &= !(1 << (number % 32));
        }
    }

    /// What is in both sets.
    #[must_use]
    pub const fn intersect(&self, other: &Self) -> Self {
        let mut set = *self;
        let mut i = 0;
        while i < limits::BITMAP_WORDS {
            set.words[i] &= other.words[i];
            i += 1;
        }
        set
    }

    /// What is in either set.
    #[must_use]
    pub const fn union(&self, other: &Self) -> Self {
        let mut set = *self;
        let mut i = 0;
        while i < limits::BITMAP_WORDS {
            set.words[i] |= other.words[i];
            i += 1;
        }
        set
    }

    /// What is in this set and not in `other`.
    #[must_use]
    pub const fn without(&self, other: &Self) -> Self {
        let mut set = *self;
        let mut i = 0;
        while i < limits::BITMAP_WORDS {
            set.words[i] &= !other.words[i];
            i += 1;
        }
        set
    }

    /// Whether all of this set is in `other`.
    pub const fn is_subset(&self, other: &Self) -> bool {
        self.without(other).is_empty()
    }

    /// Whether the set has no number.
    pub const fn is_empty(&self) -> bool {
        self.word_count() == 0
    }

    /// The numbers, ascending.
    pub const fn iter(&self) -> BitmapIter {
        BitmapIter { left: *self, word: 0 }
    }

    /// The 32 bits of word `index`, zero past the end.
    pub fn word(&self, index: usize) -> u32 {
        self.words.get(index).copied().unwrap_or(0)
    }

    /// How many words the shortest encoding has.
    pub const fn word_count(&self) -> usize {
        let mut count = limits::BITMAP_WORDS;
        while count > 0 && self.words[count - 1] == 0 {
            count -= 1;
        }
        count
    }
}

impl FromIterator<u32> for Bitmap {
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Self {
        numbers.into_iter().fold(Self::EMPTY, |mut set, number| {
            set.insert(number);
            set
        })
    }
}

impl fmt::Debug for Bitmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl Encode for Bitmap {
    #[inline]
    fn encode(&self, w: &mut Writer) {
        let count = self.word_count();
        w.u32(count as u32);
        self.words.iter().take(count).for_each(|word| w.u32(*word));
    }
}

impl<'a> Decode<'a> for Bitmap {
    #[inline]
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let count = r.count(limits::BITMAP_WORDS, 4)?;
        let mut set = Self::EMPTY;
        for word in set.words.iter_mut().take(count) {
            *word = r.u32()?;
        }
        Ok(set)
    }
}

/// The numbers of a [`Bitmap`], ascending.
#[derive(Clone, Debug)]
pub struct BitmapIter {
    left: Bitmap,
    word: usize,
}

impl Iterator for BitmapIter {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        loop {
            let word = self.left.words.get_mut(self.word)?;
            if *word != 0 {
                let bit = word.trailing_zeros();
                *word &= *word - 1;
                return Some(self.word as u32 * 32 + bit);
            }
            self.word += 1;
        }
    }
}
