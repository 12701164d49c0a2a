//! A change to a broker's registration.

use engine_base::Uuid;
use engine_codec::Codec;

/// Changes fencing, controlled shutdown or directories. Written in the lowest version that holds
/// what changed, as Kafka does.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0-3", flexible = "0+")]
pub struct BrokerRegistrationChange {
    /// `node.id`.
    pub broker_id: i32,
    /// The epoch of the registration meant.
    pub broker_epoch: i64,
    /// -1 unfenced, 1 fenced, 0 no change.
    #[codec(tag = 0)]
    pub fenced: i8,
    /// 1 began its controlled shutdown, 0 no change.
    #[codec(versions = "1+", tag = 1)]
    pub in_controlled_shutdown: i8,
    /// The usable directories; empty for no change.
    #[codec(versions = "2+", tag = 2)]
    pub log_dirs: Vec<Uuid>,
    /// The cordoned directories; null for no change.
    #[codec(versions = "3+", nullable = "3+", default = null, tag = 3)]
    pub cordoned_log_dirs: Option<Vec<Uuid>>,
}

impl BrokerRegistrationChange {
    /// The lowest version that can say what changed.
    pub(super) fn version_min(&self) -> i16 {
        if self.cordoned_log_dirs.is_some() {
            3
        } else if !self.log_dirs.is_empty() {
            2
        } else {
            i16::from(self.in_controlled_shutdown != 0)
        }
    }
}
