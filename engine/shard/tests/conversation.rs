//! Shards that ask and tell each other, in the simulated world.

// A test fails by panic.
#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use engine_base::ShardId;
use engine_runtime::{
    JoinError, ShardContext, SimOptions, SimShard, SimWorld, critical, race, random_u64, sleep,
    spawn, spawn_critical, yield_now,
};
use engine_shard::{Gone, Message, Shards};

/// Small, so that the backlog is used.
const MAILBOX_MESSAGES: usize = 4;
const COUNT: u32 = 500;

/// What jobs run on: the numbers that arrived, in order, by sender.
#[derive(Default)]
struct State {
    arrived: RefCell<Vec<(u16, u32)>>,
}

/// Runs `work` on every one of `count` shards; its results by shard.
fn on_shards<T, F>(
    seed: u64,
    count: usize,
    work: impl Fn(Rc<Shards<State>>, Rc<State>) -> F + Clone + 'static,
) -> Vec<T>
where
    T: 'static,
    F: Future<Output = T> + 'static,
{
    let world = SimWorld::new(seed, SimOptions::default());
    let process = world.add_process("shards");
    let shards = world.launch(
        process,
        count,
        MAILBOX_MESSAGES,
        move |context: ShardContext<Message<State>>| {
            let work = work.clone();
            async move {
                let (shards, state) = (Shards::new(context.mesh), Rc::new(State::default()));
                let (serving, served) = (shards.clone(), state.clone());
                spawn_critical("mailbox", async move { serving.serve(&served).await }).detach();
                yield_now().await; // it begins
                work(shards, state).await
            }
        },
    );
    let are_over = || shards.iter().all(SimShard::is_finished);
    assert!(
        world.run_until(Duration::from_secs(60), are_over),
        "seed {seed}: a shard waits for ever"
    );
    shards.iter().map(|shard| shard.result().unwrap()).collect()
}

type Asked = Pin<Box<dyn Future<Output = Result<u32, Gone>>>>;

/// Starts asking: the job is on its way when this returns.
async fn begin(mut asked: Asked) -> Asked {
    poll_fn(|context| {
        let polled = asked.as_mut().poll(context);
        assert!(polled.is_pending(), "the other shard has not run yet");
        Poll::Ready(())
    })
    .await;
    asked
}

/// Tells or asks `owner` something numbered, `COUNT` times, without waiting in between.
async fn talk(shards: Rc<Shards<State>>, owner: ShardId) {
    let me = shards.id().0;
    let mut waiting = Vec::new();
    for number in 0..COUNT {
        if random_u64().is_multiple_of(2) {
            shards.tell(owner, move |state| {
                state.arrived.borrow_mut().push((me, number));
            });
            continue;
        }
        let shards = shards.clone();
        let asked = async move {
            let job = move |state: Rc<State>| async move {
                state.arrived.borrow_mut().push((me, number));
                // Answers come in any order.
                sleep(Duration::from_micros(random_u64() % 500)).await;
                number
            };
            shards.ask(owner, job).await
        };
        waiting.push((number, begin(Box::pin(asked)).await));
        if random_u64().is_multiple_of(20) {
            yield_now().await;
        }
    }
    for (number, asked) in waiting {
        assert_eq!(asked.await, Ok(number));
    }
}

#[test]
fn jobs_begin_in_the_order_they_were_asked_however_full_the_mailbox_is() {
    for seed in 0..5 {
        let arrived = on_shards(seed, 3, |shards, state| async move {
            let me = shards.id().0;
            let owners = (0..shards.count()).filter(|&shard| shard != me);
            let talks: Vec<_> = owners
                .map(|owner| spawn(talk(shards.clone(), ShardId(owner))))
                .collect();
            for talk in talks {
                talk.await.unwrap();
            }
            // The others' last words may still be on their way.
            while state.arrived.borrow().len() < 2 * COUNT as usize {
                sleep(Duration::from_micros(100)).await;
            }
            state.arrived.take()
        });
        for (shard, arrived) in arrived.into_iter().enumerate() {
            for sender in (0..3).filter(|&sender| usize::from(sender) != shard) {
                let of_sender = arrived.iter().filter(|(from, _)| *from == sender);
                let numbers: Vec<u32> = of_sender.map(|&(_, number)| number).collect();
                let expected: Vec<u32> = (0..COUNT).collect();
                assert_eq!(numbers, expected, "seed {seed}: {sender} to {shard}");
            }
        }
    }
}

