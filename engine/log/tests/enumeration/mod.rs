//! Crash-state enumeration: a workload runs on the simulated disk; then, for every prefix of what
//! happened to the disk, power is cut (or the process killed), the directory is recovered, and
//! what is there is compared with what may be there.
//!
//! The oracle. Each log's operations, in order, give its states 0, 1, 2, ...: after a crash the
//! log must be in exactly one of those, not before the last one that was acknowledged in a way
//! that this crash must respect. Anything else is a lost record or a phantom. And what Apache Kafka
//! would take for records when it is started behind a killed process, without our recovery, may be
//! too little, but none that the log never had.
#![allow(dead_code, reason = "the test and the example each use a part")]
#![allow(unreachable_pub, reason = "a module of a test and of an example")]

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use engine_base::{HashMap, ShardId, Uuid};
use engine_log::producer_snapshot::decode_into;
use engine_log::txn_index::{AbortedTxn, TxnIndex};
use engine_log::{
    Durability, FlushFiles, Guards, IoMode, Log, LogConfig, LogStore, PartitionDir, ProducerState,
    Sizes, StoreConfig, begin_use, complete_clean_stop, recover,
};
use engine_record::validate::{Origin, Rules, validate_batch};
use engine_record::{
    BatchBuilder, BatchInfo, BatchOptions, BatchView, Batches, Decompressor, EndTxnMarker,
    TxnOutcome,
};
use engine_runtime::disk::{Disk, Event, FlushScope};
use engine_runtime::image::{Entry, Image};
use engine_runtime::{Prng, ProcessId, SimOptions, SimWorld};

mod workload;

use workload::run_workload;

const ROOT: &str = "/logs";

/// What one run of the enumeration does.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Workloads, each from its own seed.
    pub workloads: std::ops::Range<u64>,
    /// Crash images for each prefix.
    pub images_per_prefix: u64,
    /// One in so many states has a crash inside its recovery as well.
    pub crash_in_recovery_one_in: u64,
    /// The guards of the commit pipeline.
    pub guards: Guards,
}

/// What a run found.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Crash states recovered.
    pub states: u64,
    /// Of these, crashes inside a recovery.
    pub states_in_recovery: u64,
    /// Violations, the first of each workload.
    pub violations: Vec<String>,
}

/// One batch as it must stand in the segment.
type Stored = (i64, Rc<Vec<u8>>);

#[derive(Clone, Debug)]
enum Operation {
    Append {
        next_offset: i64,
        stored: Stored,
        /// The log's durability when it was accepted.
        is_flush: bool,
    },
    Truncate {
        end_offset: i64,
    },
}

/// What is known of one log.
#[derive(Debug, Default)]
struct Model {
    name: String,
    /// What the log's durability is now.
    is_flush: bool,
    operations: Vec<Operation>,
    /// Operations that are kept whatever happens.
    durable: usize,
    /// Operations that a killed process keeps.
    written: usize,
    /// The largest start offset that was asked for.
    start_asked: i64,
}

impl Model {
    fn on_committed(&mut self, durable_end_offset: i64) {
        while let Some(Operation::Append {
            next_offset,
            is_flush,
            ..
        }) = self.operations.get(self.written)
            && *next_offset <= durable_end_offset
        {
            self.written += 1;
            if *is_flush {
                self.durable = self.written;
            }
        }
    }

    /// The log's batches after the first `count` operations.
    fn state(&self, count: usize) -> Vec<Stored> {
        let mut state: Vec<Stored> = Vec::new();
        for operation in &self.operations[..count] {
            match operation {
                Operation::Append { stored, .. } => state.push(stored.clone()),
                Operation::Truncate { end_offset } => {
                    state.retain(|(offset, _)| offset < end_offset);
                }
            }
        }
        state
    }
}

/// Per mark in the trace: for each log, operations kept through a power cut and through a kill.
type Marks = Vec<Vec<(usize, usize)>>;

struct Workload {
    models: Rc<RefCell<Vec<Model>>>,
    marks: Rc<RefCell<Marks>>,
    disk: Disk,
}

/// Runs the enumeration.
pub fn enumerate(plan: &Plan, mut progress: impl FnMut(u64, &Outcome)) -> Outcome {
    let mut outcome = Outcome::default();
    for seed in plan.workloads.clone() {
        if let Err(violation) = enumerate_one(plan, seed, &mut outcome) {
            outcome
                .violations
                .push(format!("workload {seed}: {violation}"));
        }
        progress(seed, &outcome);
    }
    outcome
}

