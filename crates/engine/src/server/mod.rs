//! The server's pieces.

pub mod clients;
pub mod file;
pub mod grace;
pub mod held;
pub mod locks;
pub mod ranges;
pub mod share;
pub mod stateids;

pub use clients::{Clients, CreateSession, Created, Dropped, ExchangeId, Exchanged, SessionTerms};
pub use file::{FileKey, Files, OpenTicket, OpenerId};
pub use grace::{Grace, GraceEnd};
pub use held::{Held, LockBy, LockRequest, LockTicket};
pub use locks::{GivenUp, LockConflict, LockRefused, LockerId};
pub use ranges::{ByteRange, HeldRange, LockKind, Segment};
pub use share::Share;
pub use stateids::{LockState, OpenState, State, StateName, States};
