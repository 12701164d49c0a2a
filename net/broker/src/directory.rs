//! The data directory: whose it is, and that nobody else has it open.
//!
//! Shard 0 opens it before anything else happens and holds its lock until the process ends.

use std::io;
use std::path::{Path, PathBuf};

use engine_base::Uuid;
use engine_record::{Voter, Voters};
use engine_runtime::fs::{self, LockFile};
use engine_runtime::{random_bytes, wall_clock_ms};
use replication_metadata::format::{self, METADATA_LOG_FOLDER, Standalone};
use replication_metadata::{FileError, MetaProperties, MetadataVersion, read_clean_shutdown};

use crate::config::BrokerConfig;
use crate::error::StartError;

const META_PROPERTIES: &str = "meta.properties";
/// Kafka's own name for it.
const LOCK_FILE: &str = ".lock";
/// Left by a clean stop, Kafka's or ours.
const CLEAN_SHUTDOWN_FILE: &str = ".kafka_cleanshutdown";
const META_PROPERTIES_BYTES_MAX: usize = 64 << 10;

/// A directory that is ours and locked.
pub(crate) struct DataDirectory {
    pub(crate) path: PathBuf,
    pub(crate) cluster_id: String,
    pub(crate) directory_id: Uuid,
    /// It was formatted just now.
    pub(crate) is_new: bool,
    _lock: LockFile,
}

impl DataDirectory {
    /// Opens the directory that `lock` holds; formats one that is new.
    ///
    /// # Errors
    /// It belongs to another node, or holds what is not ours.
    pub(crate) async fn open(config: &BrokerConfig, lock: LockFile) -> Result<Self, StartError> {
        let path = config.log_dir.clone();
        let meta = path.join(META_PROPERTIES);
        let failed = |error| StartError::io("looking for", &meta, error);
        let is_new = !fs::exists(&meta).await.map_err(failed)?;
        if is_new {
            let cluster_id = config.cluster_id.clone().unwrap_or_else(fresh_cluster_id);
            format_empty(&path, config, &cluster_id).await?;
        }
        let found = read_meta_properties(&meta).await?;
        check_owner(&path, config, &found)?;
        check_metadata_log(&path).await?;
        let directory_id = found.directory_id.ok_or_else(|| StartError::Foreign {
            path: path.clone(),
            why: "its meta.properties has no directory.id (Kafka before 3.7 wrote it); start \
                  Kafka 3.7 or later on it once"
                .to_owned(),
        })?;
        Ok(Self {
            path,
            cluster_id: found.cluster_id,
            directory_id,
            is_new,
            _lock: lock,
        })
    }
}

impl DataDirectory {
    /// The broker epoch in the file that a clean stop leaves; -1 when it says none.
    pub(crate) async fn clean_stop_epoch(&self) -> i64 {
        let file = self.path.join(CLEAN_SHUTDOWN_FILE);
        // A file that is missing or unreadable says nothing; recovery judges the stop by itself.
        let bytes = fs::read_file(&file, META_PROPERTIES_BYTES_MAX)
            .await
            .unwrap_or_default();
        read_clean_shutdown(&String::from_utf8_lossy(&bytes)).unwrap_or(-1)
    }

    /// Whether the metadata log is this directory's: it names the directories that vote, where it
    /// names any (kraft.version 1). Kafka's node would wait for ever for such a voter to appear.
    /// Nothing in a metadata log says the cluster's id.
    ///
    /// # Errors
    /// It is another's.
    pub(crate) fn check_voters(&self, voters: &Voters<'_>, node_id: i32) -> Result<(), StartError> {
        let is_ours = |voter: &Voter<'_>| {
            voter.voter_id == node_id && voter.voter_directory_id == self.directory_id
        };
        if voters.voters.iter().any(is_ours) {
            return Ok(());
        }
        let told = voters.voters.iter().map(|voter| {
            let (node, directory) = (voter.voter_id, voter.voter_directory_id);
            format!("node {node} with directory.id {directory}")
        });
        Err(StartError::Foreign {
            path: self.path.clone(),
            why: format!(
                "{METADATA_LOG_FOLDER} belongs to {}, and meta.properties says node {node_id} with \
                 directory.id {}: put back the two that belong together",
                told.collect::<Vec<_>>().join(", "),
                self.directory_id
            ),
        })
    }

    /// An error of the metadata log with the place of the damage, and what to do about it.
    pub(crate) fn of_metadata(&self, error: StartError) -> StartError {
        match error {
            StartError::Damaged(why) => StartError::Damaged(format!(
                "{}: {why}; keep a copy of the directory and restore all of it from one backup, or \
                 set log.dirs to an empty directory for a new cluster",
                self.path.join(METADATA_LOG_FOLDER).display()
            )),
            other => other,
        }
    }
}

/// Formats an empty directory for a cluster (`ottla format`).
///
/// # Errors
/// It is in use, formatted already, or not empty.
pub async fn format_directory(config: &BrokerConfig) -> Result<String, StartError> {
    let path = &config.log_dir;
    let _lock = lock(path).await?;
    let meta = path.join(META_PROPERTIES);
    if fs::exists(&meta)
        .await
        .map_err(|error| StartError::io("looking for", &meta, error))?
    {
        let found = read_meta_properties(&meta).await?;
        let why = format!(
            "it is formatted already, for cluster {}: start on it as it is, or name an empty \
             directory with log.dirs",
            found.cluster_id
        );
        return Err(StartError::Foreign {
            path: path.clone(),
            why,
        });
    }
    let cluster_id = config.cluster_id.clone().unwrap_or_else(fresh_cluster_id);
    format_empty(path, config, &cluster_id).await?;
    Ok(cluster_id)
}

