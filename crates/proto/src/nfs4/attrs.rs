//! File attributes: numbers, typed values, and the `fattr4` that carries them.

use alloc::vec::Vec;

use super::attr_types::{
    ChangeAttrType, FsLocations, FsLocationsInfo, FsStatus, MdsThreshold, ModeMasked, ModeUmask,
    OpenArguments, RetentionGet, RetentionSet, SecLabel,
};
use super::bitmap::{Bitmap, BitmapIter};
use super::layout::{LayoutBody, LayoutType};
use super::limits;
use super::status::Status;
use super::types::{Ace, Acl41, ChangePolicy, FileType, Fsid, SetTime, Specdata, Time};

use crate::xdr::{DecodeError, Encode, Reader, Writer, xdr_field, xdr_first, xdr_struct};

xdr_struct! {
    /// `fattr4`: which attributes, and their values in ascending order of number, still encoded.
    #[derive(Copy)]
    pub struct Fattr<'a> {
        /// Which attributes.
        mask: Bitmap,
        /// Their values.
        values: &'a [u8] [limits::ATTR_VALUES],
    }
}

impl<'a> Fattr<'a> {
    /// No attributes.
    pub const EMPTY: Self = Self { mask: Bitmap::EMPTY, values: &[] };

    /// The typed values in ascending order. The iterator ends after its first error; bytes left
    /// after the last value are one.
    pub const fn iter(&self) -> FattrIter<'a> {
        FattrIter { numbers: self.mask.iter(), values: Reader::new(self.values), done: false }
    }
}

/// The attributes of a [`Fattr`].
#[derive(Clone, Debug)]
pub struct FattrIter<'a> {
    numbers: BitmapIter,
    values: Reader<'a>,
    done: bool,
}

impl<'a> Iterator for FattrIter<'a> {
    type Item = Result<(u32, AttrValue<'a>), DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let Some(number) = self.numbers.next() else {
            self.done = true;
            return self.values.finish().err().map(Err);
        };
        let value = AttrValue::decode_value(number, &mut self.values);
        self.done = value.is_err();
        Some(value.map(|value| (number, value)))
    }
}

/// Writes a `fattr4` in place: the mask, then values pushed in ascending order of number, then
/// [`FattrWriter::finish`].
#[derive(Debug)]
pub struct FattrWriter<'w> {
    w: &'w mut Writer,
    written: Bitmap,
    next: u32,
    mask_at: usize,
    words: usize,
}

impl<'w> FattrWriter<'w> {
    /// Starts a `fattr4` that will hold at most the attributes of `at_most`.
    pub fn new(w: &'w mut Writer, at_most: &Bitmap) -> Self {
        let mask_at = w.position();
        at_most.encode(w);
        w.u32(0);
        Self { w, written: Bitmap::EMPTY, next: 0, mask_at, words: at_most.word_count() }
    }

    /// Writes one typed value.
    pub fn push(&mut self, value: &AttrValue<'_>) {
        value.encode_value(self.writer(value.number()));
    }

    /// Writes one value whose type is the attribute's, without making an [`AttrValue`] of it.
    #[inline]
    pub fn put<T: Encode>(&mut self, number: u32, value: T) {
        value.encode(self.writer(number));
    }

    /// Marks `number` as written and gives the writer its value goes to.
    #[inline]
    pub fn writer(&mut self, number: u32) -> &mut Writer {
        debug_assert!(number >= self.next, "attribute {number} is out of order");
        debug_assert!((number / 32) < self.words as u32, "attribute {number} was not announced");
        self.next = number + 1;
        self.written.insert(number);
        self.w
    }

    /// Writes the mask of what was pushed and the length of the values.
    pub fn finish(self) -> Bitmap {
        let words = self.written.word_count();
        let values_at = self.mask_at + 4 * (self.words + 2);
        let len = self.w.position() - values_at;
        self.w.patch_u32(self.mask_at, words as u32);
        for index in 0..words {
            self.w.patch_u32(self.mask_at + 4 * (index + 1), self.written.word(index));
        }
        self.w.patch_u32(values_at - 4, len as u32);
        let unused = self.mask_at + 4 * (words + 1)..values_at - 4;
        if !unused.is_empty() {
            self.w.buf_mut().drain(unused);
        }
        self.written
    }
}