/// Asks `owner` in a task of its own, as a connection does; the panic that ended it.
async fn panic_of<F>(
    shards: &Rc<Shards<State>>,
    owner: ShardId,
    job: impl FnOnce(Rc<State>) -> F + Send + 'static,
) -> String
where
    F: Future<Output = ()> + 'static,
{
    let shards = shards.clone();
    let asking = spawn(async move { shards.ask(owner, job).await });
    match asking.await {
        Err(JoinError::Panicked(message)) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_job_that_panics_panics_its_caller_and_nobody_else() {
    let results = on_shards(7, 2, |shards, _| async move {
        let other = ShardId(1 - shards.id().0);
        if shards.id() == ShardId(1) {
            // Lives as long as it is asked.
            sleep(Duration::from_secs(1)).await;
            return None;
        }
        let mut panics = Vec::new();
        // Before there is a future, in its first poll, and in a later one; there and here.
        for owner in [other, shards.id()] {
            let never = |_| -> std::future::Ready<()> { panic!("at once") };
            panics.push(panic_of(&shards, owner, never).await);
            let first = |_| async { panic!("first poll") };
            panics.push(panic_of(&shards, owner, first).await);
            let later = |_| async {
                yield_now().await;
                panic!("later poll")
            };
            panics.push(panic_of(&shards, owner, later).await);
        }
        let answered = shards.ask(other, |_| async { 5 }).await;
        Some((panics, answered))
    });
    let (panics, answered) = results[0].clone().unwrap();
    let [there, here] = [&panics[..3], &panics[3..]];
    assert_eq!(here, ["at once", "first poll", "later poll"]);
    for (there, here) in there.iter().zip(here) {
        assert_eq!(*there, format!("on shard 1: {here}"));
    }
    assert_eq!(answered, Ok(5));
}

/// What changes acknowledged state stops the process from within a job too, whichever poll it is.
#[test]
fn a_critical_panic_in_a_job_stops_the_process() {
    for is_first_poll in [true, false] {
        let options = SimOptions {
            critical_panic_stops_process: true,
            ..SimOptions::default()
        };
        let world = SimWorld::new(11, options);
        let process = world.add_process("shards");
        let shards = world.launch(
            process,
            2,
            MAILBOX_MESSAGES,
            move |context: ShardContext<Message<State>>| async move {
                let (shards, state) = (Shards::new(context.mesh), Rc::new(State::default()));
                let (serving, served) = (shards.clone(), state.clone());
                spawn_critical("mailbox", async move { serving.serve(&served).await }).detach();
                yield_now().await;
                let job = move |_| async move {
                    if !is_first_poll {
                        yield_now().await;
                    }
                    critical("append", || panic!("offsets went back"));
                };
                if shards.id() == ShardId(0) {
                    let _: Result<(), Gone> = shards.ask(ShardId(1), job).await;
                }
                sleep(Duration::from_secs(1)).await;
            },
        );
        world.run_for(Duration::from_secs(2));
        assert_eq!(world.exits(process), ["offsets went back"]);
        assert!(shards.iter().all(|shard| shard.result().is_none()));
    }
}

#[test]
fn the_own_shard_is_asked_without_a_message() {
    let results = on_shards(8, 1, |shards, state| async move {
        let me = shards.id();
        shards.tell(me, |state| state.arrived.borrow_mut().push((0, 1)));
        assert_eq!(*state.arrived.borrow(), [(0, 1)]);
        shards
            .ask(me, |state| async move { state.arrived.borrow().len() })
            .await
    });
    assert_eq!(results, [Ok(1)]);
}

#[test]
fn a_caller_that_goes_away_harms_nobody() {
    let results = on_shards(9, 2, |shards, state| async move {
        if shards.id() == ShardId(1) {
            sleep(Duration::from_secs(1)).await;
            return state.arrived.borrow().len();
        }
        for _ in 0..100 {
            let asked = shards.ask(ShardId(1), |state: Rc<State>| async move {
                sleep(Duration::from_millis(5)).await;
                state.arrived.borrow_mut().push((0, 0));
            });
            race(asked, sleep(Duration::from_micros(200))).await;
        }
        shards.ask(ShardId(1), |_| async {}).await.unwrap();
        0
    });
    // What was asked for is done all the same.
    assert_eq!(results[1], 100);
}
