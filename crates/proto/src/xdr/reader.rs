//! The cursor over received bytes.

use super::DecodeError;

/// Takes XDR values off the front of a slice; opaques are borrowed in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader<'a> {
    rest: &'a [u8],
    total: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, total: bytes.len() }
    }

    /// An unsigned 32-bit integer.
    #[inline]
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.chunk().map(u32::from_be_bytes)
    }

    /// An unsigned hyper.
    #[inline]
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        self.chunk().map(u64::from_be_bytes)
    }

    /// A signed 32-bit integer.
    #[inline]
    pub fn i32(&mut self) -> Result<i32, DecodeError> {
        self.chunk().map(i32::from_be_bytes)
    }

    /// A hyper.
    #[inline]
    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        self.chunk().map(i64::from_be_bytes)
    }

    /// A boolean: 0 or 1, nothing else.
    #[inline]
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        match self.u32()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(DecodeError::BadBool(other)),
        }
    }

    /// A variable-length opaque of at most `max` bytes. What the padding holds is not looked at.
    #[inline]
    pub fn opaque(&mut self, max: usize) -> Result<&'a [u8], DecodeError> {
        let len = self.u32()? as usize;
        if len > max {
            return Err(DecodeError::TooLong { limit: max });
        }
        let bytes = self.take(len)?;
        self.take(padding(len))?;
        Ok(bytes)
    }

    /// `N` bytes and their padding.
    #[inline]
    pub fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let bytes = self.chunk()?;
        self.take(padding(N))?;
        Ok(bytes)
    }

    /// An array's length. It is refused above `max`, and when the bytes left cannot hold that many
    /// items of at least `min_item_bytes` each, so that the caller may allocate for it.
    pub fn count(&mut self, max: usize, min_item_bytes: usize) -> Result<usize, DecodeError> {
        let count = self.u32()? as usize;
        if count > max {
            return Err(DecodeError::TooMany { limit: max });
        }
        if count > self.rest.len() / min_item_bytes.max(1) {
            return Err(DecodeError::Short);
        }
        Ok(count)
    }

    /// How many bytes are left.
    #[inline]
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The bytes left.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// How many bytes have been taken.
    pub const fn position(&self) -> usize {
        self.total - self.rest.len()
    }

    /// Takes `len` bytes without padding.
    #[inline]
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(DecodeError::Short)?;
        self.rest = rest;
        Ok(head)
    }

    /// Refuses bytes left over.
    pub const fn finish(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::Trailing) }
    }

    #[inline]
    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(DecodeError::Short)?;
        self.rest = rest;
        Ok(*head)
    }
}

/// How many bytes bring `len` to a multiple of four.
#[inline]
pub(crate) const fn padding(len: usize) -> usize {
    len.wrapping_neg() & 3
}
