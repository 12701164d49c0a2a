//! The two hot messages without structs and without copies of records.

pub mod fetch;
pub mod produce;