fn enumerate_one(plan: &Plan, seed: u64, outcome: &mut Outcome) -> Result<(), String> {
    let workload = run_workload(plan, seed)?;
    let models = workload.models.borrow();
    let marks = workload.marks.borrow();
    let mut prng = Prng::new(seed ^ 0x0c4a_54e5);
    let events = workload.disk.events();
    let mut mark = None;
    for count in 0..=events.len() {
        if let Some(Event::Mark(value)) = count.checked_sub(1).map(|last| &events[last]) {
            mark = Some(*value as usize);
        }
        let kept: Vec<(usize, usize)> = match mark {
            Some(mark) => marks[mark].clone(),
            None => vec![(0, 0); models.len()],
        };
        let killed = workload.disk.crash_image(count, &mut all_kept());
        check_kafkas_scan(&models, &killed)
            .map_err(|violation| format!("event {count} of {}: {violation}", events.len()))?;
        for index in 0..plan.images_per_prefix {
            let image_seed = prng.next_u64();
            let is_kill = index == 0 && image_seed.is_multiple_of(4);
            let image = if is_kill {
                workload.disk.crash_image(count, &mut all_kept())
            } else {
                workload.disk.crash_image(count, &mut Prng::new(image_seed))
            };
            let what = format!(
                "event {count} of {}, image {image_seed}, kill {is_kill}",
                events.len()
            );
            let bounds: Vec<usize> = kept
                .iter()
                .map(|&(durable, written)| if is_kill { written } else { durable })
                .collect();
            check_state(plan, &models, &bounds, image, &mut prng, outcome)
                .map_err(|violation| format!("{what}: {violation}"))?;
        }
    }
    Ok(())
}

/// A generator whose first draw makes a crash keep everything: what a kill leaves.
fn all_kept() -> Prng {
    (0..)
        .map(Prng::new)
        .find(|prng| prng.clone().below(8) == 1)
        .expect("one in eight seeds is it")
}

/// Recovers an image and compares; sometimes crashes inside the recovery, and recovers that.
fn check_state(
    plan: &Plan,
    models: &[Model],
    bounds: &[usize],
    image: Image,
    prng: &mut Prng,
    outcome: &mut Outcome,
) -> Result<(), String> {
    outcome.states += 1;
    let recovered = recover_image(image, prng.next_u64())?;
    check_image(models, bounds, recovered.image())?;
    if prng.below(plan.crash_in_recovery_one_in) == 0 {
        outcome.states += 1;
        outcome.states_in_recovery += 1;
        let count = prng.below(recovered.events().len() as u64 + 1) as usize;
        let image = recovered.crash_image(count, &mut Prng::new(prng.next_u64()));
        let again = recover_image(image, prng.next_u64())
            .map_err(|violation| format!("crash in recovery at {count}: {violation}"))?;
        check_image(models, bounds, again.image())
            .map_err(|violation| format!("crash in recovery at {count}: {violation}"))?;
    }
    Ok(())
}

fn options(prng: &mut Prng) -> SimOptions {
    let flush_scope = if prng.below(2) == 0 {
        FlushScope::Device
    } else {
        FlushScope::File
    };
    SimOptions {
        flush_scope,
        ..SimOptions::default()
    }
}

fn recover_image(image: Image, seed: u64) -> Result<Disk, String> {
    let world = SimWorld::new(seed, options(&mut Prng::new(seed)));
    let process = world.add_process("broker");
    world.set_disk(process, image);
    let runtime = world.runtime(process);
    let recovered = runtime.block_on(async {
        let root = Path::new(ROOT);
        if !engine_runtime::fs::exists(root).await.unwrap_or(false) {
            return Ok(()); // the crash came before the directory was made
        }
        recover(root, IoMode::Auto, |_| {}).await.map(drop)
    });
    recovered.map_err(|error| format!("recovery failed: {error}"))?;
    Ok(world.with_disk(process, |disk| disk.clone()))
}

