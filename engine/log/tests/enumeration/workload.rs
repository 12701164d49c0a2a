//! A workload: logs on the simulated disk are appended to, cut, trimmed and closed by the seed's
//! draws, while the model notes what was done and what was acknowledged.

use super::*;

/// What a workload is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Everything, a little of each.
    Mixed,
    /// Logs give segments up and take others' files: batches of whole blocks, so that old ones lie
    /// where new ones could follow.
    Recycling,
    /// Many logs and a journal that is always full.
    Crowded,
    /// Logs change their durability.
    Switching,
}

impl Kind {
    fn of(seed: u64) -> Self {
        match seed % 6 {
            3 => Self::Recycling,
            4 => Self::Crowded,
            5 => Self::Switching,
            _ => Self::Mixed,
        }
    }

    fn log_count(self, prng: &mut Prng) -> i32 {
        match self {
            Self::Mixed => 1 + prng.below(3) as i32,
            Self::Recycling => 2,
            Self::Crowded => 10,
            Self::Switching => 3,
        }
    }

    fn step_count(self, prng: &mut Prng) -> u64 {
        match self {
            Self::Mixed => 8 + prng.below(25),
            Self::Recycling | Self::Switching => 30 + prng.below(20),
            Self::Crowded => 12 + prng.below(8),
        }
    }

    fn segment_size_bytes(self, partition: i32) -> u64 {
        match self {
            Self::Recycling => 4 * BLOCK,
            Self::Crowded => 200_000,
            Self::Mixed => 12_000 + 10_000 * partition as u64,
            Self::Switching => 40_000,
        }
    }

    fn store_config(self, guards: Guards, prng: &mut Prng) -> StoreConfig {
        let mut config = StoreConfig::new(ROOT, ShardId(0));
        config.flush_files = FlushFiles::Auto;
        config.cache_size_bytes = 64 << 10;
        config.free_space_bytes_min = 0;
        config.pool_file_size_bytes_min = BLOCK;
        config.guards = guards;
        config.sizes = Sizes {
            small_unit_size_bytes_max: 2_500,
            destage_size_bytes: 3_000 + prng.below(6_000),
            journal_first_file_size_bytes: 48 << 10,
            journal_file_size_bytes: 64 << 10,
            checkpoint_after_bytes: 30_000 + prng.below(30_000),
        };
        if self == Self::Crowded {
            config.sizes.destage_size_bytes = 1 << 20;
            config.sizes.journal_file_size_bytes = 48 << 10;
            config.sizes.checkpoint_after_bytes = 1 << 20;
        }
        config
    }
}

const BLOCK: u64 = 4096;

pub(super) fn run_workload(plan: &Plan, seed: u64) -> Result<Workload, String> {
    let mut prng = Prng::new(seed);
    let mut options = options(&mut prng);
    if Kind::of(seed) == Kind::Recycling {
        // A kill between the halves of one write may leave old bytes behind the first: a start of
        // Kafka on that is not supported.
        options.short_write_one_in = 0;
    }
    let world = Rc::new(SimWorld::new(seed, options));
    let process = world.add_process("broker");
    let runtime = world.runtime(process);
    let models = Rc::new(RefCell::new(Vec::new()));
    let marks = Rc::new(RefCell::new(Marks::new()));
    let driver = Driver {
        kind: Kind::of(seed),
        world: Rc::clone(&world),
        process,
        models: Rc::clone(&models),
        marks: Rc::clone(&marks),
        open: Rc::default(),
        idempotent: Rc::default(),
    };
    let guards = plan.guards;
    runtime
        .block_on(async move { driver.run(guards, &mut prng).await })
        .map_err(|error| format!("the workload failed: {error}"))?;
    let disk = world.with_disk(process, |disk| disk.clone());
    Ok(Workload {
        models,
        marks,
        disk,
    })
}

#[derive(Clone)]
struct Driver {
    kind: Kind,
    world: Rc<SimWorld>,
    process: ProcessId,
    models: Rc<RefCell<Vec<Model>>>,
    marks: Rc<RefCell<Marks>>,
    /// Transactions that were begun: in which log, and by whom.
    open: Rc<RefCell<Vec<(usize, i64)>>>,
    /// Of each log an idempotent producer, and its next sequence number.
    idempotent: Rc<RefCell<HashMap<usize, (i64, i32)>>>,
}

impl Driver {
    /// What is kept now is a promise from this place in the trace on.
    fn mark(&self) {
        let kept: Vec<(usize, usize)> = self
            .models
            .borrow()
            .iter()
            .map(|model| (model.durable, model.written))
            .collect();
        let mut marks = self.marks.borrow_mut();
        marks.push(kept);
        let value = marks.len() as u64 - 1;
        self.world.with_disk(self.process, |disk| disk.mark(value));
    }

