//! The names of the APIs that this broker knows.

use std::fmt;

use crate::versions::{self, ApiWindow};

/// An API by its key. What is not here does not exist for us: a request for it closes the
/// connection, as in Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i16)]
pub enum ApiKey {
    /// Append batches.
    Produce = 0,
    /// Read batches.
    Fetch = 1,
    /// Offsets of times.
    ListOffsets = 2,
    /// Brokers, topics, leaders.
    Metadata = 3,
    /// Keep a group's positions.
    OffsetCommit = 8,
    /// Read a group's positions.
    OffsetFetch = 9,
    /// Who coordinates a group.
    FindCoordinator = 10,
    /// Enter a generation.
    JoinGroup = 11,
    /// A member is alive.
    Heartbeat = 12,
    /// Members leave.
    LeaveGroup = 13,
    /// Assignments.
    SyncGroup = 14,
    /// State of groups.
    DescribeGroups = 15,
    /// Groups there are.
    ListGroups = 16,
    /// APIs and features.
    ApiVersions = 18,
    /// Make topics.
    CreateTopics = 19,
    /// Remove topics.
    DeleteTopics = 20,
    /// Identity of a producer.
    InitProducerId = 22,
    /// Ends of epochs.
    OffsetForLeaderEpoch = 23,
    /// Configuration.
    DescribeConfigs = 32,
    /// Remove groups.
    DeleteGroups = 42,
    /// Change configuration.
    IncrementalAlterConfigs = 44,
    /// Remove a group's positions.
    OffsetDelete = 47,
    /// Brokers and controller.
    DescribeCluster = 60,
    /// Partitions page by page.
    DescribeTopicPartitions = 75,
}

impl ApiKey {
    /// The API of a key on the wire, if we know it.
    #[must_use]
    pub fn from_code(code: i16) -> Option<Self> {
        versions::window_with_code(code).map(|window| window.key)
    }

    /// The key on the wire.
    #[must_use]
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// Kafka's name of the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.window().name
    }

    /// The API's row in the table of versions.
    #[must_use]
    pub fn window(self) -> &'static ApiWindow {
        versions::window_with_code(self.code()).expect("the table has a row for each key")
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
