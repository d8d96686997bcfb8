//! The buffer that grows with every value written. Writing cannot fail.

use alloc::vec::Vec;

use super::reader::padding;

/// Appends XDR values to a byte vector it owns.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    buf: Vec<u8>,
}

impl Writer {
    /// Appends to what `buf` already holds; positions count from its first byte.
    pub const fn new(buf: Vec<u8>) -> Self {
        Self { buf }
    }

    /// The bytes written, and the vector's allocation with them.
    pub fn into_inner(self) -> Vec<u8> {
        self.buf
    }

    /// How many bytes there are.
    #[inline]
    pub const fn len(&self) -> usize {
        self.buf.len()
    }

    /// Whether nothing is written yet.
    pub const fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }

    /// Where the next value goes, in bytes from the start.
    #[inline]
    pub const fn position(&self) -> usize {
        self.buf.len()
    }

    /// Forgets everything written at `position` and after it.
    pub fn truncate(&mut self, position: usize) {
        self.buf.truncate(position);
    }

    /// An unsigned 32-bit integer.
    #[inline]
    pub fn u32(&mut self, value: u32) {
        self.buf.extend_from_slice(&value.to_be_bytes());
    }

    /// An unsigned hyper.
    #[inline]
    pub fn u64(&mut self, value: u64) {
        self.buf.extend_from_slice(&value.to_be_bytes());
    }

    /// A signed 32-bit integer.
    #[inline]
    pub fn i32(&mut self, value: i32) {
        self.buf.extend_from_slice(&value.to_be_bytes());
    }

    /// A hyper.
    #[inline]
    pub fn i64(&mut self, value: i64) {
        self.buf.extend_from_slice(&value.to_be_bytes());
    }

    /// A boolean.
    #[inline]
    pub fn bool(&mut self, value: bool) {
        self.u32(u32::from(value));
    }

    /// A variable-length opaque: length, bytes, padding.
    #[inline]
    pub fn opaque(&mut self, bytes: &[u8]) {
        self.u32(bytes.len() as u32);
        self.fixed(bytes);
    }

    /// A fixed-length opaque: bytes and padding.
    #[inline]
    pub fn fixed(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
        self.pad(bytes.len());
    }

    /// Bytes that are XDR already.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
    }

    /// Overwrites the word at byte `at`.
    ///
    /// # Panics
    /// When no whole word was written there, which is the caller's mistake: `at` comes from
    /// [`Writer::reserve_u32`], never from a peer.
    pub fn patch_u32(&mut self, at: usize, value: u32) {
        self.buf[at..at + 4].copy_from_slice(&value.to_be_bytes());
    }

    /// Leaves room for a word and says where, for [`Writer::patch_u32`].
    pub fn reserve_u32(&mut self) -> usize {
        let at = self.buf.len();
        self.u32(0);
        at
    }

    /// Appends `len` zero bytes and their padding, and gives the bytes to be filled in place.
    pub fn padded_tail(&mut self, len: usize) -> &mut [u8] {
        let start = self.buf.len();
        self.buf.resize(start + len + padding(len), 0);
        &mut self.buf[start..start + len]
    }

    /// Appends the zero bytes that complete an item of `len` bytes.
    #[inline]
    pub fn pad(&mut self, len: usize) {
        const ZEROS: [u8; 4] = [0; 4];
        self.buf.extend_from_slice(&ZEROS[..padding(len)]);
    }

    /// The vector itself.
    pub const fn buf_mut(&mut self) -> &mut Vec<u8> {
        &mut self.buf
    }

    /// The bytes written.
    pub fn bytes(&self) -> &[u8] {
        &self.buf
    }
}
