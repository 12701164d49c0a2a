//! From a frame to its answer: one line for each API.

use std::rc::Rc;

use engine_codec::{Message, Reader};
use engine_runtime::{Slice, now, now_exactly};
use net_conn::{Answer, Close, Handled, Handler};
use net_wire::message as m;
use net_wire::{ApiKey, ErrorCode, RequestError, RequestHeader, Response, frame, versions};

use crate::api;
use crate::context::{Client, Context};
use crate::core::Core;

/// Requests that are not Produce hold no data of ours to store: they are small, or hostile.
const SMALL_REQUEST_BYTES_MAX: usize = 8 * engine_base::MIB;

/// Serves the requests of one connection.
pub(crate) struct Dispatcher {
    core: Rc<Core>,
    client: Rc<Client>,
}

impl Dispatcher {
    pub(crate) fn new(core: Rc<Core>, client: Client) -> Self {
        Self {
            core,
            client: Rc::new(client),
        }
    }
}

impl Handler for Dispatcher {
    fn handle(&self, frame: Slice) -> Handled {
        let is_produce = frame.first_chunk() == Some(&ApiKey::Produce.code().to_be_bytes());
        let answer = Box::pin(serve(self.core.clone(), self.client.clone(), frame));
        if is_produce {
            Handled::Pipelined(answer)
        } else {
            Handled::Sequential(answer)
        }
    }
}

async fn serve(core: Rc<Core>, client: Rc<Client>, frame: Slice) -> Result<Answer, Close> {
    let started = now();
    let mut reader = Reader::new(&frame);
    let header = match RequestHeader::read(&mut reader) {
        Ok(header) => header,
        Err(RequestError::UnsupportedApiVersions { correlation_id }) => {
            let response = versions::unsupported_api_versions_response();
            let error_code = ErrorCode::UNSUPPORTED_VERSION;
            core.metrics.note_error(ApiKey::ApiVersions, error_code);
            return answer(&response, 0, correlation_id);
        }
        Err(error) => return Err(Close(error.to_string())),
    };
    let api_key = header.api_key;
    if api_key != ApiKey::Produce && frame.len() > SMALL_REQUEST_BYTES_MAX {
        return Err(Close(format!(
            "a {api_key} request of {} bytes",
            frame.len()
        )));
    }
    let catalog = core.catalog();
    let context = Context {
        core: &core,
        client: &client,
        header: &header,
        catalog,
        frame: &frame,
    };
    let result = route(&context, reader.rest()).await;
    let took = now_exactly().since(started);
    core.metrics.note_request(api_key, took, result.is_err());
    tracing::debug!(
        connection = client.connection,
        client_id = header.client_id.as_deref().unwrap_or_default(),
        correlation_id = header.correlation_id,
        took_us = took.as_micros(),
        "{api_key} v{}",
        header.api_version
    );
    result
}

/// Decodes the body as `$request`, asks `$handler`, encodes what it says. Bytes after the body are
/// ignored, as Kafka does. Boxed, or a produce request would carry room for the largest handler.
macro_rules! call {
    ($context:expr, $body:expr, $request:ty, $handler:path) => {{
        let version = $context.version();
        let request = <$request>::read_from(&mut Reader::new($body), version)
            .map_err(|error| Close(format!("{} v{version}: {error}", $context.header.api_key)))?;
        let response = Box::pin($handler($context, request)).await;
        $context.note_errors(&response);
        answer(&response, version, $context.header.correlation_id)
    }};
}

