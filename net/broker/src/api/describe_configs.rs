//! DescribeConfigs (key 32): what holds for topics and brokers, and why. KIP-133, 226, 569.

use net_wire::ErrorCode;
use net_wire::message::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
    DescribeConfigsResponse, DescribeConfigsResult, DescribeConfigsSynonym,
};
use replication_controller::{BrokerConfigs, ConfigDescription, TopicConfigs};
use replication_metadata::image::ResourceType;

use crate::catalog::is_valid_name;
use crate::context::Context;

pub(crate) async fn handle(
    context: &Context<'_>,
    request: DescribeConfigsRequest<'_>,
) -> DescribeConfigsResponse<'static> {
    let (synonyms, documentation) = (request.include_synonyms, request.include_documentation);
    let results = request.resources.into_iter().map(|resource| {
        let described = describe(context, &resource);
        let (error, configs) = match described {
            Ok(configs) => (None, configs),
            Err(error) => (Some(error), Vec::new()),
        };
        let is_wanted = |config: &ConfigDescription| match &resource.configuration_keys {
            Some(keys) if !keys.is_empty() => keys.iter().any(|key| *key == config.name),
            _ => true,
        };
        let configs = configs.into_iter().filter(is_wanted);
        DescribeConfigsResult {
            error_code: error.as_ref().map_or(ErrorCode::NONE, |(code, _)| *code),
            error_message: error.map(|(_, message)| message.into()),
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.into_owned().into(),
            configs: configs
                .map(|config| result_of(config, synonyms, documentation))
                .collect(),
        }
    });
    DescribeConfigsResponse {
        results: results.collect(),
        ..DescribeConfigsResponse::default()
    }
}

fn describe(
    context: &Context<'_>,
    resource: &DescribeConfigsResource<'_>,
) -> Result<Vec<ConfigDescription>, (ErrorCode, String)> {
    let config = &context.core.config;
    let image = &context.catalog.image;
    let name = &*resource.resource_name;
    let brokers = BrokerConfigs::new(&config.properties, image.configs(), config.node_id.0);
    match ResourceType::from_id(resource.resource_type) {
        Some(ResourceType::Topic) if context.catalog.topic(name).is_some() => {
            let overrides = image.configs().topic(name);
            Ok(TopicConfigs {
                overrides: &overrides,
                brokers: &brokers,
            }
            .describe())
        }
        Some(ResourceType::Topic) => {
            let code = if is_valid_name(name) {
                ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
            } else {
                ErrorCode::INVALID_TOPIC_EXCEPTION
            };
            Err((code, code.message().to_owned()))
        }
        // The empty name asks for what was set for all brokers.
        Some(ResourceType::Broker) if name.is_empty() => Ok(brokers.describe_cluster()),
        Some(ResourceType::Broker) if *name == *config.node_id.0.to_string() => {
            Ok(brokers.describe())
        }
        Some(ResourceType::Broker) => Err((
            ErrorCode::INVALID_REQUEST,
            format!(
                "Unexpected broker id, expected {} or empty string, but received {name}",
                config.node_id.0
            ),
        )),
        Some(ResourceType::ClientMetrics | ResourceType::Group | ResourceType::BrokerLogger) => {
            // Nothing of these kinds can be set here, so nothing is.
            Ok(Vec::new())
        }
        None => Err((
            ErrorCode::INVALID_REQUEST,
            format!("Unsupported resource type: {}", resource.resource_type),
        )),
    }
}

fn result_of(
    config: ConfigDescription,
    synonyms: bool,
    documentation: bool,
) -> DescribeConfigsResourceResult<'static> {
    let shown = config.synonyms.into_iter().filter(|_| synonyms);
    DescribeConfigsResourceResult {
        name: config.name.into(),
        value: config.value.map(Into::into),
        read_only: config.read_only,
        config_source: config.source.id(),
        is_sensitive: config.sensitive,
        synonyms: shown
            .map(|synonym| DescribeConfigsSynonym {
                name: synonym.name.into(),
                value: synonym.value.map(Into::into),
                source: synonym.source.id(),
            })
            .collect(),
        config_type: config.kind.map_or(0, |kind| kind.id()),
        documentation: documentation.then(|| config.documentation.into()),
    }
}
