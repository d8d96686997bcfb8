//! What both ends of a session share: the slot table with its reply cache.

mod slot_table;

pub use slot_table::{Admit, Claim, Memory, Offer, Request, SlotTable};
