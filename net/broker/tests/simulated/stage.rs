//! A world with one broker's machine, and how to start, stop and break it.

use std::cell::{Cell, RefCell};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Once;
use std::time::Duration;

use engine_base::MIB;
use engine_runtime::disk::FlushScope;
use engine_runtime::{ProcessId, ShardContext, SimOptions, SimShard, SimWorld};
use net_broker::config::{FlushFiles, ListenerConfig};
use net_broker::metrics::Snapshot;
use net_broker::{BrokerConfig, MetricsHandle, StartError, StopHandle, simulate};

pub(crate) const PORT: u16 = 9092;
const HOST: &str = "broker";
/// A start may find another number of cores than the one before: from one to this many.
const SHARDS_MAX: u64 = 3;

/// The longest simulated time a start may take.
const START_TIME_MAX: Duration = Duration::from_secs(60);
/// The longest simulated time a clean stop may take.
const STOP_TIME_MAX: Duration = Duration::from_secs(60);

thread_local! {
    static PANICS: Cell<u32> = const { Cell::new(0) };
}

/// A panic that a task's guard catches is a finding all the same: each is counted.
fn count_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.set(PANICS.get() + 1);
            before(info);
        }));
    });
    PANICS.set(0);
}

/// See the module.
pub(crate) struct Stage {
    pub(crate) world: SimWorld,
    pub(crate) broker: ProcessId,
    config: BrokerConfig,
    /// Together with the number of starts it decides the number of shards.
    seed: u64,
    starts: Cell<u64>,
    stop: Rc<RefCell<Option<StopHandle>>>,
    metrics: Rc<RefCell<Option<MetricsHandle>>>,
    /// What the last start said of lost partitions.
    pub(crate) lost: Rc<RefCell<Vec<String>>>,
    shards: RefCell<Vec<SimShard<Result<(), StartError>>>>,
}

impl Stage {
    /// A world with a broker that serves.
    pub(crate) fn new(seed: u64) -> Self {
        Self::with(seed, |_| {})
    }

    /// The same, configured otherwise.
    pub(crate) fn with(seed: u64, change: impl FnOnce(&mut BrokerConfig)) -> Self {
        count_panics();
        // One in two disks forces only the file that a flush names.
        let (flush_scope, flush_files) = match seed % 2 {
            0 => (FlushScope::Device, FlushFiles::Journal),
            _ => (FlushScope::File, FlushFiles::Each),
        };
        let options = SimOptions {
            flush_scope,
            ..SimOptions::default()
        };
        let world = SimWorld::new(seed, options);
        let broker = world.add_process(HOST);
        let mut config = BrokerConfig {
            flush_files,
            ..config()
        };
        change(&mut config);
        let stage = Self {
            world,
            broker,
            config,
            seed,
            starts: Cell::new(0),
            stop: Rc::default(),
            metrics: Rc::default(),
            lost: Rc::default(),
            shards: RefCell::default(),
        };
        stage.start();
        stage
    }

    /// Starts the broker on what its disk holds, and waits until it serves.
    pub(crate) fn start(&self) {
        self.begin_start();
        let is_ready = self.world.run_until(START_TIME_MAX, || {
            self.stop.borrow().is_some() || self.shards.borrow()[0].is_finished()
        });
        if self.stop.borrow().is_none() {
            let result = self.shards.borrow()[0].result();
            panic!("the broker did not start ({is_ready}): {result:?}");
        }
    }

    /// Starts the broker on a disk that it refuses, and returns what it says.
    pub(crate) fn start_fails(&self) -> String {
        self.begin_start();
        let has_ended = || self.shards.borrow()[0].is_finished();
        assert!(self.world.run_until(START_TIME_MAX, has_ended), "it serves");
        let result = self.shards.borrow()[0].result();
        self.world.kill(self.broker);
        result.expect("it has finished").unwrap_err().to_string()
    }

