#![allow(clippy::unwrap_used)] // tests

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use engine_record::{BatchBuilder, BatchOptions, Compression, TargetCompression};
use engine_runtime::{ShardContext, SimOptions, SimWorld};
use engine_shard::{Message, Shards};

use super::*;
use crate::BrokerConfig;

const NOW: i64 = 1_700_000_000_000;

/// Runs `work` on a core of the simulated world.
fn on_core<T: 'static, F>(work: impl Fn(Rc<Core>) -> F) -> T
where
    F: Future<Output = T> + 'static,
{
    let world = SimWorld::new(1, SimOptions::default());
    let process = world.add_process("broker");
    let shards = world.launch(process, 1, 4, |context: ShardContext<Message<Core>>| {
        let config = BrokerConfig {
            memory_bytes: 4 * MIB,
            ..BrokerConfig::default()
        };
        work(Core::new(Arc::new(config), Shards::new(context.mesh)))
    });
    assert!(world.run_until(Duration::from_secs(60), || shards[0].is_finished()));
    shards[0].result().unwrap()
}

fn batch(compression: Compression, size_bytes: usize) -> Slice {
    let mut builder = BatchBuilder::new(BatchOptions {
        compression,
        ..BatchOptions::default()
    });
    builder.append(NOW, None, Some(&vec![0; size_bytes]), &[]);
    Slice::from_vec(builder.finish())
}

fn rules(compression: Option<Compression>) -> Rules {
    Rules {
        compression: compression.map(|compression| TargetCompression {
            compression,
            level: None,
        }),
        batch_size_bytes_max: 64 * MIB,
        ..Rules::default()
    }
}

/// How often others got the core while a request's batches were looked at.
async fn turns_during(core: Rc<Core>, batches: Vec<Slice>, rules: Rules) -> u32 {
    let is_over = Rc::new(Cell::new(false));
    let others = spawn({
        let is_over = is_over.clone();
        async move {
            let mut turns = 0;
            while !is_over.get() {
                turns += 1;
                yield_now().await;
            }
            turns
        }
    });
    yield_now().await;
    let mut visit = Visit::new(&core, 9, NOW);
    for batch in batches {
        visit.admit(batch, &rules).await.unwrap();
    }
    is_over.set(true);
    others.await.unwrap()
}

#[test]
fn a_batch_that_becomes_large_shares_the_core() {
    let turns = |compression, size_bytes, target| {
        on_core(move |core| {
            let batches = vec![batch(compression, size_bytes)];
            turns_during(core, batches, rules(target))
        })
    };
    // One turn before it began.
    assert_eq!(turns(Compression::Zstd, MIB, None), 1);
    assert_eq!(turns(Compression::None, 8 * MIB, None), 1);
    let large = 15 * MIB;
    let slices = u32::try_from(large as u64 / COST_OF_SLICE).unwrap();
    let turns_of_large = turns(Compression::Zstd, large, None);
    assert!(turns_of_large >= slices, "{turns_of_large}");
    let turns_of_recoded = turns(Compression::Zstd, large, Some(Compression::Gzip));
    assert!(turns_of_recoded >= 8 * slices, "{turns_of_recoded}");
}

#[test]
fn many_batches_share_the_core_as_one_large_does() {
    let turns = on_core(|core| {
        let batches = vec![batch(Compression::Lz4, 3 * MIB); 10];
        turns_during(core, batches, rules(None))
    });
    assert!(turns >= 5, "{turns}");
}

#[test]
fn batches_written_anew_wait_for_memory_and_never_for_ever() {
    on_core(|core| async move {
        // The door has 512 KiB for them, and each request's batches are larger.
        let rules = rules(Some(Compression::None));
        let requests: Vec<_> = (0..5)
            .map(|_| {
                let core = core.clone();
                spawn(async move {
                    let mut visit = Visit::new(&core, 9, NOW);
                    for _ in 0..3 {
                        let batch = batch(Compression::Zstd, 300 * KIB);
                        let admitted = visit.admit(batch, &rules).await.unwrap();
                        assert!(admitted.bytes.len() > 300 * KIB);
                        yield_now().await;
                        // The waiting ones hold one batch each that is not charged yet.
                        let held = core.door.recoded.used_bytes();
                        assert!(held < 2 * MIB, "{held}");
                    }
                })
            })
            .collect();
        for request in requests {
            request.await.unwrap();
        }
        assert_eq!(core.door.recoded.used_bytes(), 0);
    });
}

#[test]
fn a_request_that_goes_away_leaves_the_lane() {
    on_core(|core| async move {
        let request = |core: Rc<Core>| {
            spawn(async move {
                let mut visit = Visit::new(&core, 9, NOW);
                let batch = batch(Compression::Zstd, 15 * MIB);
                visit.admit(batch, &rules(None)).await.map(drop)
            })
        };
        let (gone, waits, also_gone) = (
            request(core.clone()),
            request(core.clone()),
            request(core.clone()),
        );
        for _ in 0..4 {
            yield_now().await;
        }
        assert!(core.door.lane.borrow().is_none(), "one is in the lane");
        gone.cancel();
        also_gone.cancel();
        assert_eq!(waits.await.unwrap(), Ok(()));
        assert!(core.door.lane.borrow().is_some());
    });
}
