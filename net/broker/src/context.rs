//! What a handler may touch.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use engine_runtime::Slice;
use net_conn::ConnectionId;
use net_wire::{ErrorCode, RequestHeader};

use crate::catalog::Catalog;
use crate::core::Core;
use crate::metrics::Errors;
use crate::order::Order;

/// One request: whose it is, which version it speaks, and the state of its core.
pub(crate) struct Context<'a> {
    pub(crate) core: &'a Rc<Core>,
    pub(crate) client: &'a Client,
    pub(crate) header: &'a RequestHeader<'a>,
    /// The cluster as of the request's start.
    pub(crate) catalog: Arc<Catalog>,
    /// The whole frame: what is handed to another core is a range of it.
    pub(crate) frame: &'a Slice,
}

impl Context<'_> {
    /// The version of the request and of its answer.
    pub(crate) fn version(&self) -> i16 {
        self.header.api_version
    }

    /// Counts the errors that an answer tells.
    pub(crate) fn note_errors(&self, answer: &impl Errors) {
        answer.each_error(&mut |error_code| self.note_error(error_code));
    }

    /// Counts one error of the answer.
    pub(crate) fn note_error(&self, error_code: ErrorCode) {
        self.core
            .metrics
            .note_error(self.header.api_key, error_code);
    }
}

/// The peer of a connection.
pub(crate) struct Client {
    pub(crate) connection: ConnectionId,
    pub(crate) address: SocketAddr,
    /// Index into the broker's listeners: what is advertised follows from it.
    pub(crate) listener: usize,
    /// Whose turn it is to begin its appends.
    pub(crate) produces: Order,
}
