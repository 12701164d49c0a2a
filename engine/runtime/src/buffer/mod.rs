//! Memory that the kernel and other cores may read while its owner goes on.
//!
//! Owns block-aligned regions and counts them. [`Slice`] is bytes nobody changes any more,
//! [`BlockBuf`] is bytes one owner may change, [`AppendBuf`] is both in one region: a frozen
//! prefix that slices refer to and a tail that one appender fills. Lives on any core; a slice may
//! be dropped on another one than it was made on. Never talks to the kernel except for memory.

mod append;
mod block;
mod region;
mod slice;

pub use append::AppendBuf;
pub use block::BlockBuf;
pub use region::buffer_bytes_total;
pub use slice::Slice;

pub(crate) use region::Region;
pub(crate) use slice::Storage;
