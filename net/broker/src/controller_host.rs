//! The controller of a quorum of one: performs what it decides, on shard 0.
//!
//! A command becomes records, the records a batch of `__cluster_metadata-0`; when the batch is
//! committed, the image it makes is published to every shard, and only then is the command
//! answered: who created a topic can use it at once, through any connection.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use engine_base::{ShardId, Uuid};
use engine_runtime::{Notify, critical, fs, random_bytes, spawn_critical, timeout, wall_clock_ms};
use replication_controller::command::{RegisterBroker, RegisterController};
use replication_controller::{Answer, ApiError, Command, Controller, Outcome, Settings};
use replication_metadata::batch::{BatchPlace, leader_change_batch, record_batch, record_batches};
use replication_metadata::image::Endpoint;
use replication_metadata::{MetadataImage, MetadataLoader, QuorumState, features};
use replication_partition::Partition;

use crate::catalog::Catalog;
use crate::cluster;
use crate::core::Core;
use crate::directory::DataDirectory;
use crate::error::StartError;
use crate::metadata_log::{self, append, apply, committed};
use crate::metadata_snapshot::{Found, SnapshotFiles, SnapshotGenerator};
use crate::opening::PreviousStop;
use crate::topic_settings::TopicSettings;

const QUORUM_STATE_FILE: &str = "quorum-state";
/// How long a broker that stops waits until its metadata is written: the disk may be full.
const LEAVE_TIME_MAX: Duration = Duration::from_secs(10);
const QUORUM_STATE_BYTES_MAX: usize = 64 << 10;

/// The controller and its log.
pub(crate) struct ControllerHost {
    core: std::rc::Weak<Core>,
    partition: Rc<Partition>,
    controller: RefCell<Controller>,
    loader: RefCell<MetadataLoader>,
    snapshots: Rc<SnapshotGenerator>,
    /// Batches to be written, in the order of the decisions.
    decided: RefCell<Vec<Vec<u8>>>,
    has_decided: Notify,
    /// The end of what was decided.
    decided_offset: Cell<i64>,
    /// The stop does not wait any more for what was decided.
    has_left: Cell<bool>,
    /// Every shard has applied the log up to here.
    published_offset: Cell<i64>,
    published: Notify,
}

impl ControllerHost {
    /// Replays the metadata log, takes the next epoch, and brings this broker into service. On
    /// return every shard has its partitions. `previous` says what is known of
    /// the life before.
    ///
    /// # Errors
    /// The log cannot be read or written, or holds what this program does not know.
    pub(crate) async fn start(
        core: &Rc<Core>,
        directory: &DataDirectory,
        advertised: &[(String, String, u16)],
        previous: PreviousStop,
    ) -> Result<Rc<Self>, StartError> {
        let partition = metadata_log::open(core).await?;
        let log_offsets = (partition.log_start_offset(), partition.log_end_offset());
        let mut files = SnapshotFiles::open(&directory.path, log_offsets.0).await?;
        let found = Found::find(&mut files, log_offsets).await?;
        let mut loader = found.loader();
        let replayed = metadata_log::replay(&partition, &mut loader, found.end_offset).await?;
        let voters = loader.quorum().voters.as_ref().or(found.voters.as_ref());
        voters.map_or(Ok(()), |voters| {
            directory.check_voters(voters, core.config.node_id.0)
        })?;
        let snapshots = SnapshotGenerator::new(&core.config.metadata_log, replayed);
        let host = Self::lead(core, partition, (loader, snapshots), &found, directory).await?;
        let publisher = host.clone();
        spawn_critical(
            "controller",
            async move { publisher.publish_for_ever().await },
        )
        .detach();
        let is_first = core.controller.set(host.clone()).is_ok();
        assert!(is_first);
        host.activate(&found).await;
        host.register(core, directory, advertised, previous).await?;
        host.begin_snapshots(files);
        Ok(host)
    }

