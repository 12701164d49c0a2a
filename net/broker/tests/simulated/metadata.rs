//! The metadata log is cut behind snapshots, and nothing that it said is lost, whenever the broker
//! goes down.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use engine_base::Uuid;
use engine_log::Found;
use engine_runtime::disk::{Fault, FaultOn};
use engine_runtime::{
    File, Listener, OpenOptions, Prng, WriteMode, fs, random_u64, sleep, wall_clock_ms,
};
use net_broker::config::MetadataLogConfig;
use net_client::{Admin, ClientError, NewTopic, ProducerOptions};
use net_wire::ErrorCode;
use replication_metadata::image::ConfigResource;
use replication_metadata::{MetaProperties, MetadataImage, SnapshotId};

use crate::behaviour::create_topic;
use crate::clients::{TOPIC, connect_at_last, producer_at_last, topic_names};
use crate::crashes::with_seeds;
use crate::metadata_folder::{MetadataFolder, folder};
use crate::stage::{PORT, Stage};

const DAY: Duration = Duration::from_secs(86_400);

/// Seeds of one test run.
const SEEDS: u64 = 6;
/// How often the broker goes down in one run.
const DOWNS: u32 = 4;

/// A few topics fill a snapshot, a few snapshots a retention.
fn tiny() -> MetadataLogConfig {
    MetadataLogConfig {
        snapshot_record_size_bytes_max: 1_500,
        snapshot_interval: Some(Duration::from_secs(2)),
        retention_bytes: 16_000,
        retention_ms: 3_000,
        segment_size_bytes: 2_000,
        ..MetadataLogConfig::default()
    }
}

/// A topic as its creator wanted it.
#[derive(Clone, Debug, PartialEq)]
struct Wanted {
    partitions: usize,
    retention_ms: String,
}

/// What the broker said is so; `None` where nobody knows any more.
#[derive(Default)]
struct Model {
    topics: RefCell<BTreeMap<String, Option<Wanted>>>,
    done: Cell<u32>,
}

impl Model {
    fn on_asked(&self, name: &str) {
        self.topics.borrow_mut().insert(name.to_owned(), None);
    }

    fn on_created(&self, name: &str, wanted: Wanted) {
        let mut topics = self.topics.borrow_mut();
        topics.insert(name.to_owned(), Some(wanted));
        self.done.set(self.done.get() + 1);
    }

    fn on_deleted(&self, name: &str) {
        self.topics.borrow_mut().remove(name);
        self.done.set(self.done.get() + 1);
    }

    /// Compares, and learns what became of what nobody knew.
    fn settle(&self, image: &MetadataImage) {
        let mut topics = self.topics.borrow_mut();
        for (name, known) in &*topics {
            if let Some(wanted) = known {
                assert_eq!(found(image, name).as_ref(), Some(wanted), "{name}");
            }
        }
        topics.retain(|name, _| image.topics().by_name(name).is_some());
        for (name, known) in &mut *topics {
            *known = found(image, name);
        }
        for topic in image.topics().iter() {
            assert!(topics.contains_key(&*topic.name), "{} is back", topic.name);
        }
    }
}

fn found(image: &MetadataImage, name: &str) -> Option<Wanted> {
    let topic = image.topics().by_name(name)?;
    let resource = ConfigResource::topic(name);
    let retention_ms = image.configs().value(&resource, "retention.ms");
    Some(Wanted {
        partitions: topic.partitions.len(),
        retention_ms: retention_ms.unwrap_or_default().to_owned(),
    })
}

fn below(bound: u64) -> u64 {
    random_u64() % bound
}

