//! pNFS: layouts and devices (RFC 8881 §12, §13; RFC 7862 §15.6, §15.7).

use alloc::vec::Vec;

use super::bitmap::Bitmap;
use super::compound::OpNum;
use super::limits;
use super::stateid::Stateid;
use super::status::Status;
use super::types::{DeviceId, NetAddr, Time, Verifier};
use crate::xdr::{xdr_enum, xdr_struct, xdr_union};

xdr_enum! {
    /// `layouttype4` (RFC 8881 §3.3.13, RFC 8435, RFC 8154).
    pub struct LayoutType {
        NFSV4_1_FILES = 1,
        OSD2_OBJECTS = 2,
        BLOCK_VOLUME = 3,
        FLEX_FILES = 4,
        SCSI = 5,
    }

    /// `layoutiomode4`.
    pub struct IoMode {
        READ = 1,
        RW = 2,
        ANY = 3,
    }

    /// `layoutreturn_type4` and `layoutrecall_type4`.
    pub struct LayoutScope {
        FILE = 1,
        FSID = 2,
        ALL = 3,
    }
}

xdr_union! {
    /// `layoutreturn4`.
    pub enum LayoutReturn<'a> switch LayoutScope {
        /// Some of this file's layout.
        File(LayoutReturnFile<'a>) = FILE,
        /// All layouts of this file system.
        Fsid = FSID,
        /// All layouts.
        All = ALL,
        _ => Other,
    }
}

