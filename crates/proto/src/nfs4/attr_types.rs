//! Types that only attributes use.

use alloc::vec::Vec;

use super::bitmap::Bitmap;
use super::layout::LayoutType;
use super::limits;
use super::types::Time;
use crate::xdr::{xdr_enum, xdr_struct};

xdr_enum! {
    /// `fs4_status_type` (RFC 8881 §11.17).
    pub struct FsStatusType {
        FIXED = 1,
        UPDATED = 2,
        VERSIONED = 3,
        WRITABLE = 4,
        REFERRAL = 5,
    }

    /// `change_attr_type4` (RFC 7862 §12.2.3).
    pub struct ChangeAttrType {
        IS_MONOTONIC_INCR = 0,
        IS_VERSION_COUNTER = 1,
        IS_VERSION_COUNTER_NOPNFS = 2,
        IS_TIME_METADATA = 3,
        IS_UNDEFINED = 4,
    }

    /// `open_args_share_access4`: bit numbers in [`OpenArguments::share_access`] (RFC 9754).
    pub struct OpenArgsShareAccess {
        READ = 1,
        WRITE = 2,
        BOTH = 3,
    }

    /// `open_args_share_deny4`: bit numbers in [`OpenArguments::share_deny`] (RFC 9754).
    pub struct OpenArgsShareDeny {
        NONE = 0,
        READ = 1,
        WRITE = 2,
        BOTH = 3,
    }

    /// `open_args_share_access_want4`: bit numbers in [`OpenArguments::share_access_want`] (RFC
    /// 9754).
    pub struct OpenArgsWant {
        ANY_DELEG = 3,
        NO_DELEG = 4,
        CANCEL = 5,
        SIGNAL_DELEG_WHEN_RESRC_AVAIL = 17,
        PUSH_DELEG_WHEN_UNCONTENDED = 18,
        DELEG_TIMESTAMPS = 20,
        OPEN_XOR_DELEGATION = 21,
    }
}

xdr_struct! {
    /// `pathname4`: components from the root.
    pub struct Pathname<'a> {
        /// The components.
        components: Vec<&'a [u8]> [limits::PATHNAME],
    }

    /// `fs_location4`.
    pub struct FsLocation<'a> {
        /// The servers.
        server: Vec<&'a [u8]> [limits::LOCATIONS],
        /// Where on them.
        rootpath: Pathname<'a>,
    }

    /// `fs_locations4` (RFC 8881 §11.16).
    pub struct FsLocations<'a> {
        /// Where on this server.
        fs_root: Pathname<'a>,
        /// Where else.
        locations: Vec<FsLocation<'a>> [limits::LOCATIONS],
    }

    /// `fs_locations_server4` (RFC 8881 §11.17.1).
    pub struct FsLocationsServer<'a> {
        /// How current its data is.
        currency: i32,
        /// Flags, classes and ranks, by byte index.
        info: &'a [u8] [limits::OPAQUE_LIMIT],
        /// The server.
        server: &'a [u8] [limits::ADDRESS],
    }

    /// `fs_locations_item4`: servers with the same root path.
    pub struct FsLocationsItem<'a> {
        /// The servers.
        entries: Vec<FsLocationsServer<'a>> [limits::LOCATIONS],
        /// Where on them.
        rootpath: Pathname<'a>,
    }

    /// `fs_locations_info4` (RFC 8881 §11.17).
    pub struct FsLocationsInfo<'a> {
        /// 1: the paths contain variables.
        flags: u32,
        /// Seconds that the rest stays true.
        valid_for: i32,
        /// Where on this server.
        fs_root: Pathname<'a>,
        /// Where else.
        items: Vec<FsLocationsItem<'a>> [limits::LOCATIONS],
    }

    /// `fs4_status` (RFC 8881 §11.18).
    pub struct FsStatus<'a> {
        /// Whether the file system is not here.
        absent: bool,
        /// How it changes.
        kind: FsStatusType,
        /// Where it came from.
        source: &'a [u8] [limits::OPAQUE_LIMIT],
        /// Which version it is.
        current: &'a [u8] [limits::OPAQUE_LIMIT],
        /// Seconds since it was current.
        age: i32,
        /// Its version.
        version: Time,
    }

    /// `threshold_item4` (RFC 8881 §3.3.19).
    pub struct ThresholdItem<'a> {
        /// For this layout type.
        layout_type: LayoutType,
        /// Which hints: read size 0, write size 1, read I/O size 2, write I/O size 3.
        hintset: Bitmap,
        /// A 64-bit number for each.
        hintlist: &'a [u8] [limits::OPAQUE_LIMIT],
    }

    /// `mdsthreshold4`: when I/O should go to data servers.
    pub struct MdsThreshold<'a> {
        /// One for each layout type.
        hints: Vec<ThresholdItem<'a>> [limits::THRESHOLDS],
    }

    /// `retention_get4` (RFC 8881 §5.13).
    #[derive(Copy)]
    pub struct RetentionGet {
        /// Seconds; all ones means for ever.
        duration: u64,
        /// When it began, if it did.
        begin_time: Option<Time>,
    }

    /// `retention_set4`.
    #[derive(Copy)]
    pub struct RetentionSet {
        /// Whether retention begins.
        enable: bool,
        /// Seconds.
        duration: Option<u64>,
    }

    /// `mode_masked4`.
    #[derive(Copy)]
    pub struct ModeMasked {
        /// Values of the bits to change.
        value_to_set: u32,
        /// Which bits to change.
        mask_bits: u32,
    }

    /// `mode_umask4` (RFC 8275).
    #[derive(Copy)]
    pub struct ModeUmask {
        /// The mode.
        mode: u32,
        /// The umask, which an inherited ACL replaces.
        umask: u32,
    }

    /// `labelformat_spec4`.
    #[derive(Copy)]
    pub struct LabelFormatSpec {
        /// Label format.
        lfs: u32,
        /// Policy.
        pi: u32,
    }

    /// `sec_label4` (RFC 7862 §12.2.4).
    pub struct SecLabel<'a> {
        /// What the label means.
        lfs: LabelFormatSpec,
        /// The label.
        data: &'a [u8] [limits::LABEL],
    }

    /// `open_arguments4`: what of OPEN the server understands (RFC 9754).
    #[derive(Copy)]
    pub struct OpenArguments {
        /// Set of [`OpenArgsShareAccess`] numbers.
        share_access: Bitmap,
        /// Set of [`OpenArgsShareDeny`] numbers.
        share_deny: Bitmap,
        /// Set of [`OpenArgsWant`] numbers.
        share_access_want: Bitmap,
        /// Set of [`super::ClaimType`] numbers.
        open_claim: Bitmap,
        /// Set of [`super::CreateMode`] numbers.
        create_mode: Bitmap,
    }
}
