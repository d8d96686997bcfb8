//! Facts about operations, one row each.

use holdfast_proto::nfs4::OpNum;

/// What the compound loop must know of an operation before it runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpInfo {
    /// The first minor version that has it.
    pub(crate) minor: u32,
    /// Whether it needs a current file handle.
    pub(crate) needs_fh: bool,
    /// Whether it may stand first in a compound.
    pub(crate) first: bool,
    /// Bytes that its result may take, if it must not run when they are not there: it changes
    /// something.
    pub(crate) max_reply: usize,
}

const fn row(needs_fh: bool, max_reply: usize) -> OpInfo {
    OpInfo { minor: 1, needs_fh, first: false, max_reply }
}

const fn first(max_reply: usize) -> OpInfo {
    OpInfo { first: true, ..row(false, max_reply) }
}

const fn minor2() -> OpInfo {
    OpInfo { minor: 2, ..row(false, 0) }
}

const STATEID: usize = 16;
const CHANGE: usize = 20;
const BITMAP: usize = 4 + 4 * 3;

/// The row of an operation.
pub(crate) const fn of(num: OpNum) -> OpInfo {
    match num {
        OpNum::SEQUENCE => first(36),
        OpNum::EXCHANGE_ID => first(1024),
        OpNum::CREATE_SESSION => first(128),
        OpNum::DESTROY_SESSION | OpNum::DESTROY_CLIENTID => first(0),
        OpNum::BIND_CONN_TO_SESSION => first(24),
        OpNum::CLOSE => row(true, STATEID),
        OpNum::COMMIT => row(true, 8),
        OpNum::CREATE => row(true, CHANGE + BITMAP),
        OpNum::LINK | OpNum::REMOVE => row(true, CHANGE),
        OpNum::RENAME => row(true, 2 * CHANGE),
        OpNum::OPEN => row(true, STATEID + CHANGE + 4 + BITMAP + 16),
        OpNum::WRITE => row(true, 16),
        OpNum::SETATTR => row(true, BITMAP),
        OpNum::READ => row(true, 8),
        OpNum::READDIR => row(true, 16),
        OpNum::GETATTR
        | OpNum::GETFH
        | OpNum::ACCESS
        | OpNum::SECINFO
        | OpNum::SECINFO_NO_NAME
        | OpNum::READLINK
        | OpNum::LOOKUP
        | OpNum::LOOKUPP
        | OpNum::SAVEFH
        | OpNum::VERIFY
        | OpNum::NVERIFY
        | OpNum::GET_DIR_DELEGATION => row(true, 0),
        _ if num.0 > OpNum::RECLAIM_COMPLETE.0 => minor2(),
        _ => row(false, 0),
    }
}
