//! IncrementalAlterConfigs (key 44): set, delete, append to, subtract from. KIP-339.

use net_wire::ErrorCode;
use net_wire::message::incremental_alter_configs::{
    AlterConfigsResource, AlterConfigsResourceResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};
use replication_controller::command::{AlterConfigs, ConfigChange, ConfigOperation};
use replication_controller::{Answer, Command};
use replication_metadata::image::{ConfigResource, ResourceType};

use crate::context::Context;
use crate::controller_client::{code_of, submit, text_of};

pub(crate) async fn handle(
    context: &Context<'_>,
    request: IncrementalAlterConfigsRequest<'_>,
) -> IncrementalAlterConfigsResponse<'static> {
    let mut responses = Vec::with_capacity(request.resources.len());
    let mut resources = Vec::new();
    for resource in request.resources {
        match changes_of(&resource) {
            Ok(changes) => resources.push(changes),
            Err(message) => responses.push(AlterConfigsResourceResponse {
                error_code: ErrorCode::INVALID_REQUEST,
                error_message: Some(message.into()),
                resource_type: resource.resource_type,
                resource_name: resource.resource_name.into_owned().into(),
            }),
        }
    }
    let validate_only = request.validate_only;
    let names: Vec<ConfigResource> = resources.iter().map(|(name, _)| name.clone()).collect();
    let command = Command::AlterConfigs(AlterConfigs {
        resources,
        validate_only,
        legacy: false,
    });
    match submit(context.core, command).await {
        Ok(Answer::ConfigsAltered(results)) => {
            responses.extend(results.into_iter().map(|(resource, result)| {
                let error_code = result
                    .as_ref()
                    .err()
                    .map_or(ErrorCode::NONE, |error| code_of(error.kind));
                answer(
                    resource,
                    error_code,
                    result.err().map(|error| text_of(&error)),
                )
            }));
        }
        Ok(_) => unreachable!("the answer is of the command's kind"),
        Err(refused) => responses.extend(names.into_iter().map(|name| {
            let message = refused.message.as_ref().map(ToString::to_string);
            answer(name, refused.error_code, message)
        })),
    }
    IncrementalAlterConfigsResponse {
        responses,
        ..IncrementalAlterConfigsResponse::default()
    }
}

fn answer(
    resource: ConfigResource,
    error_code: ErrorCode,
    message: Option<String>,
) -> AlterConfigsResourceResponse<'static> {
    AlterConfigsResourceResponse {
        error_code,
        error_message: message
            .map(Into::into)
            .or_else(|| crate::dispatch::message_of(error_code)),
        resource_type: resource.kind.id(),
        resource_name: resource.name.into(),
    }
}

fn changes_of(
    resource: &AlterConfigsResource<'_>,
) -> Result<(ConfigResource, Vec<ConfigChange>), String> {
    let kind = ResourceType::from_id(resource.resource_type)
        .ok_or_else(|| format!("Unknown resource type {}", resource.resource_type))?;
    let mut changes = Vec::with_capacity(resource.configs.len());
    for config in &resource.configs {
        let operation = match config.config_operation {
            0 => ConfigOperation::Set,
            1 => ConfigOperation::Delete,
            2 => ConfigOperation::Append,
            3 => ConfigOperation::Subtract,
            other => return Err(format!("Unknown operation type {other}")),
        };
        changes.push(ConfigChange {
            name: config.name.to_string(),
            operation,
            value: config.value.as_deref().map(str::to_owned),
        });
    }
    Ok((ConfigResource::new(kind, &resource.resource_name), changes))
}
