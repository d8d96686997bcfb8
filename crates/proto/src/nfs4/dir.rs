//! READDIR. A server writes entries one by one with [`begin`], [`entry`] and [`end`]; a client
//! walks them with [`ReadDirOk::iter`]. The linked list of the RFC is never a list here.

use super::attrs::Fattr;
use super::bitmap::Bitmap;
use super::limits;
use super::types::Verifier;
use crate::xdr::{Decode, DecodeError, Encode, Reader, Writer, xdr_struct};

xdr_struct! {
    /// READDIR (RFC 8881 §18.23).
    #[derive(Copy)]
    pub struct ReadDirArgs {
        /// Where to go on; zero means from the start.
        cookie: u64,
        /// The verifier that came with the cookie.
        cookieverf: Verifier,
        /// Bytes of names and cookies wanted; a hint.
        dircount: u32,
        /// Bytes the whole result may have.
        maxcount: u32,
        /// Attributes wanted of each entry.
        attr_request: Bitmap,
    }

    /// `entry4` without its link to the next.
    #[derive(Copy)]
    pub struct Entry<'a> {
        /// Where to go on after this entry.
        cookie: u64,
        /// The name.
        name: &'a [u8] [limits::COMPONENT],
        /// The attributes.
        attrs: Fattr<'a>,
    }
}

/// READDIR's result; decoding has walked all entries once, so that they are known to be
/// well-formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadDirOk<'a> {
    /// To be sent along with cookies.
    pub cookieverf: Verifier,
    /// Whether the directory ends here.
    pub eof: bool,
    /// The entries as XDR, each with the TRUE before it.
    entries: &'a [u8],
}

impl<'a> ReadDirOk<'a> {
    /// The entries, in order.
    pub const fn iter(&self) -> Entries<'a> {
        Entries { r: Reader::new(self.entries) }
    }
}

impl Encode for ReadDirOk<'_> {
    fn encode(&self, w: &mut Writer) {
        begin(w, self.cookieverf);
        w.raw(self.entries);
        end(w, self.eof);
    }
}

impl<'a> Decode<'a> for ReadDirOk<'a> {
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let cookieverf = Verifier::decode(r)?;
        let all = r.rest();
        let start = r.position();
        let mut len = 0;
        while r.bool()? {
            Entry::decode(r)?;
            len = r.position() - start;
        }
        let entries = all.get(..len).ok_or(DecodeError::Short)?;
        Ok(Self { cookieverf, eof: r.bool()?, entries })
    }
}

/// The entries of a [`ReadDirOk`].
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    r: Reader<'a>,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        if self.r.bool().ok()? { Entry::decode(&mut self.r).ok() } else { None }
    }
}

/// Starts a READDIR result.
pub fn begin(w: &mut Writer, cookieverf: Verifier) {
    cookieverf.encode(w);
}

/// Writes one entry; `attrs` writes its `fattr4`.
pub fn entry<R>(
    w: &mut Writer,
    cookie: u64,
    name: &[u8],
    attrs: impl FnOnce(&mut Writer) -> R,
) -> R {
    w.bool(true);
    w.u64(cookie);
    w.opaque(name);
    attrs(w)
}

/// Ends a READDIR result.
pub fn end(w: &mut Writer, eof: bool) {
    w.bool(false);
    w.bool(eof);
}

/// How many bytes [`end`] writes.
pub const END_BYTES: usize = 8;
