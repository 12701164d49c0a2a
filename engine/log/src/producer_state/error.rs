//! Why a producer's batch or marker is refused.

use std::fmt;

/// Why a batch or a marker of a producer is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProducerError {
    /// The sequence number does not follow the last one (OUT_OF_ORDER_SEQUENCE_NUMBER).
    OutOfOrderSequence,
    /// A newer instance of the producer has written (INVALID_PRODUCER_EPOCH).
    InvalidProducerEpoch,
    /// A transactional batch without a transaction, or another within one (INVALID_TXN_STATE).
    InvalidTxnState,
    /// A newer transaction coordinator has written (TRANSACTION_COORDINATOR_FENCED).
    TransactionCoordinatorFenced,
}

impl fmt::Display for ProducerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OutOfOrderSequence => "the sequence number does not follow the last one",
            Self::InvalidProducerEpoch => "a newer instance of the producer has written",
            Self::InvalidTxnState => "the batch does not fit the state of the transaction",
            Self::TransactionCoordinatorFenced => "a newer transaction coordinator has written",
        })
    }
}

impl std::error::Error for ProducerError {}
