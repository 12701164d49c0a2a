//! Starts the shards: a pinned thread each, a core on it, mailboxes between them.

use std::fmt;
use std::io;
use std::sync::mpsc;
use std::sync::{Arc, Once};
use std::thread;

use engine_base::limits::SHARDS_MAX;
use engine_base::{ShardId, set_hash_seed};

use crate::clock;
use crate::cpu::{pin_to, usable_cores};
use crate::driver::uring::StartError;
use crate::mesh::{self, Mesh, MeshEnds};
use crate::metrics::RuntimeMetrics;
use crate::remote::{Remote, RemoteHandle};
use crate::runtime::{Runtime, RuntimeOptions};
use crate::signal::block_shutdown_signals;
use crate::spawn::spawn_critical;

/// How to start shards.
#[derive(Clone, Debug)]
pub struct ShardOptions {
    /// How many; `None` for one on each usable core.
    pub count: Option<usize>,
    /// Whether to put each thread on a core of its own (with more shards than cores, in turn).
    pub pins: bool,
    /// Messages each of the N x N mailboxes holds.
    pub mailbox_capacity: usize,
    /// How each core runs.
    pub runtime: RuntimeOptions,
}

impl Default for ShardOptions {
    fn default() -> Self {
        Self {
            count: None,
            pins: true,
            mailbox_capacity: 1024,
            runtime: RuntimeOptions::default(),
        }
    }
}

/// What a shard gets at its start.
#[derive(Debug)]
pub struct ShardContext<M> {
    /// This shard's mailboxes.
    pub mesh: Mesh<M>,
    /// The core its thread is pinned to.
    pub core: Option<usize>,
    /// The doors of all shards, by shard.
    pub remotes: Vec<RemoteHandle>,
}

impl<M: Send + 'static> ShardContext<M> {
    /// This shard.
    #[must_use]
    pub fn id(&self) -> ShardId {
        self.mesh.id()
    }
}

/// A running shard. Dropping it leaves the thread alone.
pub struct ShardHandle<T> {
    id: ShardId,
    /// `None` from a shard that was told to end before it began.
    thread: thread::JoinHandle<Option<T>>,
    remote: RemoteHandle,
    metrics: Arc<RuntimeMetrics>,
}

impl<T> ShardHandle<T> {
    /// Which shard.
    #[must_use]
    pub fn id(&self) -> ShardId {
        self.id
    }

    /// The door to the shard.
    #[must_use]
    pub fn remote(&self) -> RemoteHandle {
        self.remote.clone()
    }

    /// What the shard's core did so far.
    #[must_use]
    pub fn metrics(&self) -> Arc<RuntimeMetrics> {
        Arc::clone(&self.metrics)
    }

    /// Waits, blocking, until the shard's main future has ended and its ring is drained.
    ///
    /// # Panics
    /// When the shard's thread panicked while it ended (its tasks' panics never come here).
    pub fn join(self) -> T {
        self.thread
            .join()
            .unwrap_or_else(|payload| std::panic::resume_unwind(payload))
            .expect("a shard with a handle was told to go")
    }
}

impl<T> fmt::Debug for ShardHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShardHandle({})", self.id.0)
    }
}

