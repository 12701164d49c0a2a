//! CreateTopics (key 19). KIP-4, 464, 525, 599.

use std::borrow::Cow;

use engine_base::Uuid;
use net_wire::ErrorCode;
use net_wire::message::create_topics::{
    CreatableTopic, CreatableTopicConfigs, CreatableTopicResult, CreateTopicsRequest,
    CreateTopicsResponse,
};
use replication_controller::command::{CreateTopics, NewTopic};
use replication_controller::{Answer, ApiError, Command, CreatedTopic};

use crate::context::Context;
use crate::controller_client::{code_of, submit, text_of};

pub(crate) async fn handle(
    context: &Context<'_>,
    request: CreateTopicsRequest<'_>,
) -> CreateTopicsResponse<'static> {
    let names: Vec<String> = request
        .topics
        .iter()
        .map(|topic| topic.name.to_string())
        .collect();
    let command = Command::CreateTopics(CreateTopics {
        topics: request.topics.into_iter().map(new_topic).collect(),
        validate_only: request.validate_only,
        random: engine_runtime::random_u64(),
    });
    let topics = match submit(context.core, command).await {
        Ok(Answer::TopicsCreated(results)) => results
            .into_iter()
            .map(|(name, result)| result_of(name, result))
            .collect(),
        Ok(_) => unreachable!("the answer is of the command's kind"),
        Err(refused) => names
            .into_iter()
            .map(|name| failed(name, refused.error_code, refused.message.clone()))
            .collect(),
    };
    CreateTopicsResponse {
        topics,
        ..CreateTopicsResponse::default()
    }
}

fn new_topic(topic: CreatableTopic<'_>) -> NewTopic {
    let assignments = topic.assignments.into_iter();
    let configs = topic.configs.into_iter();
    NewTopic {
        name: topic.name.into_owned(),
        id: Uuid::from_random(engine_runtime::random_bytes()),
        partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        assignments: assignments
            .map(|a| (a.partition_index, a.broker_ids))
            .collect(),
        configs: configs
            .map(|config| {
                (
                    config.name.into_owned(),
                    config.value.map(|value| value.into_owned()),
                )
            })
            .collect(),
    }
}

fn result_of(
    name: String,
    result: Result<CreatedTopic, ApiError>,
) -> CreatableTopicResult<'static> {
    match result {
        Ok(created) => CreatableTopicResult {
            name: name.into(),
            topic_id: created.id,
            num_partitions: created.partitions,
            replication_factor: created.replication_factor,
            configs: Some(
                created
                    .configs
                    .into_iter()
                    .map(|config| CreatableTopicConfigs {
                        name: config.name.into(),
                        value: config.value.map(Into::into),
                        read_only: false,
                        config_source: config.source,
                        is_sensitive: config.sensitive,
                    })
                    .collect(),
            ),
            error_message: None,
            ..CreatableTopicResult::default()
        },
        Err(error) => failed(name, code_of(error.kind), Some(text_of(&error).into())),
    }
}

fn failed(
    name: String,
    error_code: ErrorCode,
    error_message: Option<Cow<'static, str>>,
) -> CreatableTopicResult<'static> {
    CreatableTopicResult {
        name: name.into(),
        error_code,
        error_message,
        configs: Some(Vec::new()),
        ..CreatableTopicResult::default()
    }
}