xdr_struct! {
    /// `layout_content4`, `layouthint4`, `layoutupdate4`, `device_addr4`: a type and what it
    /// defines.
    pub struct LayoutBody<'a> {
        /// Who defines the body.
        layout_type: LayoutType,
        /// What only that type understands.
        body: &'a [u8] [limits::LAYOUT_BODY],
    }

    /// `layout4`.
    pub struct Layout<'a> {
        /// First byte.
        offset: u64,
        /// Bytes.
        length: u64,
        /// For reading or writing.
        iomode: IoMode,
        /// Where the bytes are.
        content: LayoutBody<'a>,
    }

    /// `layoutreturn_file4`.
    pub struct LayoutReturnFile<'a> {
        /// First byte.
        offset: u64,
        /// Bytes.
        length: u64,
        /// The layout.
        stateid: Stateid,
        /// What only the type understands.
        body: &'a [u8] [limits::LAYOUT_BODY],
    }

    /// GETDEVICEINFO (RFC 8881 §18.40).
    #[derive(Copy)]
    pub struct GetDeviceInfoArgs {
        /// The device.
        device_id: DeviceId,
        /// Of which layout type.
        layout_type: LayoutType,
        /// Bytes the result may have.
        maxcount: u32,
        /// Notifications wanted.
        notify_types: Bitmap,
    }

    /// GETDEVICEINFO's result.
    pub struct GetDeviceInfoOk<'a> {
        /// Where the device is.
        device_addr: LayoutBody<'a>,
        /// Notifications that will come.
        notification: Bitmap,
    }

    /// GETDEVICELIST (RFC 8881 §18.41).
    #[derive(Copy)]
    pub struct GetDeviceListArgs {
        /// Of which layout type.
        layout_type: LayoutType,
        /// Devices at most.
        maxdevices: u32,
        /// Where to go on.
        cookie: u64,
        /// The verifier that came with the cookie.
        cookieverf: Verifier,
    }

    /// GETDEVICELIST's result.
    pub struct GetDeviceListOk {
        /// Where to go on.
        cookie: u64,
        /// To be sent along with the cookie.
        cookieverf: Verifier,
        /// The devices.
        deviceid_list: Vec<DeviceId> [limits::DEVICES],
        /// Whether that was all.
        eof: bool,
    }

    /// LAYOUTCOMMIT (RFC 8881 §18.42).
    pub struct LayoutCommitArgs<'a> {
        /// First byte.
        offset: u64,
        /// Bytes.
        length: u64,
        /// Whether during the grace period.
        reclaim: bool,
        /// The layout.
        stateid: Stateid,
        /// The last byte written, if any was.
        last_write_offset: Option<u64>,
        /// The new modify time, if it changed.
        time_modify: Option<Time>,
        /// What only the type understands.
        layoutupdate: LayoutBody<'a>,
    }

    /// LAYOUTCOMMIT's result.
    #[derive(Copy)]
    pub struct LayoutCommitOk {
        /// The new size of the file in bytes, if it changed.
        newsize: Option<u64>,
    }

    /// LAYOUTGET (RFC 8881 §18.43).
    #[derive(Copy)]
    pub struct LayoutGetArgs {
        /// Whether the client wants to be told when one becomes available.
        signal_layout_avail: bool,
        /// Which layout type.
        layout_type: LayoutType,
        /// For reading or writing.
        iomode: IoMode,
        /// First byte.
        offset: u64,
        /// Bytes wanted.
        length: u64,
        /// Bytes needed.
        minlength: u64,
        /// The open, delegation or layout.
        stateid: Stateid,
        /// Bytes the result may have.
        maxcount: u32,
    }

    /// LAYOUTGET's result.
    pub struct LayoutGetOk<'a> {
        /// Whether the layout must be returned before the last close.
        return_on_close: bool,
        /// The layout.
        stateid: Stateid,
        /// Its segments.
        layout: Vec<Layout<'a>> [limits::LAYOUTS],
    }

    /// LAYOUTRETURN (RFC 8881 §18.44).
    pub struct LayoutReturnArgs<'a> {
        /// Whether during the grace period.
        reclaim: bool,
        /// Which layout type.
        layout_type: LayoutType,
        /// For reading or writing.
        iomode: IoMode,
        /// Which layouts.
        layoutreturn: LayoutReturn<'a>,
    }

    /// LAYOUTRETURN's result.
    #[derive(Copy)]
    pub struct LayoutReturnOk {
        /// The layout, if any of it is left.
        stateid: Option<Stateid>,
    }

    /// `device_error4`.
    #[derive(Copy)]
    pub struct DeviceError {
        /// The device.
        deviceid: DeviceId,
        /// What it answered.
        status: Status,
        /// To which operation.
        opnum: OpNum,
    }

    /// LAYOUTERROR (RFC 7862 §15.6).
    pub struct LayoutErrorArgs {
        /// First byte.
        offset: u64,
        /// Bytes.
        length: u64,
        /// The layout.
        stateid: Stateid,
        /// What went wrong.
        errors: Vec<DeviceError> [limits::DEVICE_ERRORS],
    }

    /// `io_info4`.
    #[derive(Copy, Default)]
    pub struct IoInfo {
        /// Operations.
        count: u64,
        /// Bytes.
        bytes: u64,
    }

    /// LAYOUTSTATS (RFC 7862 §15.7).
    pub struct LayoutStatsArgs<'a> {
        /// First byte.
        offset: u64,
        /// Bytes.
        length: u64,
        /// The layout.
        stateid: Stateid,
        /// What was read.
        read: IoInfo,
        /// What was written.
        write: IoInfo,
        /// From and to which device.
        deviceid: DeviceId,
        /// What only the type understands.
        layoutupdate: LayoutBody<'a>,
    }

    /// `nfsv4_1_file_layouthint4`: the body of a files layout's hint (RFC 8881 §13.3).
    #[derive(Copy)]
    pub struct FileLayoutHint {
        /// Which of the rest the client cares about.
        care: u32,
        /// `nfl_util4`.
        util: u32,
        /// Stripes wanted.
        stripe_count: u32,
    }

    /// `multipath_list4`: one data server by all its addresses.
    pub struct MultipathList<'a> {
        /// The addresses.
        addrs: Vec<NetAddr<'a>> [limits::STRIPES],
    }

    /// `nfsv4_1_file_layout_ds_addr4`: the body of a files layout's device (RFC 8881 §13.3).
    pub struct FileLayoutDsAddr<'a> {
        /// For each stripe, which data server.
        stripe_indices: Vec<u32> [limits::STRIPES],
        /// The data servers.
        multipath_ds_list: Vec<MultipathList<'a>> [limits::STRIPES],
    }

    /// `nfsv4_1_file_layout4`: the body of a files layout (RFC 8881 §13.3).
    pub struct FileLayout<'a> {
        /// The device.
        deviceid: DeviceId,
        /// `nfl_util4`: stripe unit and flags.
        util: u32,
        /// The first stripe.
        first_stripe_index: u32,
        /// Where the pattern starts.
        pattern_offset: u64,
        /// Handles on the data servers.
        fh_list: Vec<&'a [u8]> [limits::STRIPES],
    }
}
