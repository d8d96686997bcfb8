//! Calls and replies as bytes.

use holdfast_proto::nfs4::{self, CompoundArgs, CompoundRes, Op, OpBody, OpNum, OpResult, Status};
use holdfast_proto::rpc::{AuthSys, CallHeader, Credential, finish_record, write_call_header};
use holdfast_proto::xdr::{Encode, Reader, Writer};

/// Marks the first supplementary group of a simulated request.
pub const TAG_MARK: u32 = 0x51_0000;

/// Names a request wherever its credential goes: two supplementary groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag {
    /// The client.
    pub client: u32,
    /// Counts the client's requests.
    pub number: u32,
}

impl Tag {
    /// As groups.
    pub const fn groups(self) -> [u32; 2] {
        [TAG_MARK | self.client, self.number]
    }

    /// From groups.
    pub const fn of(groups: &[u32]) -> Option<Self> {
        match groups {
            [mark, number] if *mark & 0xffff_0000 == TAG_MARK => {
                Some(Self { client: *mark & 0xffff, number: *number })
            }
            _ => None,
        }
    }
}

/// A whole COMPOUND call as a record.
pub fn call(xid: u32, tag: Tag, minor: u32, ops: &[Op<'_>]) -> Vec<u8> {
    let mut w = Writer::default();
    let id = 1000 + tag.client;
    let sys = AuthSys::new(id, id, &tag.groups());
    let cred = sys.map_or(Credential::None, Credential::Sys);
    let (prog, vers, proc) = (nfs4::PROGRAM, nfs4::VERSION, nfs4::PROC_COMPOUND);
    write_call_header(&mut w, &CallHeader { xid, prog, vers, proc, cred }, b"sim");
    let count_at = CompoundArgs::begin(&mut w, b"", minor);
    ops.iter().for_each(|op| op.encode(&mut w));
    w.patch_u32(count_at, ops.len() as u32);
    finish_record(&mut w, 0);
    w.into_inner()
}

/// A NULL call with its record mark.
pub fn null() -> Vec<u8> {
    let mut w = Writer::default();
    let (prog, vers, proc, cred) =
        (nfs4::PROGRAM, nfs4::VERSION, nfs4::PROC_NULL, Credential::None);
    write_call_header(&mut w, &CallHeader { xid: 1, prog, vers, proc, cred }, b"sim");
    finish_record(&mut w, 0);
    w.into_inner()
}

/// The xid of a reply record without its mark; `None`: it is no reply.
pub fn xid(record: &[u8]) -> Option<u32> {
    record.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes))
}

/// A reply to a COMPOUND.
#[derive(Clone, Debug)]
pub struct Reply {
    record: Vec<u8>,
    /// The generation of the instance that it came from.
    pub generation: u64,
}

/// Bytes of the header of an accepted reply, without its record mark.
const HEADER: usize = holdfast_proto::rpc::REPLY_HEADER_BYTES - 4;

impl Reply {
    /// The reply in a record, if it says that the call was executed.
    ///
    /// # Errors
    /// What it says instead.
    pub fn new(record: Vec<u8>, generation: u64) -> Result<Self, String> {
        let mut r = Reader::new(&record);
        let mut words = [0; HEADER / 4];
        for word in &mut words {
            *word = r.u32().map_err(|error| format!("reply header: {error}"))?;
        }
        let [_xid, 1, 0, 0, 0, 0] = words else {
            return Err(format!("reply header {words:?}"));
        };
        CompoundRes::decode(r).map_err(|error| format!("reply: {error}"))?;
        Ok(Self { record, generation })
    }

    /// The results that can be decoded.
    pub fn results(&self) -> Vec<OpResult<'_>> {
        let body = self.record.get(HEADER..).unwrap_or_default();
        let Ok(mut res) = CompoundRes::decode(Reader::new(body)) else { return Vec::new() };
        let mut results = Vec::new();
        while let Some(Ok(result)) = res.next_result() {
            results.push(result);
        }
        results
    }

    /// Whether a record says that the server failed in the middle of the call.
    pub fn is_system_error(record: &[u8]) -> bool {
        record.get(HEADER - 4..HEADER) == Some(&[0, 0, 0, 5])
    }

    /// The status of the compound.
    pub fn status(&self) -> Status {
        let body = self.record.get(HEADER..).unwrap_or_default();
        CompoundRes::decode(Reader::new(body)).map_or(Status::BADXDR, |res| res.status)
    }

    /// The status of the first operation of a kind; the compound's where it was not reached.
    pub fn status_of(&self, num: OpNum) -> Status {
        let found = self.results().iter().find(|result| result.num == num).map(|r| r.status);
        found.unwrap_or_else(|| self.status())
    }

    /// Takes something out of the body of the first operation of a kind.
    pub fn find<T>(&self, num: OpNum, take: impl FnOnce(&OpBody<'_>) -> Option<T>) -> Option<T> {
        let results = self.results();
        let result = results.iter().find(|result| result.num == num)?;
        take(&result.body)
    }

    /// The bytes, for the digest.
    pub fn bytes(&self) -> &[u8] {
        &self.record
    }
}
