//! Every bound on what a peer can make this side keep, in one place.

/// Client records, confirmed and not. Beyond it EXCHANGE_ID answers DELAY.
pub const CLIENTS: usize = 16_384;

/// Unconfirmed client records. Beyond it the oldest one is forgotten.
pub const UNCONFIRMED_CLIENTS: usize = 1024;

/// Sessions of one client. Beyond it CREATE_SESSION answers NFS4ERR_NOSPC.
pub const SESSIONS_PER_CLIENT: usize = 64;

/// Slots of a session's fore channel.
pub const SLOTS: u32 = 128;

/// Connections bound to one session.
pub const CONNECTIONS_PER_SESSION: usize = 64;

/// Bytes of the largest request: 1 MiB of data and its compound.
pub const REQUEST_BYTES: u32 = (1 << 20) + 8192;

/// Bytes of the largest reply: 1 MiB of data and its compound.
pub const RESPONSE_BYTES: u32 = (1 << 20) + 8192;

/// Bytes of the largest reply that a slot keeps for a retry.
pub const CACHED_RESPONSE_BYTES: u32 = 8192;

/// Bytes of data in one READ or WRITE.
pub const IO_BYTES: u32 = 1 << 20;

/// Sessions of all clients. Beyond it CREATE_SESSION answers NFS4ERR_NOSPC.
pub const SESSIONS: usize = 65_536;

/// Bytes that the slots of all sessions and the replies kept in them may take. Beyond it a new
/// session has one slot, and a request that wants its reply kept is answered DELAY in every slot
/// but the first.
pub const SLOT_BYTES: usize = 256 << 20;

/// Bytes beyond which tables do not grow, sessions are asked for slots back, and a new one has
/// [`SLOTS_WHEN_SCARCE`].
pub const SLOT_BYTES_SCARCE: usize = SLOT_BYTES / 2;

/// Slots of a new session while memory for slots is scarce.
pub const SLOTS_WHEN_SCARCE: u32 = 8;

/// Operations of one compound.
pub const OPERATIONS: u32 = 128;

/// Bytes below which a channel is of no use: a SEQUENCE and one operation.
pub const CHANNEL_BYTES_MIN: u32 = 256;

/// Operations below which a back channel is of no use: CB_SEQUENCE and one more.
pub const BACK_OPERATIONS_MIN: u32 = 2;

/// Opens of one client. Beyond it OPEN answers DELAY.
pub const OPENS_PER_CLIENT: usize = 1 << 18;

/// Opens and lock states of all clients that share one shard of the state table. Beyond it OPEN
/// and LOCK answer DELAY.
pub const STATES_PER_SHARD: usize = 1 << 22;

/// Lock states of one client: a lock-owner under an open. Beyond it LOCK answers SERVERFAULT: the
/// protocol has no status for it, and DELAY would keep who asks waiting for ever.
pub const LOCK_STATES_PER_CLIENT: usize = 1 << 15;

/// Lock states of one file: every LOCK and LOCKT looks at each. Beyond it LOCK answers SERVERFAULT.
pub const LOCK_STATES_PER_FILE: usize = 4096;

/// Byte ranges locked in one file. Beyond it LOCK answers SERVERFAULT.
pub const LOCK_RANGES_PER_FILE: usize = 1 << 16;

/// Byte ranges locked in one file, beyond which a LOCKU that makes two of one answers SERVERFAULT.
pub const LOCK_RANGES_PER_FILE_SPLIT: usize = 2 * LOCK_RANGES_PER_FILE;

/// Byte ranges locked by all clients that share one shard of the state table. Beyond it LOCK
/// answers SERVERFAULT.
pub const LOCK_RANGES_PER_SHARD: usize = 1 << 20;

/// Byte ranges locked by one client. Beyond it LOCK answers SERVERFAULT.
pub const LOCK_RANGES_PER_CLIENT: usize = 1 << 18;

/// Ranges that a file system is asked to lock or unlock at once, between requests of others.
pub const LOCAL_LOCK_STEPS: usize = 256;

/// Bytes that one COPY copies before it answers how far it came.
pub const COPY_BYTES: u64 = 64 << 20;

/// Nanoseconds after which a COPY answers how far it came.
pub const COPY_NS: u64 = 1_000_000_000;

/// Bytes that a COPY asks of the file system at once.
pub const COPY_STEP: u64 = 1 << 20;
