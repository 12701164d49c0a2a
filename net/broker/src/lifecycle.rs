//! Start, serve, drain, stop, in this order. Runs on shard 0; the other shards answer its calls.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use engine_base::ShardId;
use engine_runtime::{
    Door, Either, ProcessId, ShardContext, ShardOptions, SimShard, SimWorld,
    StartError as RuntimeError, launch, now, race, shutdown_signal, spawn, spawn_critical,
};
use engine_shard::limits::MAILBOX_MESSAGES_MAX;
use engine_shard::{Message, Shards};

use crate::config::BrokerConfig;
use crate::controller_host::ControllerHost;
use crate::core::Core;
use crate::directory::{self, DataDirectory};
use crate::error::StartError;
use crate::opening::open_logs;
use crate::running::{MetricsHandle, Ready, StopHandle};
use crate::stopping::stop;
use crate::{acceptor, cluster, listeners, missing};

/// Runs a broker until it is told to stop by SIGTERM or SIGINT. `on_ready` is called once, on
/// shard 0, when it serves.
///
/// # Errors
/// Why it did not start, or stopped by itself.
pub fn run(
    config: BrokerConfig,
    on_ready: impl Fn(Ready) + Send + Sync + 'static,
) -> Result<(), StartError> {
    let options = ShardOptions {
        count: config.shard_count.map(usize::from),
        mailbox_capacity: MAILBOX_MESSAGES_MAX,
        ..ShardOptions::default()
    };
    let config = Arc::new(config);
    let on_ready = Arc::new(on_ready);
    let shards = launch(&options, move |context: ShardContext<Message<Core>>| {
        let on_ready = on_ready.clone();
        shard_main(context, config.clone(), move |ready| on_ready(ready))
    })
    .map_err(|error| match error {
        RuntimeError::Denied { .. } => StartError::Denied(error.to_string()),
        other => StartError::Config(other.to_string()),
    })?;
    // Shard 0 tells the others to end; its result is the broker's.
    let results: Vec<_> = shards
        .into_iter()
        .map(engine_runtime::ShardHandle::join)
        .collect();
    results.into_iter().collect()
}

/// Runs a broker's shards in a process of the simulated world, until it is told to stop. The world
/// has no signals: [`Ready::stop`] ends it.
pub fn simulate(
    world: &SimWorld,
    process: ProcessId,
    config: BrokerConfig,
    on_ready: impl Fn(Ready) + 'static,
) -> Vec<SimShard<Result<(), StartError>>> {
    let count = config.shard_count.map_or(1, usize::from);
    let config = Arc::new(config);
    let on_ready = Rc::new(on_ready);
    world.launch(
        process,
        count,
        MAILBOX_MESSAGES_MAX,
        move |context: ShardContext<Message<Core>>| {
            let on_ready = on_ready.clone();
            shard_main(context, config.clone(), move |ready| on_ready(ready))
        },
    )
}

async fn shard_main(
    context: ShardContext<Message<Core>>,
    config: Arc<BrokerConfig>,
    on_ready: impl Fn(Ready),
) -> Result<(), StartError> {
    let shards = Shards::new(context.mesh);
    let core = Core::new(config, shards.clone());
    let served = core.clone();
    let mailbox = spawn_critical("mailbox", async move { shards.serve(&served).await });
    let result = if core.id() == ShardId(0) {
        let result = run_broker(&core, &on_ready).await;
        end_others(&core).await;
        result
    } else {
        core.ended.wait().await;
        Ok(())
    };
    mailbox.cancel();
    result
}

async fn end_others(core: &Rc<Core>) {
    for shard in (1..core.shards.count()).map(ShardId) {
        core.shards.tell(shard, |core| core.ended.notify_all());
    }
}

async fn run_broker(core: &Rc<Core>, on_ready: &impl Fn(Ready)) -> Result<(), StartError> {
    let began = now();
    let lock = directory::lock(&core.config.log_dir).await?;
    listeners::check(&core.config).await?;
    let directory = DataDirectory::open(&core.config, lock).await?;
    let (previous, folders) = open_logs(core, &directory).await?;
    let listeners = listeners::bind(&core.config).await?;
    let advertised = listeners::advertised(&core.config, &listeners);
    let controller = ControllerHost::start(core, &directory, &advertised, previous)
        .await
        .map_err(|error| directory.of_metadata(error))?;
    let lost = missing::report(core, &folders);
    set_strays_aside(core).await?;
    let bound: Vec<(String, SocketAddr)> = core
        .config
        .listeners
        .iter()
        .zip(&listeners)
        .map(|(config, listener)| (config.name.clone(), listener.local_addr()))
        .collect();
    for (index, listener) in listeners.into_iter().enumerate() {
        spawn(acceptor::accept(core.clone(), listener, index)).detach();
    }
    tracing::info!("serving after {} ms", now().since(began).as_millis());
    let door = Door::new(core.clone());
    let metrics = MetricsHandle { door: door.clone() };
    on_ready(Ready {
        node_id: core.config.node_id.0,
        listeners: bound,
        advertised,
        metrics,
        lost,
        stop: StopHandle { door },
    });
    match race(shutdown_signal(), core.stopping.wait()).await {
        Either::Left(Ok(signal)) => tracing::info!("{signal:?}: draining"),
        Either::Left(Err(error)) => {
            return Err(StartError::io("waiting for signals in", "/", error));
        }
        Either::Right(()) => tracing::info!("asked to stop: draining"),
    }
    stop(core, &controller, &directory).await
}

async fn set_strays_aside(core: &Rc<Core>) -> Result<(), StartError> {
    for shard in (0..core.shards.count()).map(ShardId) {
        let dropped = core.shards.ask(shard, |core| async move {
            cluster::set_strays_aside(&core).await
        });
        dropped
            .await
            .map_err(|_| StartError::Damaged("a shard ended".to_owned()))??;
    }
    Ok(())
}