    async fn run(&self, guards: Guards, prng: &mut Prng) -> Result<(), engine_log::StoreError> {
        let root = Path::new(ROOT);
        engine_runtime::fs::create_dir_all(root)
            .await
            .expect("the simulated disk is empty");
        engine_runtime::fs::sync_dir("/")
            .await
            .expect("the simulated disk is empty");
        let lives = 1 + prng.below(2);
        let log_count = self.kind.log_count(prng);
        for life in 0..lives {
            recover(root, IoMode::Auto, |_| {}).await?;
            begin_use(root).await?;
            let (store, logs) = self.open(guards, life, log_count, prng).await?;
            let (loop_store, this) = (store.clone(), self.clone());
            let commits = engine_runtime::spawn(async move {
                loop_store
                    .run_commits(|committed| this.on_committed(committed))
                    .await
            });
            let steps = self.kind.step_count(prng);
            for _ in 0..steps {
                self.step(&logs, prng).await?;
            }
            if life + 1 < lives || prng.below(2) == 0 {
                let closed = store.close().await?;
                commits.await.expect("the loop ends")?;
                complete_clean_stop(root, vec![closed], &[], None).await?;
                for model in self.models.borrow_mut().iter_mut() {
                    model.written = model.operations.len();
                    model.durable = model.written;
                }
                self.mark();
            }
        }
        Ok(())
    }

    async fn open(
        &self,
        guards: Guards,
        life: u64,
        log_count: i32,
        prng: &mut Prng,
    ) -> Result<(LogStore, Vec<Log>), engine_log::StoreError> {
        let partitions: Vec<PartitionDir> = (0..log_count)
            .map(|partition| PartitionDir {
                topic: "t".to_owned(),
                partition,
                topic_id: Uuid([5; 16]),
                config: LogConfig {
                    durability: match partition {
                        2 => Durability::Written,
                        _ => Durability::Flush,
                    },
                    segment_size_bytes: self.kind.segment_size_bytes(partition),
                    index_interval_bytes: 1_000,
                    ..LogConfig::default()
                },
            })
            .collect();
        let config = self.kind.store_config(guards, prng);
        if life > 0 {
            for (model, partition) in self.models.borrow_mut().iter_mut().zip(&partitions) {
                model.is_flush = partition.config.durability == Durability::Flush;
            }
            return LogStore::open(config, partitions, |_| {}).await;
        }
        let (store, _) = LogStore::open(config, Vec::new(), |_| {}).await?;
        let mut logs = Vec::new();
        for partition in partitions {
            let is_flush = partition.config.durability == Durability::Flush;
            let log = store.create_log(partition).await?;
            let name = log.name().to_owned();
            self.models.borrow_mut().push(Model {
                name,
                is_flush,
                ..Model::default()
            });
            logs.push(log);
        }
        Ok((store, logs))
    }

    fn on_committed(&self, committed: &[Log]) {
        for log in committed {
            let mut models = self.models.borrow_mut();
            let model = models.iter_mut().find(|model| model.name == log.name());
            model
                .expect("every log has its model")
                .on_committed(log.durable_end_offset());
        }
        self.mark();
    }

    async fn step(&self, logs: &[Log], prng: &mut Prng) -> Result<(), engine_log::StoreError> {
        let index = prng.below(logs.len() as u64) as usize;
        let log = &logs[index];
        match (self.kind, prng.below(20)) {
            (_, 0) => self.truncate(index, log, prng).await?,
            (_, 1) => self.trim(index, log, prng).await?,
            (Kind::Recycling, 2..5) => {
                self.wait_until_kept(log).await;
                self.trim(index, log, prng).await?;
            }
            (Kind::Recycling, 10..) => {
                let blocks = 1 + prng.below(2) * prng.below(2);
                let size = value_size_of_batch((blocks * BLOCK) as usize);
                self.append(index, log, size, prng).await?;
                if prng.below(3) > 0 {
                    self.wait_until_kept(log).await;
                }
            }
            (Kind::Crowded, 6..) => {
                for (index, log) in logs.iter().enumerate().cycle().take(3 * logs.len()) {
                    let size = prng.below(2_000) as usize;
                    self.append(index, log, size, prng).await?;
                }
            }
            (Kind::Switching, 2..5) => self.switch_durability(index, log).await,
            (_, 2 | 3) => {
                let nap = std::time::Duration::from_millis(prng.below(120));
                engine_runtime::sleep(nap).await;
            }
            (Kind::Mixed | Kind::Crowded, 4..10) | (_, 5..10) => self.wait_until_kept(log).await,
            _ => {
                for _ in 0..=prng.below(3) {
                    let size = match prng.below(3) {
                        0 => prng.below(300),
                        1 => prng.below(3_000),
                        _ => prng.below(9_000),
                    };
                    self.append(index, log, size as usize, prng).await?;
                }
            }
        }
        Ok(())
    }

    /// What is in flight when a log is to be flushed is flushed or not; when it is only to be
    /// written, nothing may be.
    async fn switch_durability(&self, index: usize, log: &Log) {
        let is_flush = self.models.borrow()[index].is_flush;
        if is_flush {
            self.wait_until_kept(log).await;
        }
        log.update_config(LogConfig {
            durability: match is_flush {
                true => Durability::Written,
                false => Durability::Flush,
            },
            ..log.config()
        });
        self.models.borrow_mut()[index].is_flush = !is_flush;
    }