/// Compares what the folders hold with what they may hold.
fn check_image(models: &[Model], bounds: &[usize], image: &Image) -> Result<(), String> {
    let root = Path::new(ROOT);
    for (path, _) in image.children(root) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let prefixes = ["ottla-journal", "ottla-void", "ottla-pool"];
        if prefixes.iter().any(|prefix| name.starts_with(prefix)) {
            return Err(format!("{name} is left after recovery"));
        }
    }
    for (model, &bound) in models.iter().zip(bounds) {
        let found = read_log(image, &root.join(&model.name))?;
        let Some(found) = found else {
            if bound > 0 {
                return Err(format!("{}: the folder is gone", model.name));
            }
            continue;
        };
        let is_state = |count: &usize| is_same(&model.state(*count), &found, model.start_asked);
        let mut states = (bound..=model.operations.len()).filter(is_state).peekable();
        if states.peek().is_none() {
            let offsets: Vec<i64> = found.iter().map(|(offset, _)| *offset).collect();
            let kept: Vec<i64> = model
                .state(bound)
                .iter()
                .map(|(offset, _)| *offset)
                .collect();
            return Err(format!(
                "{}: found batches at {offsets:?}, which is no state from {bound} on (kept: {kept:?})",
                model.name
            ));
        }
        // A log that was trimmed may look like several of its states.
        let mut outcome = Ok(());
        for count in states {
            outcome = check_derived(image, &root.join(&model.name), &model.state(count), &found);
            if outcome.is_ok() {
                break;
            }
        }
        outcome?;
    }
    Ok(())
}

fn check_derived(
    image: &Image,
    folder: &Path,
    state: &[Stored],
    found: &[Stored],
) -> Result<(), String> {
    check_txns(image, folder, state, found)?;
    check_producers(image, folder, state, found)
}

/// The transaction indexes list what the log's batches aborted.
fn check_txns(
    image: &Image,
    folder: &Path,
    state: &[Stored],
    found: &[Stored],
) -> Result<(), String> {
    let mut producers = ProducerState::default();
    let mut expected = Vec::new();
    for (_, bytes) in state {
        let batch = BatchView::read(bytes).map_err(|error| error.to_string())?;
        let ended = producers
            .replay(&batch)
            .map_err(|error| error.to_string())?;
        expected.extend(ended.and_then(AbortedTxn::of));
    }
    // Those whose markers were trimmed went with their segments.
    let first = found.first().map_or(i64::MAX, |(offset, _)| *offset);
    expected.retain(|txn| txn.last_offset >= first);
    let mut indexes: Vec<PathBuf> = image
        .children(folder)
        .map(|(path, _)| path.to_path_buf())
        .filter(|path| path.extension().is_some_and(|it| it == "txnindex"))
        // One without its segment was being removed with it.
        .filter(|path| image.entry(&path.with_extension("log")).is_some())
        .collect();
    indexes.sort();
    let mut listed = Vec::new();
    for path in indexes {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let bytes = image.file(&path).unwrap_or_default();
        let index = name
            .parse()
            .ok()
            .and_then(|base| TxnIndex::decode(base, &bytes));
        let index = index.ok_or_else(|| format!("{} is no index", path.display()))?;
        listed.extend_from_slice(index.entries());
    }
    if listed == expected {
        return Ok(());
    }
    let folder = folder.display();
    Err(format!(
        "{folder}: the indexes list {listed:?}, aborted were {expected:?}"
    ))
}

/// The newest producer snapshot and the batches behind it tell of every producer, also of those whose
/// records were trimmed: one that is told an older sequence number refuses the next batch.
fn check_producers(
    image: &Image,
    folder: &Path,
    state: &[Stored],
    batches: &[Stored],
) -> Result<(), String> {
    let mut expected = ProducerState::default();
    let mut end_offset = 0;
    for (_, bytes) in state {
        let batch = BatchView::read(bytes).map_err(|error| error.to_string())?;
        end_offset = batch.header().next_offset();
        expected.replay(&batch).map_err(|error| error.to_string())?;
    }
    let mut snapshots: Vec<PathBuf> = image
        .children(folder)
        .map(|(path, _)| path.to_path_buf())
        .filter(|path| path.extension().is_some_and(|it| it == "snapshot"))
        .filter(|path| path.with_extension("") <= folder.join(format!("{end_offset:020}")))
        .collect();
    snapshots.sort();
    let mut found = ProducerState::default();
    // Without any there were no producers: a load does not look for them.
    if let Some(newest) = snapshots.last() {
        let bytes = image.file(newest).unwrap_or_default();
        decode_into(&bytes, &mut found, 0, i64::MAX)
            .map_err(|error| format!("{}: {error}", newest.display()))?;
        let name = newest.file_stem().unwrap_or_default().to_string_lossy();
        let from: i64 = name.parse().map_err(|_| format!("{name} is no offset"))?;
        for (_, bytes) in batches.iter().filter(|(offset, _)| *offset >= from) {
            let batch = BatchView::read(bytes).map_err(|error| error.to_string())?;
            found.replay(&batch).map_err(|error| error.to_string())?;
        }
    }
    let (found, expected) = (known(&found), known(&expected));
    if found == expected {
        return Ok(());
    }
    let folder = folder.display();
    Err(format!(
        "{folder}: producers at {end_offset} are {found:?}, wrote {expected:?}"
    ))
}

