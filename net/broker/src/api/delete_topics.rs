//! DeleteTopics (key 20). KIP-4, 516, 599.

use engine_base::Uuid;
use net_wire::ErrorCode;
use net_wire::message::delete_topics::{
    DeletableTopicResult, DeleteTopicsRequest, DeleteTopicsResponse,
};
use replication_controller::command::TopicSelector;
use replication_controller::{Answer, Command};

use crate::context::Context;
use crate::controller_client::{code_of, submit, text_of};

/// Topics are named or identified from this version on; before, they are only named.
const IDS_FROM: i16 = 6;

pub(crate) async fn handle(
    context: &Context<'_>,
    request: DeleteTopicsRequest<'_>,
) -> DeleteTopicsResponse<'static> {
    let selectors: Vec<TopicSelector> = if context.version() >= IDS_FROM {
        request
            .topics
            .into_iter()
            .map(|topic| match topic.name {
                Some(name) => TopicSelector::Name(name.into_owned()),
                None => TopicSelector::Id(topic.topic_id),
            })
            .collect()
    } else {
        request
            .topic_names
            .into_iter()
            .map(|name| TopicSelector::Name(name.into_owned()))
            .collect()
    };
    if !context.core.config.delete_topics {
        // Versions up to 2 have no such error (KAFKA-6147).
        let error_code = match context.version() {
            ..3 => ErrorCode::INVALID_REQUEST,
            _ => ErrorCode::TOPIC_DELETION_DISABLED,
        };
        let responses = selectors
            .into_iter()
            .map(|selector| failed(selector, error_code, None));
        return DeleteTopicsResponse {
            responses: responses.collect(),
            ..DeleteTopicsResponse::default()
        };
    }
    let responses = match submit(context.core, Command::DeleteTopics(selectors.clone())).await {
        Ok(Answer::TopicsDeleted(results)) => results
            .into_iter()
            .map(|(selector, result)| match result {
                Ok(deleted) => DeletableTopicResult {
                    name: Some(deleted.name.into()),
                    topic_id: deleted.id,
                    ..DeletableTopicResult::default()
                },
                Err(error) => failed(selector, code_of(error.kind), Some(text_of(&error))),
            })
            .collect(),
        Ok(_) => unreachable!("the answer is of the command's kind"),
        Err(refused) => selectors
            .into_iter()
            .map(|selector| {
                let message = refused.message.as_ref().map(ToString::to_string);
                failed(selector, refused.error_code, message)
            })
            .collect(),
    };
    DeleteTopicsResponse {
        responses,
        ..DeleteTopicsResponse::default()
    }
}

fn failed(
    selector: TopicSelector,
    error_code: ErrorCode,
    message: Option<String>,
) -> DeletableTopicResult<'static> {
    let (name, topic_id) = match selector {
        TopicSelector::Name(name) => (Some(name.into()), Uuid::ZERO),
        TopicSelector::Id(id) => (None, id),
    };
    DeletableTopicResult {
        name,
        topic_id,
        error_code,
        error_message: message
            .map(Into::into)
            .or_else(|| crate::dispatch::message_of(error_code)),
    }
}
