//! TCP: listeners and streams, and streams on their way to another core.

mod listener;
mod options;
mod resolve;
mod stream;

pub use listener::Listener;
pub use options::KeepAlive;
pub use resolve::resolve;
pub use stream::{Stream, StreamHandoff};
