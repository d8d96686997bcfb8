//! XDR (RFC 4506): a cursor over received bytes, a growing buffer for sent ones, and the tables
//! that tie values to both. It never allocates on the word of a length that the bytes at hand
//! cannot back.

mod macros;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use holdfast_base::InlineBytes;

pub(crate) use macros::{
    xdr_enum, xdr_field, xdr_first, xdr_flags, xdr_newtype, xdr_struct, xdr_union,
};
pub use reader::Reader;
pub(crate) use reader::padding;
pub use writer::Writer;

/// Longest opaque accepted where the protocol names no bound. It is borrowed in place, never
/// copied.
pub const MAX_OPAQUE: usize = 1 << 16;

/// The bytes are wrong: what a peer sent is not a value of the expected type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The bytes end inside the value.
    Short,
    /// An opaque is longer than this many bytes.
    TooLong {
        /// The largest length allowed, in bytes.
        limit: usize,
    },
    /// An array has more than this many items.
    TooMany {
        /// The largest count allowed, in items.
        limit: usize,
    },
    /// A boolean is neither 0 nor 1.
    BadBool(u32),
    /// A union has no arm for this discriminant.
    BadDiscriminant(u32),
    /// A file attribute of this unknown number, whose length therefore is unknown too.
    UnknownAttr(u32),
    /// Bytes are left after the value.
    Trailing,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => f.write_str("the bytes end inside a value"),
            Self::TooLong { limit } => write!(f, "an opaque is longer than {limit} bytes"),
            Self::TooMany { limit } => write!(f, "an array has more than {limit} items"),
            Self::BadBool(value) => write!(f, "{value} is not a boolean"),
            Self::BadDiscriminant(value) => write!(f, "a union has no arm {value}"),
            Self::UnknownAttr(number) => write!(f, "file attribute {number} is unknown"),
            Self::Trailing => f.write_str("bytes are left after the value"),
        }
    }
}

impl core::error::Error for DecodeError {}

/// A value that can be written as XDR.
pub trait Encode {
    /// Appends the value.
    fn encode(&self, w: &mut Writer);
}

/// A value that can be read from XDR, borrowing its opaques from the received bytes.
pub trait Decode<'a>: Sized {
    /// Takes one value off the front.
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError>;
}

/// A variable-length value whose bound the type does not know: XDR's `opaque<max>` and `T<max>`.
pub trait DecodeBounded<'a>: Sized {
    /// Takes one value of at most `max` bytes or items off the front.
    fn decode_bounded(r: &mut Reader<'a>, max: usize) -> Result<Self, DecodeError>;
}

macro_rules! primitive {
    ($($ty:ident)*) => {$(
        impl Encode for $ty {
            #[inline]
            fn encode(&self, w: &mut Writer) {
                w.$ty(*self);
            }
        }

        impl<'a> Decode<'a> for $ty {
            #[inline]
            fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
                r.$ty()
            }
        }
    )*};
}

primitive!(u32 u64 i32 i64 bool);

impl<const N: usize> Encode for [u8; N] {
    #[inline]
    fn encode(&self, w: &mut Writer) {
        w.fixed(self);
    }
}

impl<'a, const N: usize> Decode<'a> for [u8; N] {
    #[inline]
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        r.fixed::<N>()
    }
}

impl Encode for &[u8] {
    #[inline]
    fn encode(&self, w: &mut Writer) {
        w.opaque(self);
    }
}

impl<'a> Decode<'a> for &'a [u8] {
    #[inline]
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        r.opaque(MAX_OPAQUE)
    }
}

impl<'a> DecodeBounded<'a> for &'a [u8] {
    #[inline]
    fn decode_bounded(r: &mut Reader<'a>, max: usize) -> Result<Self, DecodeError> {
        r.opaque(max)
    }
}

impl<const N: usize> Encode for InlineBytes<N> {
    #[inline]
    fn encode(&self, w: &mut Writer) {
        w.opaque(self.as_slice());
    }
}

impl<'a, const N: usize> Decode<'a> for InlineBytes<N> {
    #[inline]
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Self::new(r.opaque(N)?).map_err(|_| DecodeError::TooLong { limit: N })
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, w: &mut Writer) {
        w.u32(self.len() as u32);
        self.iter().for_each(|item| item.encode(w));
    }
}

impl<'a, T: Decode<'a>> DecodeBounded<'a> for Vec<T> {
    fn decode_bounded(r: &mut Reader<'a>, max: usize) -> Result<Self, DecodeError> {
        let count = r.count(max, 4)?;
        let mut items = Self::with_capacity(count);
        for _ in 0..count {
            items.push(T::decode(r)?);
        }
        Ok(items)
    }
}

/// Both XDR's `T *` and its `T<1>`: the two look the same on the wire.
impl<T: Encode> Encode for Option<T> {
    fn encode(&self, w: &mut Writer) {
        w.bool(self.is_some());
        if let Some(value) = self {
            value.encode(w);
        }
    }
}

impl<'a, T: Decode<'a>> Decode<'a> for Option<T> {
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        if r.bool()? { Ok(Some(T::decode(r)?)) } else { Ok(None) }
    }
}

impl<T: Encode> Encode for Box<T> {
    fn encode(&self, w: &mut Writer) {
        (**self).encode(w);
    }
}

impl<'a, T: Decode<'a>> Decode<'a> for Box<T> {
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        T::decode(r).map(Self::new)
    }
}