    /// Opens an epoch: the quorum-state file first, durably, then the leader change in the log.
    async fn lead(
        core: &Rc<Core>,
        partition: Rc<Partition>,
        (mut loader, snapshots): (MetadataLoader, SnapshotGenerator),
        found: &Found,
        directory: &DataDirectory,
    ) -> Result<Rc<Self>, StartError> {
        let node_id = core.config.node_id.0;
        let folder = directory
            .path
            .join(replication_metadata::format::METADATA_LOG_FOLDER);
        let file = folder.join(QUORUM_STATE_FILE);
        let last_epoch = last_epoch(&file)
            .await?
            .max(partition.log().latest_epoch().unwrap_or(0));
        let leader_epoch = last_epoch.checked_add(1).ok_or_else(|| {
            StartError::Damaged(format!("{}: no epoch follows {last_epoch}", file.display()))
        })?;
        let state = QuorumState::leader(node_id, leader_epoch).to_text();
        let written = fs::write_file_atomic(&file, state.into_bytes()).await;
        written.map_err(|error| StartError::io("writing", &file, error))?;
        partition.set_leader_epoch(leader_epoch);

        let base_offset = partition.log_end_offset();
        let place = BatchPlace {
            base_offset,
            leader_epoch,
            now: wall_clock_ms(),
        };
        let voters = found.voters.as_ref().filter(|_| base_offset == 0);
        let bootstrap = voters.map(|voters| (found.kraft_version, voters));
        let (batch, _) = leader_change_batch(node_id, bootstrap, place);
        append(&partition, &batch, || false).await?;
        committed(&partition, partition.log_end_offset()).await;
        apply(&mut loader, &batch)?;
        loader.publish();

        let settings = Settings {
            node_id,
            cluster_id: directory.cluster_id.clone(),
            broker: core.config.properties.clone(),
        };
        let next_offset = partition.log_end_offset();
        let controller = Controller::new(settings, loader.published().clone(), next_offset);
        Ok(Rc::new(Self {
            core: Rc::downgrade(core),
            partition,
            controller: RefCell::new(controller),
            loader: RefCell::new(loader),
            snapshots: Rc::new(snapshots),
            decided: RefCell::default(),
            has_decided: Notify::new(),
            decided_offset: Cell::new(next_offset),
            has_left: Cell::new(false),
            published_offset: Cell::new(next_offset),
            published: Notify::new(),
        }))
    }

    /// The records of becoming active: those of a new cluster when the log has none yet.
    async fn activate(&self, found: &Found) {
        let open_transaction = self.loader.borrow().transaction_start_offset();
        let outcome = self
            .controller
            .borrow_mut()
            .activate(open_transaction, &found.bootstrap);
        self.queue(&outcome);
        self.all_applied().await;
    }

    /// Registers this controller and broker, and takes the broker into service.
    async fn register(
        &self,
        core: &Core,
        directory: &DataDirectory,
        advertised: &[(String, String, u16)],
        previous: PreviousStop,
    ) -> Result<(), StartError> {
        let node_id = core.config.node_id.0;
        let incarnation_id = Uuid::from_random(random_bytes());
        let supported = features::registered();
        let features: Vec<(String, i16, i16)> = supported
            .iter()
            .map(|f| (f.name.to_owned(), f.min, f.max))
            .collect();
        let endpoint = |(name, host, port): &(String, String, u16)| Endpoint {
            name: name.clone(),
            host: host.clone(),
            port: *port,
            security_protocol: 0,
        };
        // What the journal proves is no less after a crash than after a clean stop: the broker goes
        // on as the one it was.
        let before = self
            .loader
            .borrow()
            .published()
            .cluster()
            .broker(node_id)
            .map(|b| b.epoch);
        let commands = [
            Command::RegisterController(RegisterController {
                controller_id: node_id,
                incarnation_id,
                endpoints: vec![endpoint(&core.config.controller_listener)],
                features: features.clone(),
            }),
            Command::RegisterBroker(RegisterBroker {
                broker_id: node_id,
                cluster_id: directory.cluster_id.clone(),
                incarnation_id,
                endpoints: advertised.iter().map(endpoint).collect(),
                features,
                rack: core.config.rack.clone(),
                log_dirs: vec![directory.directory_id],
                previous_broker_epoch: match previous {
                    PreviousStop::Clean { broker_epoch } => broker_epoch,
                    PreviousStop::Proven => before.unwrap_or(-1),
                    PreviousStop::Unproven => -1,
                },
            }),
        ];
        let mut broker_epoch = -1;
        for command in commands {
            let answer = self
                .submit(command)
                .await
                .map_err(|e| refused("registering", e))?;
            if let Answer::BrokerRegistered {
                broker_epoch: epoch,
            } = answer
            {
                broker_epoch = epoch;
            }
        }
        let unfence = Command::UnfenceBroker {
            broker_id: node_id,
            broker_epoch,
        };
        self.submit(unfence)
            .await
            .map_err(|error| refused("entering service", error))?;
        Ok(())
    }

    /// From here on the log does not only grow.
    fn begin_snapshots(self: &Rc<Self>, files: SnapshotFiles) {
        let host = Rc::downgrade(self);
        let source = move || {
            let host = host.upgrade()?;
            let loader = host.loader.borrow();
            // The last record of a published image ends a batch, unless a transaction began there.
            let is_open = loader.transaction_start_offset().is_some();
            (!is_open).then(|| (loader.published().clone(), loader.quorum().clone()))
        };
        let partition = self.partition.clone();
        self.snapshots.start(files, partition, source);
    }

    /// Decides a command, and answers when every shard has applied what came of it.
    pub(crate) async fn submit(&self, command: Command) -> Result<Answer, ApiError> {
        // Within the asking connection's task, whose panics close the connection only.
        let decision = critical("controller", || {
            let outcome = self.controller.borrow_mut().handle(&command)?;
            self.queue(&outcome);
            Ok(outcome.answer)
        });
        // A refusal waits too: "it exists already" may rest on a decision that a crash takes back.
        self.all_applied().await;
        decision
    }

