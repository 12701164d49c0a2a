//! Producer ids, from the block that this shard was given by the controller.

use std::rc::Rc;

use net_wire::ErrorCode;
use replication_controller::{Answer, Command};

use crate::controller_client::submit;
use crate::core::Core;

/// The next id. Blocks are durable before they are used, so that an id is never given twice; what
/// is left of one is lost at a stop.
pub(crate) async fn next_producer_id(core: &Rc<Core>) -> Result<i64, ErrorCode> {
    loop {
        let (next, left) = core.producer_ids.get();
        if left > 0 {
            core.producer_ids.set((next + 1, left - 1));
            return Ok(next);
        }
        let broker_id = core.config.node_id.0;
        let broker = core
            .catalog()
            .image
            .cluster()
            .broker(broker_id)
            .map(|broker| broker.epoch);
        let broker_epoch = broker.ok_or(ErrorCode::COORDINATOR_NOT_AVAILABLE)?;
        let command = Command::AllocateProducerIds {
            broker_id,
            broker_epoch,
        };
        let answer = submit(core, command).await;
        match answer.map_err(|refused| refused.error_code)? {
            Answer::ProducerIds { first, count } => {
                let count = u32::try_from(count).unwrap_or(0);
                // Another request may have fetched a block meanwhile; the larger rest is kept.
                if core.producer_ids.get().1 < count {
                    core.producer_ids.set((first, count));
                }
            }
            _ => unreachable!("the answer is of the command's kind"),
        }
    }
}
