//! Short opaque bytes held in place: file handles are copied often and must not allocate.

use core::fmt;
use core::hash::{Hash, Hasher};

/// Up to `N` bytes (at most 255), stored inline and compared by content.
#[derive(Clone, Copy)]
pub struct InlineBytes<const N: usize> {
    len: u8,
    bytes: [u8; N],
}

/// The bytes do not fit an [`InlineBytes`] of this size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl<const N: usize> InlineBytes<N> {
    const FITS_U8: () = assert!(N <= 255);

    /// No bytes.
    pub const fn empty() -> Self {
        let () = Self::FITS_U8;
        Self { len: 0, bytes: [0; N] }
    }

    /// A copy of `bytes`.
    pub fn new(bytes: &[u8]) -> Result<Self, TooLong> {
        let mut inline = Self::empty();
        inline.push(bytes)?;
        Ok(inline)
    }

    /// Appends `more`, or changes nothing when it does not fit.
    pub fn push(&mut self, more: &[u8]) -> Result<(), TooLong> {
        let start = usize::from(self.len);
        let room = self.bytes.get_mut(start..start + more.len()).ok_or(TooLong)?;
        room.copy_from_slice(more);
        self.len += more.len() as u8;
        Ok(())
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// How many bytes there are.
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<const N: usize> Default for InlineBytes<N> {
    fn default() -> Self {
        Self::empty()
    }
}

impl<const N: usize> PartialEq for InlineBytes<N> {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl<const N: usize> Eq for InlineBytes<N> {}

impl<const N: usize> PartialOrd for InlineBytes<N> {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<const N: usize> Ord for InlineBytes<N> {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}

impl<const N: usize> Hash for InlineBytes<N> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

impl<const N: usize> fmt::Debug for InlineBytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_fits_and_refuses_the_rest() {
        let mut bytes = InlineBytes::<4>::new(b"ab").unwrap();
        assert_eq!(bytes.push(b"cde"), Err(TooLong));
        assert_eq!(bytes.as_slice(), b"ab");
        bytes.push(b"cd").unwrap();
        assert_eq!(bytes.as_slice(), b"abcd");
        assert_eq!(InlineBytes::<4>::new(b"abcde"), Err(TooLong));
    }

    #[test]
    fn equality_ignores_unused_room() {
        let mut first = InlineBytes::<4>::new(b"abcd").unwrap();
        first = InlineBytes::new(&first.as_slice()[..1]).unwrap();
        assert_eq!(first, InlineBytes::new(b"a").unwrap());
    }
}
