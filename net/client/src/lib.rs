//! A client of the broker, for the command line and the services.
//!
//! Owns the client's side of the protocol: connections and their negotiated versions, metadata,
//! producing with retries, consuming by assignment or in a classic group, administration. It is
//! simple and bounded: one request in flight for each connection, everything on the one core that
//! called. It knows nothing of logs; it speaks to Apache Kafka as well as to us.
//!
//! Reading order: `connection`, `cluster`, then `producer`, `consumer`, `group`, `admin`.

#![forbid(unsafe_code)]

mod address;
mod admin;
mod assignor;
mod cluster;
mod connection;
mod consumer;
mod error;
mod group;
pub mod limits;
mod offsets;
mod outcome;
mod partitioner;
mod producer;
mod progress;
mod retry;
mod split;

pub use address::HostPort;
pub use admin::{
    Admin, ConfigEntry, GroupDescription, GroupListing, GroupMember, GroupOffset, NewTopic,
    PartitionOffset,
};
pub use assignor::{Assignment, assign_range};
pub use cluster::{Broker, Cluster, ClusterOptions, Partition, Topic};
pub use connection::{Connection, ConnectionOptions, Frame};
pub use consumer::{ConsumedRecord, Consumer, ConsumerOptions, OffsetReset, StartAt};
/// In the producer's interface.
pub use engine_record::{Compression, Header};
pub use error::ClientError;
pub use group::{GroupEvent, GroupMembership, GroupOptions};
pub use outcome::{Delivery, Undelivered, UndeliveredBatch};
pub use partitioner::{murmur2, partition_for_key};
pub use producer::{Acks, Producer, ProducerOptions, ProducerRecord};
pub use progress::{Progress, Waiting};