fn fresh_cluster_id() -> String {
    Uuid::from_random(random_bytes()).to_string()
}

/// Makes the directory if it is missing and locks it, or says who has it. Changes nothing in it.
///
/// # Errors
/// It is in use, or cannot be made.
pub(crate) async fn lock(path: &Path) -> Result<LockFile, StartError> {
    let created = create(path).await;
    created.map_err(|error| StartError::io("creating", path, error))?;
    let file = path.join(LOCK_FILE);
    fs::lock_file(&file).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => StartError::Locked {
            path: path.to_path_buf(),
        },
        _ => StartError::io("locking", &file, error),
    })
}

/// Makes the directory if it is missing, durably: what is kept in it is worth nothing when a power
/// cut takes its name.
async fn create(path: &Path) -> io::Result<()> {
    let mut missing = Vec::new();
    for directory in path.ancestors().filter(|it| !it.as_os_str().is_empty()) {
        if fs::exists(directory).await? {
            break;
        }
        missing.push(directory);
    }
    fs::create_dir_all(path).await?;
    for parent in missing.into_iter().filter_map(Path::parent) {
        let is_here = parent.as_os_str().is_empty();
        fs::sync_dir(if is_here { Path::new(".") } else { parent }).await?;
    }
    Ok(())
}

async fn format_empty(
    path: &Path,
    config: &BrokerConfig,
    cluster_id: &str,
) -> Result<(), StartError> {
    let entries = fs::read_dir(path)
        .await
        .map_err(|error| StartError::io("listing", path, error))?;
    let is_foreign = |name: &str| !matches!(name, LOCK_FILE | "lost+found" | METADATA_LOG_FOLDER);
    let stranger = entries
        .iter()
        .map(|entry| entry.name.to_string_lossy())
        .find(|n| is_foreign(n));
    if let Some(stranger) = stranger {
        return Err(StartError::Foreign {
            path: path.to_path_buf(),
            why: format!(
                "it holds '{stranger}' but no meta.properties: give an empty directory, or one \
                 that Ottla or Kafka has formatted"
            ),
        });
    }
    let (name, host, port) = &config.controller_listener;
    let node = Standalone {
        cluster_id,
        node_id: config.node_id.0,
        directory_id: Uuid::from_random(random_bytes()),
        controller_listener: (name, host, *port),
        metadata_version: MetadataVersion::MAX,
    };
    let files = format::standalone(&node, wall_clock_ms()).map_err(|error| {
        StartError::Config(format!("the directory cannot be formatted: {error}"))
    })?;
    for file in files {
        let target = path.join(&file.path);
        let parent = target
            .parent()
            .expect("a formatted file lies below the directory");
        let made = fs::create_dir_all(parent).await;
        made.map_err(|error| StartError::io("creating", parent, error))?;
        let written = fs::write_file_atomic(&target, file.bytes).await;
        written.map_err(|error| StartError::io("writing", &target, error))?;
    }
    tracing::info!("formatted {} for cluster {cluster_id}", path.display());
    Ok(())
}

async fn read_meta_properties(path: &Path) -> Result<MetaProperties, StartError> {
    let bytes = fs::read_file(path, META_PROPERTIES_BYTES_MAX).await;
    let bytes = bytes.map_err(|error| StartError::io("reading", path, error))?;
    let text = String::from_utf8_lossy(&bytes);
    let directory = path.parent().unwrap_or(path);
    MetaProperties::read(&text).map_err(|error| match error {
        FileError::UnknownVersion { .. } => StartError::Foreign {
            path: directory.to_path_buf(),
            why: format!(
                "{error}: another release formatted it (version 0 is of before KRaft); run that \
                 release, or set log.dirs to another directory"
            ),
        },
        _ => StartError::Damaged(format!(
            "{}: {error}; put the file back from a copy, or set log.dirs to an empty directory for \
             a new cluster",
            directory.display()
        )),
    })
}

/// A directory with partitions has the metadata log that says which topics they are of: without it all
/// of them would belong to nobody.
async fn check_metadata_log(path: &Path) -> Result<(), StartError> {
    let metadata = path.join(METADATA_LOG_FOLDER);
    let failed = |error| StartError::io("looking for", &metadata, error);
    if fs::exists(&metadata).await.map_err(failed)? {
        return Ok(());
    }
    let partitions = engine_log::find_partitions(path).await?;
    let Some(first) = partitions.first() else {
        return Ok(()); // formatted, and never started
    };
    Err(StartError::Foreign {
        path: path.to_path_buf(),
        why: format!(
            "it holds {} partitions ({}-{} is one) and no {METADATA_LOG_FOLDER}, which says what topics \
             they are of: put that folder here, from a copy or from where metadata.log.dir had it",
            partitions.len(),
            first.topic,
            first.partition
        ),
    })
}

fn check_owner(
    path: &Path,
    config: &BrokerConfig,
    found: &MetaProperties,
) -> Result<(), StartError> {
    let foreign = |why| {
        Err(StartError::Foreign {
            path: path.to_path_buf(),
            why,
        })
    };
    if found.node_id != config.node_id.0 {
        return foreign(format!(
            "it belongs to node {}, and this is node {}: set node.id={}, or log.dirs to this \
             node's directory",
            found.node_id, config.node_id.0, found.node_id
        ));
    }
    match &config.cluster_id {
        Some(wanted) if *wanted != found.cluster_id => foreign(format!(
            "it belongs to cluster {}, and this node to {wanted}",
            found.cluster_id
        )),
        _ => Ok(()),
    }
}