/// Writes `values`, which are in ascending order of number, as one `fattr4`.
pub fn encode_fattr(w: &mut Writer, values: &[AttrValue<'_>]) {
    let mask = values.iter().map(AttrValue::number).collect();
    let mut fattr = FattrWriter::new(w, &mask);
    values.iter().for_each(|value| fattr.push(value));
    fattr.finish();
}

macro_rules! attributes {
    ($($number:literal $const:ident = $variant:ident($ty:ty $([$max:expr])?),)+) => {
        /// Attribute numbers (RFC 8881 §5, RFC 7862 §12, RFC 8275, RFC 8276 §8.2, RFC 9754).
        pub mod attr {
            $(
                #[doc = concat!("`FATTR4_", stringify!($const), "`, ", stringify!($number), ".")]
                pub const $const: u32 = $number;
            )+

            /// Every attribute by name.
            pub const KNOWN: &[(&str, u32)] = &[$((stringify!($const), $const),)+];
        }

        /// One attribute's value, typed.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum AttrValue<'a> {
            $(
                #[doc = concat!("`", stringify!($const), "`, attribute ", stringify!($number), ".")]
                $variant($ty),
            )+
        }

        impl<'a> AttrValue<'a> {
            /// The attribute's number.
            pub const fn number(&self) -> u32 {
                match self {
                    $(Self::$variant(_) => attr::$const,)+
                }
            }

            /// Takes the value of attribute `number` off the front.
            pub fn decode_value(number: u32, r: &mut Reader<'a>) -> Result<Self, DecodeError> {
                match number {
                    $(attr::$const => Ok(Self::$variant(xdr_field!(r, $ty $(, $max)?))),)+
                    other => Err(DecodeError::UnknownAttr(other)),
                }
            }

            /// Appends the value, without its number.
            pub fn encode_value(&self, w: &mut Writer) {
                match self {
                    $(Self::$variant(xdr_first!(value; $ty)) => value.encode(w),)+
                }
            }
        }
    };
}