    async fn wait_until_kept(&self, log: &Log) {
        while log.durable_end_offset() < log.log_end_offset() {
            engine_runtime::sleep(std::time::Duration::from_micros(100)).await;
        }
    }

    async fn append(
        &self,
        index: usize,
        log: &Log,
        size: usize,
        prng: &mut Prng,
    ) -> Result<(), engine_log::StoreError> {
        let value: Vec<u8> = (0..size).map(|_| prng.next_u64() as u8).collect();
        let (bytes, info) = info_of(self.batch(index, &value, prng));
        loop {
            // The model learns of the batch before anything can commit it: no await in between.
            match log.append(&bytes, &info, 1, 0) {
                Ok(appended) => {
                    let mut stored = bytes.clone();
                    info.stamp(&mut stored, appended.base_offset, 1);
                    let model = &mut self.models.borrow_mut()[index];
                    model.operations.push(Operation::Append {
                        next_offset: appended.last_offset + 1,
                        stored: (appended.base_offset, Rc::new(stored)),
                        is_flush: model.is_flush,
                    });
                    return Ok(());
                }
                Err(engine_log::AppendError::Busy) => log.ready_to_append().await?,
                Err(error) => panic!("append: {error}"),
            }
        }
    }

    /// A plain batch, an idempotent one, the only records of a transaction, or a marker that ends
    /// one. Each transaction has a producer of its own, and so have the idempotent batches between
    /// two cuts, for cuts take sequence numbers back.
    fn batch(&self, index: usize, value: &[u8], prng: &mut Prng) -> Vec<u8> {
        let mut open = self.open.borrow_mut();
        let mut options = BatchOptions::default();
        match prng.below(6) {
            5 => {
                let mut idempotent = self.idempotent.borrow_mut();
                let producer = idempotent.entry(index);
                let (producer_id, sequence) =
                    producer.or_insert_with(|| (prng.below(1 << 40) as i64, 0));
                (options.producer_id, options.producer_epoch) = (*producer_id, 0);
                options.base_sequence = *sequence;
                *sequence += 1;
            }
            0 => {
                let producer_id = prng.below(1 << 40) as i64;
                open.push((index, producer_id));
                (options.producer_id, options.producer_epoch) = (producer_id, 0);
                (options.base_sequence, options.transactional) = (0, true);
            }
            1 if let Some(at) = open.iter().position(|&(log, _)| log == index) => {
                let (_, producer_id) = open.remove(at);
                let outcome = match prng.below(3) {
                    0 => TxnOutcome::Commit,
                    _ => TxnOutcome::Abort,
                };
                let marker = EndTxnMarker {
                    outcome,
                    coordinator_epoch: 0,
                };
                return marker.batch(producer_id, 0, options, 1_000);
            }
            _ => {}
        }
        let mut builder = BatchBuilder::new(options);
        builder.append(1_000, None, Some(value), &[]);
        builder.finish()
    }

    async fn truncate(
        &self,
        index: usize,
        log: &Log,
        prng: &mut Prng,
    ) -> Result<(), engine_log::StoreError> {
        let (start, end) = (log.log_start_offset(), log.log_end_offset());
        if end - start < 2 {
            return Ok(());
        }
        self.wait_until_kept(log).await;
        let back = 1 + prng.below((end - start).min(4) as u64) as i64;
        let end_offset = (end - back).max(start);
        let count = {
            let model = &mut self.models.borrow_mut()[index];
            model.operations.push(Operation::Truncate { end_offset });
            model.operations.len()
        };
        self.idempotent.borrow_mut().remove(&index);
        log.truncate_to(end_offset).await?;
        {
            let model = &mut self.models.borrow_mut()[index];
            model.written = count;
            model.durable = count;
        }
        self.mark();
        Ok(())
    }

    async fn trim(
        &self,
        index: usize,
        log: &Log,
        prng: &mut Prng,
    ) -> Result<(), engine_log::StoreError> {
        let (start, end) = (log.log_start_offset(), log.durable_end_offset());
        let offset = match self.kind {
            Kind::Recycling => end,
            _ => start + prng.below((end - start + 1) as u64) as i64,
        };
        {
            let model = &mut self.models.borrow_mut()[index];
            model.start_asked = model.start_asked.max(offset);
        }
        log.trim_before(offset).await.map(drop)
    }
}

fn info_of(bytes: Vec<u8>) -> (Vec<u8>, BatchInfo) {
    let rules = Rules {
        timestamp_after_ms_max: i64::MAX,
        ..Rules::default()
    };
    let info = validate_batch(
        &bytes,
        Origin::Coordinator,
        &rules,
        0,
        &mut Decompressor::default(),
    );
    let info = info.expect("the builder makes valid batches");
    (bytes, info)
}

/// How long a value makes a batch of this size.
fn value_size_of_batch(size_bytes: usize) -> usize {
    let size_with = |value_size: usize| {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        builder.append(1_000, None, Some(&vec![0; value_size]), &[]);
        builder.finish().len()
    };
    let guess = size_bytes - 100;
    let size = guess + size_bytes - size_with(guess);
    assert_eq!(size_with(size), size_bytes);
    size
}