    /// Starts the broker and lets it alone.
    pub(crate) fn begin_start(&self) {
        *self.stop.borrow_mut() = None;
        let (stop, metrics) = (self.stop.clone(), self.metrics.clone());
        let lost = self.lost.clone();
        let starts = self.starts.get() + 1;
        self.starts.set(starts);
        let shard_count = 1 + (self.seed + starts) % SHARDS_MAX;
        let config = BrokerConfig {
            shard_count: Some(shard_count as u16),
            ..self.config.clone()
        };
        let shards = simulate(&self.world, self.broker, config, move |ready| {
            *stop.borrow_mut() = Some(ready.stop);
            *metrics.borrow_mut() = Some(ready.metrics);
            *lost.borrow_mut() = ready.lost;
        });
        *self.shards.borrow_mut() = shards;
    }

    /// Stops the broker as SIGTERM does.
    pub(crate) fn stop_clean(&self) {
        let stop = self.stop.borrow_mut().take();
        stop.expect("the broker serves").stop();
        let shards = self.shards.borrow();
        let has_stopped = self
            .world
            .run_until(STOP_TIME_MAX, || shards.iter().all(SimShard::is_finished));
        assert!(has_stopped, "the broker did not stop");
        for shard in &*shards {
            let result = shard.result().expect("it has finished");
            assert!(result.is_ok(), "the broker did not stop clean: {result:?}");
        }
        // The process ends with its last shard.
        self.world.kill(self.broker);
    }

    /// Stops the broker as SIGTERM does, where it cannot do so clean; returns what it says.
    pub(crate) fn stop_fails(&self) -> String {
        let stop = self.stop.borrow_mut().take();
        stop.expect("the broker serves").stop();
        let shards = self.shards.borrow();
        let are_over = || shards.iter().all(SimShard::is_finished);
        assert!(
            self.world.run_until(STOP_TIME_MAX, are_over),
            "it does not stop"
        );
        let result = shards[0].result().expect("it has finished");
        self.world.kill(self.broker);
        result.unwrap_err().to_string()
    }

    /// What the broker counted since its start.
    pub(crate) fn metrics(&self) -> Snapshot {
        let (sender, receiver) = std::sync::mpsc::channel();
        let handle = self.metrics.borrow();
        let handle = handle.as_ref().expect("the broker has been ready");
        handle.ask(move |snapshot| sender.send(snapshot).unwrap());
        let answer = Cell::new(None);
        let has_answered = || {
            answer.set(receiver.try_recv().ok());
            let taken = answer.take();
            let is_there = taken.is_some();
            answer.set(taken);
            is_there
        };
        assert!(self.world.run_until(STOP_TIME_MAX, has_answered));
        answer.take().expect("it was seen")
    }

    /// A machine for a client.
    pub(crate) fn add_client(&self, name: &str) -> ProcessId {
        self.world.add_process(name)
    }

    /// Starts a client's work, which goes on while the world runs.
    pub(crate) fn begin<F>(&self, client: ProcessId, work: impl Fn() -> F) -> SimShard<()>
    where
        F: Future<Output = ()> + 'static,
    {
        let mut shards = self
            .world
            .launch(client, 1, 4, |_: ShardContext<()>| work());
        shards.remove(0)
    }

    /// Does something to the disk of a broker that is down.
    pub(crate) fn on_disk<T: 'static>(&self, work: impl Future<Output = T> + 'static) -> T {
        let result = self.world.runtime(self.broker).block_on(work);
        self.world.kill(self.broker);
        result
    }

    /// Does a client's work from a machine of its own.
    pub(crate) fn client<T, F>(&self, work: impl FnOnce() -> F) -> T
    where
        T: 'static,
        F: Future<Output = T> + 'static,
    {
        let client = self.add_client("a client");
        self.world.runtime(client).block_on(work())
    }

    /// Nothing panicked so far, also nothing that a guard caught.
    pub(crate) fn assert_no_panics(&self) {
        assert_eq!(PANICS.get(), 0, "a task panicked");
    }
}

/// Small, so that a run is short.
fn config() -> BrokerConfig {
    BrokerConfig {
        cluster_id: Some("4L6g3nShT-eMCtK--X86sw".to_owned()),
        log_dir: "/data".into(),
        listeners: vec![ListenerConfig {
            name: "PLAINTEXT".to_owned(),
            bind: SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)),
            advertised_host: HOST.to_owned(),
            advertised_port: None,
        }],
        memory_bytes: 64 * MIB,
        offsets_partitions: 3,
        group_initial_rebalance_delay: Duration::from_millis(100),
        ..BrokerConfig::default()
    }
}
