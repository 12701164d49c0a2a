//! Metadata (key 3): brokers, topics and their leaders; creates topics that are asked for, if the
//! broker and the client allow it. KIP-4, 430, 516, 700.

use engine_base::{HashSet, Uuid};
use net_wire::ErrorCode;
use net_wire::message::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseBroker,
    MetadataResponsePartition, MetadataResponseTopic,
};

use super::topology::{
    CLUSTER_OPERATIONS, NO_OPERATIONS, TOPIC_OPERATIONS, nodes, offline_replicas, partition_error,
};
use crate::catalog::{Catalog, Topic, is_internal, is_valid_name};
use crate::context::Context;
use crate::topic_creation::create_missing;

pub(crate) async fn handle(
    context: &Context<'_>,
    request: MetadataRequest<'_>,
) -> MetadataResponse<'static> {
    let topics_operations = if request.include_topic_authorized_operations {
        TOPIC_OPERATIONS
    } else {
        NO_OPERATIONS
    };
    let mut topics = match request.topics {
        // Version 0 had no null: its empty list stands for all.
        Some(topics) if context.version() > 0 || !topics.is_empty() => {
            let may_create = request.allow_auto_topic_creation || context.version() < 4;
            named_topics(context, topics, may_create).await
        }
        _ => all_topics(context),
    };
    for topic in &mut topics {
        topic.topic_authorized_operations = topics_operations;
    }
    let brokers = nodes(context)
        .into_iter()
        .map(|node| MetadataResponseBroker {
            node_id: node.id,
            host: node.host.into(),
            port: node.port,
            rack: node.rack.map(Into::into),
        })
        .collect();
    let mut response = MetadataResponse {
        brokers,
        cluster_id: Some(context.core.cluster_id().to_owned().into()),
        controller_id: context.core.config.node_id.0,
        topics,
        ..MetadataResponse::default()
    };
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = CLUSTER_OPERATIONS;
    }
    response
}

fn all_topics(context: &Context<'_>) -> Vec<MetadataResponseTopic<'static>> {
    context
        .catalog
        .topics()
        .into_iter()
        .map(|topic| describe(context, topic))
        .collect()
}

async fn named_topics(
    context: &Context<'_>,
    mut topics: Vec<MetadataRequestTopic<'_>>,
    may_create: bool,
) -> Vec<MetadataResponseTopic<'static>> {
    let mut seen = HashSet::default();
    topics.retain(|topic| seen.insert((topic.name.clone(), topic.topic_id)));
    let is_missing = |name: &&str| context.catalog.topic(name).is_none() && is_valid_name(name);
    let missing: Vec<String> = topics
        .iter()
        .filter_map(|topic| topic.name.as_deref())
        .filter(is_missing)
        .map(str::to_owned)
        .collect();
    let mut refused = Vec::new();
    if may_create && context.core.config.auto_create_topics && !missing.is_empty() {
        refused = create_missing(context.core, missing).await;
    }
    // What was just created is in the newest catalog only.
    let catalog = context.core.catalog();
    let mut answers = Vec::with_capacity(topics.len());
    for topic in topics {
        let answer = match topic.name {
            Some(name) => {
                let error = refused.iter().find(|(refused, _)| *refused == name);
                named(context, &catalog, &name, error.map(|(_, error)| *error))
            }
            None => by_id(context, &catalog, topic.topic_id),
        };
        answers.push(answer);
    }
    answers
}

fn named(
    context: &Context<'_>,
    catalog: &Catalog,
    name: &str,
    refused: Option<ErrorCode>,
) -> MetadataResponseTopic<'static> {
    if let Some(topic) = catalog.topic(name) {
        return describe(context, topic);
    }
    let error_code = match refused {
        Some(error_code) => error_code,
        None if is_valid_name(name) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        None => ErrorCode::INVALID_TOPIC_EXCEPTION,
    };
    MetadataResponseTopic {
        error_code,
        name: Some(name.to_owned().into()),
        is_internal: is_internal(name),
        ..MetadataResponseTopic::default()
    }
}

fn by_id(context: &Context<'_>, catalog: &Catalog, id: Uuid) -> MetadataResponseTopic<'static> {
    match catalog.topic_by_id(id) {
        Some(topic) => describe(context, topic),
        None => MetadataResponseTopic {
            error_code: ErrorCode::UNKNOWN_TOPIC_ID,
            // Before version 12 a name cannot be null.
            name: (context.version() < 12).then(|| "".into()),
            topic_id: id,
            ..MetadataResponseTopic::default()
        },
    }
}

fn describe(context: &Context<'_>, topic: &Topic) -> MetadataResponseTopic<'static> {
    let partitions = topic
        .partitions()
        .iter()
        .map(|partition| MetadataResponsePartition {
            error_code: partition_error(partition),
            partition_index: partition.partition,
            leader_id: partition.leader,
            leader_epoch: partition.leader_epoch,
            replica_nodes: partition.replicas.clone(),
            isr_nodes: partition.isr.clone(),
            offline_replicas: offline_replicas(context, partition),
        });
    MetadataResponseTopic {
        error_code: ErrorCode::NONE,
        name: Some(topic.name.to_string().into()),
        topic_id: topic.id,
        is_internal: topic.is_internal(),
        partitions: partitions.collect(),
        ..MetadataResponseTopic::default()
    }
}
