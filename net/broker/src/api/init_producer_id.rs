//! InitProducerId (key 22): an id for an idempotent producer. KIP-98, 360.

use net_wire::ErrorCode;
use net_wire::message::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};

use crate::context::Context;
use crate::producer_ids::next_producer_id;

pub(crate) async fn handle(
    context: &Context<'_>,
    request: InitProducerIdRequest<'_>,
) -> InitProducerIdResponse {
    if request.transactional_id.is_some() {
        // Transactions are not served; FindCoordinator says so before a client comes here.
        return failed(ErrorCode::INVALID_REQUEST);
    }
    // Either both of the client's id and epoch are known, or neither is (KIP-360).
    if (request.producer_id == -1) != (request.producer_epoch == -1) {
        return failed(ErrorCode::INVALID_REQUEST);
    }
    match next_producer_id(context.core).await {
        Ok(producer_id) => InitProducerIdResponse {
            producer_id,
            producer_epoch: 0,
            ..InitProducerIdResponse::default()
        },
        Err(error_code) => failed(error_code),
    }
}

fn failed(error_code: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse {
        error_code,
        producer_epoch: -1,
        ..InitProducerIdResponse::default()
    }
}
