//! What one call into a coordinator asks its caller to do.

use engine_base::Instant;

use crate::append::Append;
use crate::machine::Machine;

/// The caller's name for one request. Each token is answered exactly once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// To be performed in this order: appends, answers, notices; then wake at the deadline.
#[must_use = "appends and answers are lost when nobody performs them"]
pub struct Effects<M: Machine> {
    /// Batches for the log, in order. When one fails at once, `on_append_failed` must be called
    /// before any later one is handed to the log (the later ones are void then).
    pub appends: Vec<Append>,
    /// Answers that may leave now.
    pub answers: Vec<(Token, M::Answer)>,
    /// For the operator's log.
    pub notices: Vec<M::Notice>,
    /// When to call `on_timer`, if nothing else calls before. None: no timer runs.
    pub deadline: Option<Instant>,
}

impl<M: Machine> Effects<M> {
    pub(crate) const fn new() -> Self {
        Self {
            appends: Vec::new(),
            answers: Vec::new(),
            notices: Vec::new(),
            deadline: None,
        }
    }
}
