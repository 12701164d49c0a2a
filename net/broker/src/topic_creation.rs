//! Topics that come into being because somebody asked for them by name.

use std::rc::Rc;

use engine_base::Uuid;
use net_wire::ErrorCode;
use replication_controller::command::{CreateTopics, NewTopic};
use replication_controller::{Answer, Command, ErrorKind};

use crate::OFFSETS_TOPIC;
use crate::controller_client::{code_of, submit};
use crate::core::Core;

/// Creates topics, and returns those that were refused with the reason. A topic that somebody
/// else created meanwhile is not refused.
pub(crate) async fn create_missing(
    core: &Rc<Core>,
    names: Vec<String>,
) -> Vec<(String, ErrorCode)> {
    let command = Command::CreateTopics(CreateTopics {
        topics: names.iter().map(|name| new_topic(core, name)).collect(),
        validate_only: false,
        random: engine_runtime::random_u64(),
    });
    match submit(core, command).await {
        Ok(Answer::TopicsCreated(results)) => results
            .into_iter()
            .filter_map(|(name, result)| match result {
                Err(error) if error.kind != ErrorKind::TopicAlreadyExists => {
                    tracing::warn!(topic = name, "the topic could not be created: {error}");
                    Some((name, code_of(error.kind)))
                }
                _ => None,
            })
            .collect(),
        Ok(_) => unreachable!("the answer is of the command's kind"),
        Err(refused) => {
            let names = names.into_iter();
            names.map(|name| (name, refused.error_code)).collect()
        }
    }
}

/// With the broker's defaults, except for the offsets topic, which has settings of its own.
fn new_topic(core: &Core, name: &str) -> NewTopic {
    let config = &core.config;
    let id = Uuid::from_random(engine_runtime::random_bytes());
    let (partitions, configs) = if name == OFFSETS_TOPIC {
        let segment_bytes = config.offsets_segment_size_bytes.to_string();
        let configs = [
            ("cleanup.policy", "compact".to_owned()),
            ("compression.type", "producer".to_owned()),
            ("segment.bytes", segment_bytes),
        ];
        let configs = configs.map(|(name, value)| (name.to_owned(), Some(value)));
        (config.offsets_partitions, configs.to_vec())
    } else {
        (-1, Vec::new())
    };
    NewTopic {
        name: name.to_owned(),
        id,
        partitions,
        // One broker holds what one broker can; the controller knows how many there are.
        replication_factor: if name == OFFSETS_TOPIC { 1 } else { -1 },
        assignments: Vec::new(),
        configs,
    }
}