attributes! {
    0 SUPPORTED_ATTRS = SupportedAttrs(Bitmap),
    1 TYPE = Type(FileType),
    2 FH_EXPIRE_TYPE = FhExpireType(u32),
    3 CHANGE = Change(u64),
    4 SIZE = Size(u64),
    5 LINK_SUPPORT = LinkSupport(bool),
    6 SYMLINK_SUPPORT = SymlinkSupport(bool),
    7 NAMED_ATTR = NamedAttr(bool),
    8 FSID = Fsid(Fsid),
    9 UNIQUE_HANDLES = UniqueHandles(bool),
    10 LEASE_TIME = LeaseTime(u32),
    11 RDATTR_ERROR = RdattrError(Status),
    12 ACL = Acl(Vec<Ace<'a>> [limits::ACES]),
    13 ACLSUPPORT = AclSupport(u32),
    14 ARCHIVE = Archive(bool),
    15 CANSETTIME = CanSetTime(bool),
    16 CASE_INSENSITIVE = CaseInsensitive(bool),
    17 CASE_PRESERVING = CasePreserving(bool),
    18 CHOWN_RESTRICTED = ChownRestricted(bool),
    19 FILEHANDLE = FileHandle(&'a [u8] [limits::FHSIZE]),
    20 FILEID = FileId(u64),
    21 FILES_AVAIL = FilesAvail(u64),
    22 FILES_FREE = FilesFree(u64),
    23 FILES_TOTAL = FilesTotal(u64),
    24 FS_LOCATIONS = FsLocations(FsLocations<'a>),
    25 HIDDEN = Hidden(bool),
    26 HOMOGENEOUS = Homogeneous(bool),
    27 MAXFILESIZE = MaxFileSize(u64),
    28 MAXLINK = MaxLink(u32),
    29 MAXNAME = MaxName(u32),
    30 MAXREAD = MaxRead(u64),
    31 MAXWRITE = MaxWrite(u64),
    32 MIMETYPE = MimeType(&'a [u8]),
    33 MODE = Mode(u32),
    34 NO_TRUNC = NoTrunc(bool),
    35 NUMLINKS = NumLinks(u32),
    36 OWNER = Owner(&'a [u8] [limits::WHO]),
    37 OWNER_GROUP = OwnerGroup(&'a [u8] [limits::WHO]),
    38 QUOTA_AVAIL_HARD = QuotaAvailHard(u64),
    39 QUOTA_AVAIL_SOFT = QuotaAvailSoft(u64),
    40 QUOTA_USED = QuotaUsed(u64),
    41 RAWDEV = RawDev(Specdata),
    42 SPACE_AVAIL = SpaceAvail(u64),
    43 SPACE_FREE = SpaceFree(u64),
    44 SPACE_TOTAL = SpaceTotal(u64),
    45 SPACE_USED = SpaceUsed(u64),
    46 SYSTEM = System(bool),
    47 TIME_ACCESS = TimeAccess(Time),
    48 TIME_ACCESS_SET = TimeAccessSet(SetTime),
    49 TIME_BACKUP = TimeBackup(Time),
    50 TIME_CREATE = TimeCreate(Time),
    51 TIME_DELTA = TimeDelta(Time),
    52 TIME_METADATA = TimeMetadata(Time),
    53 TIME_MODIFY = TimeModify(Time),
    54 TIME_MODIFY_SET = TimeModifySet(SetTime),
    55 MOUNTED_ON_FILEID = MountedOnFileId(u64),
    56 DIR_NOTIF_DELAY = DirNotifDelay(Time),
    57 DIRENT_NOTIF_DELAY = DirentNotifDelay(Time),
    58 DACL = Dacl(Acl41<'a>),
    59 SACL = Sacl(Acl41<'a>),
    60 CHANGE_POLICY = ChangePolicy(ChangePolicy),
    61 FS_STATUS = FsStatus(FsStatus<'a>),
    62 FS_LAYOUT_TYPES = FsLayoutTypes(Vec<LayoutType> [limits::LAYOUT_TYPES]),
    63 LAYOUT_HINT = LayoutHint(LayoutBody<'a>),
    64 LAYOUT_TYPES = LayoutTypes(Vec<LayoutType> [limits::LAYOUT_TYPES]),
    65 LAYOUT_BLKSIZE = LayoutBlkSize(u32),
    66 LAYOUT_ALIGNMENT = LayoutAlignment(u32),
    67 FS_LOCATIONS_INFO = FsLocationsInfo(FsLocationsInfo<'a>),
    68 MDSTHRESHOLD = MdsThreshold(MdsThreshold<'a>),
    69 RETENTION_GET = RetentionGet(RetentionGet),
    70 RETENTION_SET = RetentionSet(RetentionSet),
    71 RETENTEVT_GET = RetentEvtGet(RetentionGet),
    72 RETENTEVT_SET = RetentEvtSet(RetentionSet),
    73 RETENTION_HOLD = RetentionHold(u64),
    74 MODE_SET_MASKED = ModeSetMasked(ModeMasked),
    75 SUPPATTR_EXCLCREAT = SuppAttrExclCreat(Bitmap),
    76 FS_CHARSET_CAP = FsCharsetCap(u32),
    77 CLONE_BLKSIZE = CloneBlkSize(u32),
    78 SPACE_FREED = SpaceFreed(u64),
    79 CHANGE_ATTR_TYPE = ChangeAttrType(ChangeAttrType),
    80 SEC_LABEL = SecLabel(SecLabel<'a>),
    81 MODE_UMASK = ModeUmask(ModeUmask),
    82 XATTR_SUPPORT = XattrSupport(bool),
    83 OFFLINE = Offline(bool),
    84 TIME_DELEG_ACCESS = TimeDelegAccess(Time),
    85 TIME_DELEG_MODIFY = TimeDelegModify(Time),
    86 OPEN_ARGUMENTS = OpenArguments(OpenArguments),
}