/// Of each producer its id, last sequence number, and where its open transaction began.
fn known(producers: &ProducerState) -> Vec<(i64, i32, Option<i64>)> {
    let entries = producers.entries();
    let mut known: Vec<_> = entries
        .map(|(id, entry)| (id, entry.last_sequence(), entry.txn_first_offset))
        .collect();
    known.sort_unstable();
    known
}

/// What Kafka's own recovery finds (`LogSegment.recover`): batches with a good checksum, from the
/// start of each file on, whatever their offsets. Each must be one of the log's.
fn check_kafkas_scan(models: &[Model], image: &Image) -> Result<(), String> {
    for model in models {
        let is_of_log = |offset: i64, bytes: &[u8]| {
            model.operations.iter().any(|operation| {
                matches!(operation, Operation::Append { stored, .. }
                    if stored.0 == offset && **stored.1 == *bytes)
            })
        };
        let folder = Path::new(ROOT).join(&model.name);
        for (path, _) in image.children(&folder) {
            if path.extension().is_none_or(|it| it != "log") {
                continue;
            }
            let bytes = image.file(path).unwrap_or_default();
            let batches = Batches::new(&bytes).map_while(Result::ok);
            for batch in batches.take_while(|batch| batch.check_crc().is_ok()) {
                let offset = batch.header().base_offset;
                if !is_of_log(offset, batch.bytes()) {
                    let path = path.display();
                    return Err(format!(
                        "{path}: Kafka would find a foreign batch at {offset}"
                    ));
                }
            }
        }
    }
    Ok(())
}

/// Equal but for batches at the front that a trim may have removed.
fn is_same(state: &[Stored], found: &[Stored], start_asked: i64) -> bool {
    let Some(missing) = state.len().checked_sub(found.len()) else {
        return false;
    };
    let (removed, rest) = state.split_at(missing);
    rest == found && removed.iter().all(|(offset, _)| *offset < start_asked)
}

/// The batches of a folder; `None` without one. Checks the file contract on the way.
fn read_log(image: &Image, folder: &Path) -> Result<Option<Vec<Stored>>, String> {
    if image.entry(&folder.join("partition.metadata")).is_none() {
        return Ok(None);
    }
    let mut segments: Vec<PathBuf> = image
        .children(folder)
        .filter(|(path, entry)| {
            matches!(entry, Entry::File(_)) && path.extension().is_some_and(|it| it == "log")
        })
        .map(|(path, _)| path.to_path_buf())
        .collect();
    segments.sort();
    let mut found: Vec<Stored> = Vec::new();
    for path in segments {
        let bytes = image.file(&path).unwrap_or_default();
        let mut positions = Vec::new();
        let mut position = 0;
        for batch in Batches::new(&bytes) {
            let batch =
                batch.map_err(|error| format!("{}: {error} at {position}", path.display()))?;
            batch
                .check_crc()
                .map_err(|error| format!("{}: {error}", path.display()))?;
            let offset = batch.header().base_offset;
            positions.push((batch.header().last_offset(), position as u64));
            position += batch.size_bytes();
            found.push((offset, Rc::new(batch.bytes().to_vec())));
        }
        check_index(image, &path, &positions)?;
    }
    Ok(Some(found))
}

/// Every entry of the offset index names a batch of the segment.
fn check_index(image: &Image, log: &Path, positions: &[(i64, u64)]) -> Result<(), String> {
    let name = log.file_stem().unwrap_or_default().to_string_lossy();
    let base: i64 = name
        .parse()
        .map_err(|_| format!("{} is no segment", log.display()))?;
    let bytes = image.file(&log.with_extension("index")).unwrap_or_default();
    for entry in bytes.chunks(8) {
        let entry: [u8; 8] = entry.try_into().map_err(|_| "a padded index".to_owned())?;
        let [a, b, c, d, e, f, g, h] = entry;
        let offset = base + i64::from(u32::from_be_bytes([a, b, c, d]));
        let position = u64::from(u32::from_be_bytes([e, f, g, h]));
        if !positions.contains(&(offset, position)) {
            return Err(format!("{}: an index entry names no batch", log.display()));
        }
    }
    Ok(())
}
