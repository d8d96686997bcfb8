//! Sparse files and advice: ALLOCATE, DEALLOCATE, SEEK, READ_PLUS, WRITE_SAME, IO_ADVISE (RFC 7862
//! §5 to §8).

use alloc::vec::Vec;

use super::bitmap::Bitmap;
use super::limits;
use super::stateid::Stateid;
use super::types::{StableHow, WriteResponse};
use crate::xdr::{xdr_enum, xdr_struct, xdr_union};

xdr_enum! {
    /// `data_content4`.
    pub struct DataContent {
        DATA = 0,
        HOLE = 1,
    }

    /// `IO_ADVISE_type4`: bit numbers of the hints.
    pub struct IoAdvice {
        NORMAL = 0,
        SEQUENTIAL = 1,
        SEQUENTIAL_BACKWARDS = 2,
        RANDOM = 3,
        WILLNEED = 4,
        WILLNEED_OPPORTUNISTIC = 5,
        DONTNEED = 6,
        NOREUSE = 7,
        READ = 8,
        WRITE = 9,
        INIT_PROXIMITY = 10,
    }
}

xdr_union! {
    /// `read_plus_content`. Another kind of content has a length nobody knows, so it is an error.
    #[derive(Copy)]
    pub enum ReadPlusContent<'a> switch DataContent {
        /// Data.
        Data(ReadPlusData<'a>) = DATA,
        /// Zeros that are not stored.
        Hole(ReadPlusHole) = HOLE,
    }
}

xdr_struct! {
    /// ALLOCATE: reserves space (RFC 7862 §15.1).
    #[derive(Copy)]
    pub struct AllocateArgs {
        /// Under which open.
        stateid: Stateid,
        /// First byte.
        offset: u64,
        /// Bytes.
        length: u64,
    }

    /// DEALLOCATE: punches a hole (RFC 7862 §15.4).
    #[derive(Copy)]
    pub struct DeallocateArgs {
        /// Under which open.
        stateid: Stateid,
        /// First byte.
        offset: u64,
        /// Bytes.
        length: u64,
    }

    /// IO_ADVISE (RFC 7862 §15.5).
    #[derive(Copy)]
    pub struct IoAdviseArgs {
        /// Under which open.
        stateid: Stateid,
        /// First byte.
        offset: u64,
        /// Bytes; zero means to the end.
        count: u64,
        /// Set of [`IoAdvice`] numbers.
        hints: Bitmap,
    }

    /// IO_ADVISE's result.
    #[derive(Copy)]
    pub struct IoAdviseOk {
        /// Hints the server will follow.
        hints: Bitmap,
    }

    /// READ_PLUS (RFC 7862 §15.10).
    #[derive(Copy)]
    pub struct ReadPlusArgs {
        /// Under which open, lock or delegation.
        stateid: Stateid,
        /// First byte.
        offset: u64,
        /// Bytes at most.
        count: u32,
    }

    /// `data4`.
    #[derive(Copy)]
    pub struct ReadPlusData<'a> {
        /// First byte.
        offset: u64,
        /// The data.
        data: &'a [u8] [limits::DATA],
    }

    /// `data_info4`.
    #[derive(Copy)]
    pub struct ReadPlusHole {
        /// First byte.
        offset: u64,
        /// Bytes.
        length: u64,
    }

    /// READ_PLUS's result.
    pub struct ReadPlusOk<'a> {
        /// Whether it ends at the end of the file.
        eof: bool,
        /// Data and holes, in order.
        contents: Vec<ReadPlusContent<'a>> [limits::SEGMENTS],
    }

    /// SEEK: finds data or a hole (RFC 7862 §15.11).
    #[derive(Copy)]
    pub struct SeekArgs {
        /// Under which open.
        stateid: Stateid,
        /// Where to start.
        offset: u64,
        /// What to find.
        what: DataContent,
    }

    /// SEEK's result.
    #[derive(Copy)]
    pub struct SeekOk {
        /// Whether the end of the file came first.
        eof: bool,
        /// Where it was found.
        offset: u64,
    }

    /// `app_data_block4` (RFC 7862 §8.1).
    pub struct AppDataBlock<'a> {
        /// First byte.
        offset: u64,
        /// Bytes of a block.
        block_size: u64,
        /// Blocks.
        block_count: u64,
        /// Where in a block its number goes; all ones means nowhere.
        reloff_blocknum: u64,
        /// The first block's number.
        block_num: u32,
        /// Where in a block the pattern goes.
        reloff_pattern: u64,
        /// The pattern.
        pattern: &'a [u8] [limits::DATA],
    }

    /// WRITE_SAME (RFC 7862 §15.12).
    pub struct WriteSameArgs<'a> {
        /// Under which open.
        stateid: Stateid,
        /// How durable the data must be before the answer.
        stable: StableHow,
        /// What to write.
        adb: AppDataBlock<'a>,
    }

    /// WRITE_SAME's result.
    pub struct WriteSameOk {
        /// How it went.
        response: WriteResponse,
    }
}