/// Creates topics and deletes them again under few names, and takes producer ids, until it is
/// killed. What was asked last may have been done or not.
async fn administer(model: Rc<Model>) {
    loop {
        let name = format!("topic-{}", below(8));
        let mut admin = Admin::new(connect_at_last().await);
        model.on_asked(&name);
        if below(3) == 0 {
            match admin.delete_topic(&name).await {
                Ok(()) => model.on_deleted(&name),
                Err(error) if is(&error, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => {
                    model.on_deleted(&name);
                }
                Err(error) => panic!("{error}"),
            }
        } else {
            let wanted = Wanted {
                partitions: 1 + below(3) as usize,
                retention_ms: (1_000_000 + below(1000)).to_string(),
            };
            let topic = NewTopic {
                name: name.clone(),
                partitions: Some(wanted.partitions as i32),
                configs: vec![("retention.ms".to_owned(), wanted.retention_ms.clone())],
                ..NewTopic::default()
            };
            match admin.create_topic(&topic).await {
                Ok(()) => model.on_created(&name, wanted),
                Err(error) if is(&error, ErrorCode::TOPIC_ALREADY_EXISTS) => {
                    let topic = admin.topic(&name).await.unwrap();
                    let configs = admin.topic_configs(&name).await.unwrap();
                    let retention = configs.into_iter().find(|c| c.name == "retention.ms");
                    let wanted = Wanted {
                        partitions: topic.partitions.len(),
                        retention_ms: retention.unwrap().value.unwrap(),
                    };
                    model.on_created(&name, wanted);
                }
                Err(error) => panic!("{error}"),
            }
        }
        if below(10) == 0 {
            producer_at_last(&ProducerOptions::default()).await;
        }
        sleep(Duration::from_millis(below(60))).await;
    }
}

fn is(error: &ClientError, code: ErrorCode) -> bool {
    error.code() == Some(code)
}

/// Reads the folder on another machine with the same disk.
fn read_folder(stage: &Stage) -> MetadataFolder {
    let image = stage
        .world
        .with_disk(stage.broker, |disk| disk.image().clone());
    let reader = stage.world.add_process("a reader");
    stage.world.set_disk(reader, image);
    let runtime = stage.world.runtime(reader);
    runtime.block_on(MetadataFolder::read())
}

fn is_writing_snapshot(stage: &Stage) -> bool {
    stage.world.with_disk(stage.broker, |disk| {
        let folder = folder();
        let mut files = disk.image().children(&folder);
        files.any(|(path, _)| path.extension().is_some_and(|suffix| suffix == "part"))
    })
}

fn go_down(stage: &Stage, prng: &mut Prng) {
    match prng.below(4) {
        0 => stage.stop_clean(),
        1 => stage.world.kill(stage.broker),
        _ => stage.world.power_cut(stage.broker),
    }
}

/// All that does not change with a start of its own.
fn assert_same(after: &MetadataImage, before: &MetadataImage) {
    assert_eq!(after.configs(), before.configs());
    assert_eq!(after.features(), before.features());
    assert_eq!(after.security(), before.security());
    assert_eq!(after.next_producer_id(), before.next_producer_id());
    let topics = |image: &MetadataImage| {
        let topics = image.topics().iter();
        let topics = topics.map(|t| (t.id, t.name.clone(), t.partitions.len()));
        topics.collect::<Vec<_>>()
    };
    assert_eq!(topics(after), topics(before));
}

/// What a run has seen.
#[derive(Default)]
struct Seen {
    cuts: u32,
    unfinished: u32,
    crashes: u32,
}

fn run(seed: u64, seen: &mut Seen) {
    let stage = Stage::with(seed, |config| config.metadata_log = tiny());
    let mut prng = Prng::new(seed).stream(u64::MAX);
    let model = Rc::new(Model::default());
    for _ in 0..DOWNS {
        let client = stage.add_client("administrator");
        let _work = stage.begin(client, || administer(model.clone()));
        let limit = Duration::from_micros(prng.below(2_000_000));
        match prng.below(2) {
            0 => stage.world.run_for(limit),
            _ => {
                stage.world.run_for(limit / 2);
                stage.world.run_until(limit, || is_writing_snapshot(&stage));
            }
        }
        stage.world.kill(client);
        go_down(&stage, &mut prng);

        let folder = read_folder(&stage);
        let before = folder.image();
        model.settle(before);
        seen.cuts += u32::from(folder.log_start_offset > 0);
        seen.unfinished += folder.leftovers as u32;
        seen.crashes += u32::from(folder.found == Found::OurCrash);

        while prng.below(3) == 0 {
            stage.begin_start();
            stage
                .world
                .run_for(Duration::from_micros(prng.below(40_000)));
            stage.world.power_cut(stage.broker);
        }
        stage.start();
        stage.stop_clean();
        let after = read_folder(&stage);
        assert_same(after.image(), before);
        assert_eq!(after.leftovers, 0);
        stage.start();
    }
    assert!(model.done.get() > 10, "{} done", model.done.get());
    // Nothing goes on, but time: only the last snapshot is younger than the retention.
    stage.world.run_for(Duration::from_secs(130));
    stage.stop_clean();
    let folder = read_folder(&stage);
    model.settle(folder.image());
    assert!(folder.snapshots.len() <= 2, "{:?}", folder.snapshots);
    assert!(folder.log_size_bytes < 16_000, "{}", folder.log_size_bytes);
    stage.assert_no_panics();
}

#[test]
fn what_the_log_said_outlives_its_beginning() {
    let mut seen = Seen::default();
    with_seeds(SEEDS, |seed| run(seed, &mut seen));
    // Otherwise the test has proven nothing.
    assert!(seen.cuts > 0);
    assert!(seen.crashes > 0);
    assert!(seen.unfinished > 0);
}

/// A broker with two generated snapshots, down.
fn with_snapshots(seed: u64) -> Stage {
    let stage = Stage::with(seed, |config| {
        config.metadata_log = MetadataLogConfig {
            snapshot_record_size_bytes_max: 1_500,
            ..MetadataLogConfig::default()
        };
    });
    stage.client(create_topic);
    stage.client(|| async {
        let mut admin = Admin::new(connect_at_last().await);
        for number in 0..40 {
            let topic = NewTopic {
                name: format!("topic-{number}"),
                partitions: Some(1),
                ..NewTopic::default()
            };
            admin.create_topic(&topic).await.unwrap();
        }
    });
    stage.stop_clean();
    assert!(read_folder(&stage).snapshots.len() > 2);
    stage
}

/// Writes over the middle of a file of the folder.
fn damage(stage: &Stage, name: String) {
    let runtime = stage.world.runtime(stage.broker);
    runtime.block_on(async move {
        let options = OpenOptions::writing();
        let file = File::open(folder().join(name), options).await.unwrap();
        let middle = file.len().await.unwrap() / 2;
        let bytes = vec![0x55; 16];
        let written = file.write_at(middle, [bytes.into()], WriteMode::Durable);
        written.await.unwrap();
    });
}

#[test]
fn a_damaged_snapshot_is_set_aside_for_an_older_one_and_the_log() {
    let stage = with_snapshots(1);
    let before = read_folder(&stage);
    let ids: Vec<_> = before.snapshots.iter().map(|(id, _)| *id).collect();
    let [.., older, newest] = ids[..] else {
        panic!("{ids:?}");
    };
    damage(&stage, newest.file_name());
    damage(&stage, older.file_name());
    stage.start();
    assert_eq!(stage.client(topic_names).len(), 41);
    stage.stop_clean();
    let after = read_folder(&stage);
    assert_same(after.image(), before.image());
    let is_back = |(id, _): &(SnapshotId, usize)| [older, newest].contains(id);
    assert!(!after.snapshots.iter().any(is_back));
    let set_aside = folder().join(newest.damaged_file_name());
    let runtime = stage.world.runtime(stage.broker);
    assert!(runtime.block_on(async { fs::exists(set_aside).await.unwrap() }));
    stage.assert_no_panics();
}

#[test]
fn a_snapshot_that_cannot_be_read_is_as_good_as_damaged() {
    let stage = with_snapshots(4);
    let before = read_folder(&stage);
    let newest = before.snapshots.last().unwrap().0;
    inject(&stage, newest.file_name(), FaultOn::Read, u32::MAX);
    stage.start();
    assert_eq!(stage.client(topic_names).len(), 41);
    stage.stop_clean();
    let after = read_folder(&stage);
    assert_same(after.image(), before.image());
    assert!(after.snapshots.iter().all(|(id, _)| *id != newest));
    stage.assert_no_panics();
}

#[test]
fn a_snapshot_that_cannot_be_written_is_tried_again() {
    for (seed, on) in [(5, FaultOn::Write), (6, FaultOn::Sync)] {
        let stage = Stage::with(seed, |config| config.metadata_log = tiny());
        inject(&stage, ".checkpoint.part".to_owned(), on, 2);
        let model = Rc::new(Model::default());
        let client = stage.add_client("administrator");
        let _work = stage.begin(client, || administer(model.clone()));
        stage.world.run_for(Duration::from_secs(10));
        stage.world.kill(client);
        stage.stop_clean();
        let folder = read_folder(&stage);
        model.settle(folder.image());
        assert!(folder.snapshots.iter().any(|(id, _)| id.end_offset > 0));
        assert_eq!(folder.leftovers, 0);
        stage.assert_no_panics();
    }
}

/// The next so many operations on files with such a name fail.
fn inject(stage: &Stage, path_contains: String, on: FaultOn, count: u32) {
    const EIO: i32 = 5;
    let fault = Fault {
        path_contains,
        on,
        after: 0,
        count,
        errno: EIO,
    };
    let broker = stage.broker;
    stage.world.with_disk(broker, |disk| disk.inject(fault));
}

#[test]
fn a_log_that_begins_behind_its_only_snapshot_needs_it() {
    let stage = Stage::with(2, |config| config.metadata_log = tiny());
    stage.client(create_topic);
    let model = Rc::new(Model::default());
    let client = stage.add_client("administrator");
    let _work = stage.begin(client, || administer(model.clone()));
    stage.world.run_for(Duration::from_secs(20));
    stage.world.kill(client);
    stage.stop_clean();
    let folder = read_folder(&stage);
    assert!(folder.log_start_offset > 0);
    for (id, _) in folder.snapshots {
        damage(&stage, id.file_name());
    }
    let why = stage.start_fails();
    assert!(why.contains("no snapshot"), "{why}");
    assert!(why.starts_with("/data/__cluster_metadata-0: "), "{why}");
    assert!(why.contains("from one backup"), "{why}");
}

#[test]
fn retention_of_topics_has_no_say_over_the_metadata_log() {
    let stage = Stage::new(3);
    stage.client(create_topic);
    // The next start begins a segment, and what is in the one before is old.
    stage.stop_clean();
    stage.world.run_for(8 * DAY);
    stage.start();
    stage.world.run_for(Duration::from_secs(600));
    stage.stop_clean();
    let folder = read_folder(&stage);
    assert!(folder.image().topics().by_name(TOPIC).is_some());
    stage.start();
    assert_eq!(stage.client(topic_names), [TOPIC]);
    stage.assert_no_panics();
}

/// Another directory's metadata log beside this one's `meta.properties`, or the other way round.
#[test]
fn a_metadata_log_of_another_directory_is_refused() {
    let stage = Stage::new(6);
    stage.client(create_topic);
    stage.stop_clean();
    let exchange = |id| {
        let runtime = stage.world.runtime(stage.broker);
        runtime.block_on(exchange_directory_id(id))
    };
    let own = exchange(Uuid::from_random([7; 16]));
    let why = stage.start_fails();
    assert!(why.contains("put back the two"), "{why}");
    assert!(why.contains(&own.to_string()), "{why}");
    exchange(own);
    stage.start();
    assert_eq!(stage.client(topic_names).len(), 1);
    stage.assert_no_panics();
}

/// Returns the one that was there.
async fn exchange_directory_id(id: Uuid) -> Uuid {
    let path = folder().parent().unwrap().join("meta.properties");
    let bytes = fs::read_file(&path, 4096).await.unwrap();
    let mut found = MetaProperties::read(&String::from_utf8(bytes).unwrap()).unwrap();
    let own = found.directory_id.replace(id).unwrap();
    let text = found.to_text(wall_clock_ms());
    fs::write_file_atomic(&path, text.into_bytes())
        .await
        .unwrap();
    own
}

#[test]
fn a_taken_address_leaves_the_directory_as_it_was() {
    let stage = Stage::new(7);
    stage.client(create_topic);
    stage.stop_clean();
    let holder = stage.begin(stage.broker, || async {
        let listener = Listener::bind(([0, 0, 0, 0], PORT).into()).unwrap();
        sleep(DAY).await;
        drop(listener);
    });
    stage.world.run_for(Duration::from_secs(1));
    let why = stage.start_fails();
    assert!(why.contains("cannot listen"), "{why}");
    drop(holder);
    assert_eq!(read_folder(&stage).found, Found::CleanStop);
}