async fn route(context: &Context<'_>, body: &[u8]) -> Result<Answer, Close> {
    match context.header.api_key {
        ApiKey::Produce => api::produce::handle(context, body).await,
        ApiKey::Fetch => Box::pin(api::fetch::handle(context, body)).await,
        ApiKey::ListOffsets => call!(
            context,
            body,
            m::ListOffsetsRequest<'_>,
            api::list_offsets::handle
        ),
        ApiKey::Metadata => call!(context, body, m::MetadataRequest<'_>, api::metadata::handle),
        ApiKey::OffsetCommit => call!(
            context,
            body,
            m::OffsetCommitRequest<'_>,
            api::offset_commit::handle
        ),
        ApiKey::OffsetFetch => call!(
            context,
            body,
            m::OffsetFetchRequest<'_>,
            api::offset_fetch::handle
        ),
        ApiKey::FindCoordinator => call!(
            context,
            body,
            m::FindCoordinatorRequest<'_>,
            api::find_coordinator::handle
        ),
        ApiKey::JoinGroup => call!(
            context,
            body,
            m::JoinGroupRequest<'_>,
            api::join_group::handle
        ),
        ApiKey::Heartbeat => call!(
            context,
            body,
            m::HeartbeatRequest<'_>,
            api::heartbeat::handle
        ),
        ApiKey::LeaveGroup => call!(
            context,
            body,
            m::LeaveGroupRequest<'_>,
            api::leave_group::handle
        ),
        ApiKey::SyncGroup => call!(
            context,
            body,
            m::SyncGroupRequest<'_>,
            api::sync_group::handle
        ),
        ApiKey::DescribeGroups => call!(
            context,
            body,
            m::DescribeGroupsRequest<'_>,
            api::describe_groups::handle
        ),
        ApiKey::ListGroups => call!(
            context,
            body,
            m::ListGroupsRequest<'_>,
            api::list_groups::handle
        ),
        ApiKey::ApiVersions => call!(
            context,
            body,
            m::ApiVersionsRequest<'_>,
            api::api_versions::handle
        ),
        ApiKey::CreateTopics => call!(
            context,
            body,
            m::CreateTopicsRequest<'_>,
            api::create_topics::handle
        ),
        ApiKey::DeleteTopics => call!(
            context,
            body,
            m::DeleteTopicsRequest<'_>,
            api::delete_topics::handle
        ),
        ApiKey::InitProducerId => call!(
            context,
            body,
            m::InitProducerIdRequest<'_>,
            api::init_producer_id::handle
        ),
        ApiKey::OffsetForLeaderEpoch => call!(
            context,
            body,
            m::OffsetForLeaderEpochRequest<'_>,
            api::offset_for_leader_epoch::handle
        ),
        ApiKey::DescribeConfigs => call!(
            context,
            body,
            m::DescribeConfigsRequest<'_>,
            api::describe_configs::handle
        ),
        ApiKey::DeleteGroups => call!(
            context,
            body,
            m::DeleteGroupsRequest<'_>,
            api::delete_groups::handle
        ),
        ApiKey::IncrementalAlterConfigs => call!(
            context,
            body,
            m::IncrementalAlterConfigsRequest<'_>,
            api::incremental_alter_configs::handle
        ),
        ApiKey::OffsetDelete => call!(
            context,
            body,
            m::OffsetDeleteRequest<'_>,
            api::offset_delete::handle
        ),
        ApiKey::DescribeCluster => call!(
            context,
            body,
            m::DescribeClusterRequest,
            api::describe_cluster::handle
        ),
        ApiKey::DescribeTopicPartitions => call!(
            context,
            body,
            m::DescribeTopicPartitionsRequest<'_>,
            api::describe_topic_partitions::handle
        ),
    }
}

/// The answer's frame.
pub(crate) fn answer<R: Response>(
    response: &R,
    version: i16,
    correlation_id: i32,
) -> Result<Answer, Close> {
    let mut bytes = Vec::new();
    frame::write_response(&mut bytes, response, version, correlation_id)
        .map_err(|error| Close(format!("an answer could not be encoded: {error}")))?;
    Ok(Some(vec![Slice::from_vec(bytes)]))
}

/// A string for an answer's error message; `None` when there is no error.
pub(crate) fn message_of(error: ErrorCode) -> Option<std::borrow::Cow<'static, str>> {
    (error != ErrorCode::NONE).then(|| error.message().into())
}