/// Starts the shards and returns when every one of them has its ring; `main` then runs on each. A
/// panic in `main` stops the process, as in [`crate::spawn_critical`].
///
/// Also gives the process's hash maps their secret seed, and keeps SIGTERM and SIGINT for
/// [`crate::shutdown_signal`].
///
/// # Errors
/// When one shard cannot start; the others have ended then.
///
/// # Panics
/// When `options.count` is zero or above the most there may be.
pub fn launch<M, T, F, Fut>(
    options: &ShardOptions,
    main: F,
) -> Result<Vec<ShardHandle<T>>, StartError>
where
    M: Send + 'static,
    T: Send + 'static,
    F: Fn(ShardContext<M>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = T> + 'static,
{
    let cores = usable_cores();
    let count = options.count.unwrap_or_else(|| cores.len().min(SHARDS_MAX));
    assert!(count > 0);
    assert!(count <= SHARDS_MAX);
    block_shutdown_signals()?;
    seed_hash_maps();
    let remotes = (0..count)
        .map(|_| Remote::with_event())
        .collect::<io::Result<Vec<_>>>()?;
    let main = Arc::new(main);
    let (started, starts) = mpsc::channel();
    let mut shards = Vec::with_capacity(count);
    for (index, ends) in mesh::build(&remotes, options.mailbox_capacity)
        .into_iter()
        .enumerate()
    {
        let start = Start {
            ends,
            remote: Arc::clone(&remotes[index]),
            remotes: remotes.iter().cloned().map(RemoteHandle::new).collect(),
            core: options.pins.then(|| cores[index % cores.len()]),
            options: options.runtime.clone(),
        };
        let (go, may_go) = mpsc::channel();
        let (main, started) = (Arc::clone(&main), started.clone());
        let thread = thread::Builder::new()
            .name(format!("shard-{index}"))
            .spawn(move || start.run(started, &may_go, &*main))?;
        shards.push((thread, go));
    }
    drop(started);
    let mut metrics = vec![None; count];
    for (id, result) in starts {
        // On an error the `go` channels are dropped with `shards`, and the others end.
        metrics[id.index()] = Some(result?);
    }
    let mut handles = Vec::with_capacity(count);
    for (index, (thread, go)) in shards.into_iter().enumerate() {
        // A shard that has its ring waits for this; it cannot be gone.
        let _ = go.send(());
        handles.push(ShardHandle {
            id: ShardId(index as u16),
            thread,
            remote: RemoteHandle::new(Arc::clone(&remotes[index])),
            metrics: metrics[index]
                .take()
                .expect("every shard reported its start"),
        });
    }
    Ok(handles)
}

/// Once in a process, before any map that a client's names go into.
fn seed_hash_maps() {
    static SEEDED: Once = Once::new();
    SEEDED.call_once(|| set_hash_seed(clock::random_seed()));
}

type Started = (ShardId, Result<Arc<RuntimeMetrics>, StartError>);

/// What a shard's thread begins with.
struct Start<M> {
    ends: MeshEnds<M>,
    remote: Arc<Remote>,
    remotes: Vec<RemoteHandle>,
    core: Option<usize>,
    options: RuntimeOptions,
}

impl<M: Send + 'static> Start<M> {
    /// The whole life of a shard's thread.
    fn run<T: 'static, F, Fut>(
        self,
        started: mpsc::Sender<Started>,
        may_go: &mpsc::Receiver<()>,
        main: &F,
    ) -> Option<T>
    where
        F: Fn(ShardContext<M>) -> Fut,
        Fut: Future<Output = T> + 'static,
    {
        let id = self.ends.id();
        let core = self.core.filter(|&core| {
            let is_pinned = pin_to(core);
            if !is_pinned {
                tracing::warn!(shard = id.0, core, "the shard's thread could not be pinned");
            }
            is_pinned
        });
        let runtime = match Runtime::uring_behind(self.remote, &self.options) {
            Ok(runtime) => runtime,
            Err(error) => {
                // `launch` waits for this report.
                let _ = started.send((id, Err(error)));
                return None;
            }
        };
        let _ = started.send((id, Ok(runtime.metrics())));
        drop(started);
        may_go.recv().ok()?;
        let context = ShardContext {
            mesh: self.ends.plant(runtime.core()),
            core,
            remotes: self.remotes,
        };
        let main = main(context);
        let result = runtime.block_on(async move { spawn_critical("shard main", main).await });
        Some(result.expect("nobody cancels a shard's main future, and its panic stops the process"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(count: usize) -> ShardOptions {
        ShardOptions {
            count: Some(count),
            mailbox_capacity: 8,
            ..ShardOptions::default()
        }
    }

    /// Each shard sends to its right neighbour and passes on what it gets, so messages go round
    /// with every shard asleep most of the time: a lost wake stops the ring.
    #[test]
    fn messages_go_round_sleeping_shards() {
        const SHARDS: u16 = 3;
        const LAPS: u32 = 200;
        let shards = launch(
            &options(usize::from(SHARDS)),
            |context: ShardContext<u32>| async move {
                let mesh = context.mesh;
                let right = ShardId((mesh.id().0 + 1) % SHARDS);
                if mesh.id().0 == 0 {
                    mesh.send(right, 0).unwrap();
                }
                let mut last = 0;
                while last < LAPS {
                    let (sender, lap) = mesh.recv().await;
                    assert_eq!(sender.0, (mesh.id().0 + SHARDS - 1) % SHARDS);
                    last = lap + u32::from(mesh.id().0 == 0);
                    if !(mesh.id().0 == SHARDS - 1 && last > LAPS) {
                        mesh.send(right, last).unwrap();
                    }
                    last += u32::from(mesh.id().0 != 0);
                }
                mesh.id().0
            },
        )
        .unwrap();
        let ids: Vec<_> = shards.into_iter().map(ShardHandle::join).collect();
        assert_eq!(ids, [0, 1, 2]);
    }

    #[test]
    fn a_full_mailbox_gives_the_message_back() {
        let shards = launch(&options(1), |context: ShardContext<u32>| async move {
            let me = context.id();
            let full = (0..).find(|&n| context.mesh.send(me, n) == Err(crate::Full(n)));
            let first = context.mesh.recv().await;
            (full, first)
        })
        .unwrap();
        let results: Vec<_> = shards.into_iter().map(ShardHandle::join).collect();
        assert_eq!(results, [(Some(8), (ShardId(0), 0))]);
    }

    #[test]
    fn another_thread_posts_work_to_a_sleeping_shard() {
        let shards = launch(&options(1), |_: ShardContext<()>| async move {
            // Ends only because the posted closure spawns what sets the flag.
            let notify = crate::Notify::new();
            while crate::task_count() < 3 {
                let _ = crate::timeout(std::time::Duration::from_millis(5), notify.wait()).await;
            }
        })
        .unwrap();
        shards[0].remote().post(Box::new(|| {
            crate::spawn(std::future::pending::<()>()).detach();
        }));
        for shard in shards {
            shard.join();
        }
    }
}
