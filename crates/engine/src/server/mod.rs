//! The server's pieces.

pub mod clients;
pub mod file;
pub mod grace;
pub mod stateids;

pub use clients::{Clients, CreateSession, Created, Dropped, ExchangeId, Exchanged, SessionTerms};
pub use file::{BeginOpen, FileKey, Files, OpenerId, Share};
pub use grace::{Grace, GraceEnd};
pub use stateids::{OpenState, States};