    /// Leaves service: the partitions keep this broker as an eligible leader for the next start.
    pub(crate) async fn stop(&self) {
        let Some(core) = self.core.upgrade() else {
            return;
        };
        let broker_id = core.config.node_id.0;
        let left = self.submit(Command::FenceBroker { broker_id });
        match timeout(LEAVE_TIME_MAX, left).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!("the broker could not leave service: {error}"),
            Err(_) if core.store().is_disk_full() => tracing::warn!(
                "the disk is full: that the broker leaves service is not in the metadata log, and \
                 the next start goes on without it"
            ),
            Err(_) => tracing::warn!("the broker could not leave service in time"),
        }
        self.has_left.set(true);
        self.snapshots.stop().await;
    }

    /// Queues an outcome's records. Nothing runs between the decision and this, so the log gets
    /// them in the order of the decisions.
    fn queue(&self, outcome: &Outcome) {
        if outcome.records.is_empty() {
            return;
        }
        let version = self.controller.borrow().metadata_version();
        let place = BatchPlace {
            base_offset: outcome.base_offset,
            leader_epoch: self.partition.leader_epoch(),
            now: wall_clock_ms(),
        };
        let write = if outcome.atomic {
            record_batch
        } else {
            record_batches
        };
        let batches = write(&outcome.records, version, place)
            .unwrap_or_else(|error| panic!("a record the controller decided on: {error}"));
        let count = i64::try_from(outcome.records.len()).expect("records are counted by 63 bits");
        self.decided_offset.set(outcome.base_offset + count);
        self.decided.borrow_mut().push(batches);
        self.has_decided.notify_all();
    }

    /// Waits until every shard has applied all that was decided so far.
    async fn all_applied(&self) {
        let decided_offset = self.decided_offset.get();
        while self.published_offset.get() < decided_offset {
            self.published.wait().await;
        }
    }

    /// Writes what was decided, and publishes the images it makes. What was decided while one
    /// commit was under way is written, and published, together.
    async fn publish_for_ever(&self) {
        loop {
            let decided = std::mem::take(&mut *self.decided.borrow_mut());
            if decided.is_empty() {
                self.has_decided.wait().await;
                continue;
            }
            let next_offset = self.write(&decided).await;
            if self.has_left.get() {
                // The logs are being closed. Nobody was told of it; the next start applies what the
                // log holds.
                return;
            }
            let image = {
                let mut loader = self.loader.borrow_mut();
                for batches in &decided {
                    apply(&mut loader, batches)
                        .unwrap_or_else(|error| panic!("what we wrote cannot be read: {error}"));
                }
                loader.publish().map(|(image, _)| image)
            };
            if let Some(image) = image {
                self.publish(image).await;
            }
            self.published_offset.set(next_offset);
            self.published.notify_all();
            let size_bytes = decided.iter().map(|batches| batches.len() as u64).sum();
            self.snapshots.on_published(size_bytes);
        }
    }

    /// Appends what was decided, and returns the log's end when it is kept. Nobody is told of it
    /// before there is room for it.
    async fn write(&self, decided: &[Vec<u8>]) -> i64 {
        for batches in decided {
            let appended = append(&self.partition, batches, || !self.has_left.get()).await;
            match appended {
                Err(_) if self.has_left.get() => break,
                // What was decided is not in the log: the controller is ahead of it.
                Err(error) => panic!("{error}; a restart goes on from what the log holds"),
                Ok(()) => {}
            }
        }
        let next_offset = self.partition.log_end_offset();
        if !self.has_left.get() {
            committed(&self.partition, next_offset).await;
        }
        next_offset
    }

    async fn publish(&self, image: MetadataImage) {
        let Some(core) = self.core.upgrade() else {
            return;
        };
        let config = core.config.clone();
        let before = core.catalog();
        let catalog = Arc::new(Catalog::next(&before, image, |image, topic| {
            let settings = TopicSettings::new(&config, image, topic);
            let asked_before = before
                .topic_by_id(topic.id)
                .is_some_and(|it| it.settings.rules.compacted);
            if !asked_before {
                settings.warn_of_compaction(&topic.name);
            }
            settings
        }));
        for shard in (0..core.shards.count()).map(ShardId) {
            let catalog = catalog.clone();
            let applied = core
                .shards
                .ask(shard, |core| cluster::apply(core, catalog))
                .await;
            if let Ok(Err(error)) = applied {
                // What is missing is tried again with every later image.
                tracing::error!(
                    shard = shard.0,
                    "a shard could not follow the metadata: {error}"
                );
            }
        }
    }
}

async fn last_epoch(file: &std::path::Path) -> Result<i32, StartError> {
    match fs::read_file(file, QUORUM_STATE_BYTES_MAX).await {
        Ok(bytes) => QuorumState::read(&String::from_utf8_lossy(&bytes))
            .map(|state| state.leader_epoch)
            .map_err(|error| StartError::Damaged(format!("{}: {error}", file.display()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(StartError::io("reading", file, error)),
    }
}

fn refused(doing: &str, error: ApiError) -> StartError {
    StartError::Config(format!(
        "the controller refused this broker while {doing}: {error}"
    ))
}
