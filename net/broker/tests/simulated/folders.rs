//! Folders that somebody took away, or put there: nothing of what is left is removed, and it is said.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use engine_runtime::{fs, sleep};
use net_client::Acks;
use replication_metadata::QuorumState;

use crate::behaviour::create_topic;
use crate::clients::{PARTITIONS, TOPIC, read_everything, topic_names, write_some};
use crate::metadata_folder::folder as metadata_folder;
use crate::oracle::Oracle;
use crate::stage::Stage;

const DIRECTORY: &str = "/data";

fn write(stage: &Stage, count: u32) -> Rc<Oracle> {
    let oracle = Rc::new(Oracle::default());
    stage.client(|| write_some(oracle.clone(), Acks::All, count));
    oracle
}

async fn copy(from: PathBuf, to: PathBuf) {
    fs::create_dir_all(&to).await.unwrap();
    for entry in fs::read_dir(&from).await.unwrap() {
        let bytes = fs::read_file(from.join(&entry.name), 1 << 24)
            .await
            .unwrap();
        fs::write_file_atomic(to.join(&entry.name), bytes)
            .await
            .unwrap();
    }
}

#[test]
fn partitions_without_their_metadata_log_are_left_alone() {
    let stage = Stage::new(1);
    stage.client(create_topic);
    let oracle = write(&stage, 50);
    stage.stop_clean();
    stage.on_disk(async {
        fs::rename(metadata_folder(), "/elsewhere").await.unwrap();
    });
    let why = stage.start_fails();
    assert!(why.contains("__cluster_metadata-0"), "{why}");
    stage.on_disk(async {
        fs::rename("/elsewhere", metadata_folder()).await.unwrap();
    });
    stage.start();
    oracle.assert_kept(&stage.client(read_everything));
    stage.assert_no_panics();
}

#[test]
fn quorum_state_that_no_epoch_follows_is_damage() {
    let stage = Stage::new(3);
    stage.stop_clean();
    stage.on_disk(async {
        let last = QuorumState::leader(1, i32::MAX).to_text();
        let file = metadata_folder().join("quorum-state");
        fs::write_file_atomic(file, last.into_bytes())
            .await
            .unwrap();
    });
    let why = stage.start_fails();
    assert!(why.contains("no epoch follows 2147483647"), "{why}");
}

#[test]
fn meta_properties_that_says_nothing_is_damage_with_a_next_step() {
    let stage = Stage::new(4);
    stage.stop_clean();
    for (text, told) in [
        ("garbage", "put the file back from a copy"),
        ("version=9\n", "another release"),
    ] {
        stage.on_disk(async move {
            let file = Path::new(DIRECTORY).join("meta.properties");
            fs::write_file_atomic(file, text.as_bytes().to_vec())
                .await
                .unwrap();
        });
        let why = stage.start_fails();
        assert!(why.contains("/data: meta.properties"), "{why}");
        assert!(why.contains(told), "{why}");
    }
}

#[test]
fn folders_that_an_older_metadata_log_does_not_know_are_set_aside() {
    let stage = Stage::new(2);
    stage.stop_clean();
    stage.on_disk(copy(metadata_folder(), "/older".into()));
    stage.start();
    stage.client(create_topic);
    write(&stage, 50);
    stage.stop_clean();
    stage.on_disk(async {
        fs::remove_dir_all(metadata_folder()).await.unwrap();
        copy("/older".into(), metadata_folder()).await;
    });
    stage.start();
    assert_eq!(stage.client(topic_names), Vec::<String>::new());
    stage.stop_clean();
    let (strays, kept_bytes) = stage.on_disk(async {
        let (mut strays, mut kept_bytes) = (0, 0);
        for entry in fs::read_dir(DIRECTORY).await.unwrap() {
            let name = entry.name.to_string_lossy().into_owned();
            assert!(
                !name.starts_with(TOPIC) || name.ends_with("-stray"),
                "{name}"
            );
            if name.ends_with("-stray") {
                strays += 1;
                let log = Path::new(DIRECTORY)
                    .join(&name)
                    .join("00000000000000000000.log");
                kept_bytes += fs::read_file(log, 1 << 24).await.unwrap().len();
            }
        }
        (strays, kept_bytes)
    });
    assert_eq!(strays, PARTITIONS);
    assert!(kept_bytes > 50 * 60);
    // They are nobody's from then on.
    stage.start();
    assert_eq!(stage.client(topic_names), Vec::<String>::new());
    stage.assert_no_panics();
}

#[test]
fn folder_that_is_gone_after_a_crash_is_told_of_when_records_were_in_it() {
    let stage = Stage::new(3);
    stage.client(create_topic);
    write(&stage, 50);
    stage.client(async || sleep(Duration::from_secs(1)).await);
    stage.world.kill(stage.broker);
    let gone = format!("{TOPIC}-0");
    let path = Path::new(DIRECTORY).join(&gone);
    stage.on_disk(async move { fs::remove_dir_all(&path).await.unwrap() });
    stage.start();
    assert_eq!(*stage.lost.borrow(), [gone]);
    write(&stage, 50);
    stage.stop_clean();
    stage.start();
    assert!(stage.lost.borrow().is_empty());
    stage.assert_no_panics();
}
