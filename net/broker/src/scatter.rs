//! Work on partitions, done by the shards that own them: one message for each shard and request.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use engine_base::{ShardId, TopicPartition};
use engine_shard::Gone;

use crate::core::Core;

/// An item and its partition, as the owner gets it.
pub(crate) type Item<T> = (TopicPartition, T);

/// Runs `job` on every shard that owns one of `items`, with that shard's items, and returns the
/// results in the order of the items. All jobs start before this function first waits, so what
/// they do up to their own first await is in the order of requests.
///
/// A job returns one result for each of its items, in their order. `None` stands for an item
/// whose shard is stopping.
pub(crate) async fn scatter<T, R, F, Fut>(
    core: &Rc<Core>,
    items: Vec<Item<T>>,
    job: F,
) -> Vec<Option<R>>
where
    T: Send + 'static,
    R: Send + 'static,
    F: Fn(Rc<Core>, Vec<Item<T>>) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Vec<R>> + 'static,
{
    let me = core.id();
    if items
        .iter()
        .all(|(partition, _)| core.owner(*partition) == me)
    {
        // The common case: no message, no box, no sorting.
        return job(core.clone(), items)
            .await
            .into_iter()
            .map(Some)
            .collect();
    }
    let count = items.len();
    let mut waits = Vec::new();
    for (owner, places, items) in by_owner(core, items) {
        let job = job.clone();
        let call = core.shards.ask(owner, move |core| job(core, items));
        waits.push((places, Box::pin(call) as LocalCall<'_, R>));
    }
    let mut results: Vec<Option<R>> = (0..count).map(|_| None).collect();
    for (places, answer) in join(waits).await {
        for (place, result) in places.into_iter().zip(answer.into_iter().flatten()) {
            results[place] = Some(result);
        }
    }
    results
}

type LocalCall<'a, R> = Pin<Box<dyn Future<Output = Result<Vec<R>, Gone>> + 'a>>;
type Part<T> = (ShardId, Vec<usize>, Vec<Item<T>>);

fn by_owner<T>(core: &Core, items: Vec<Item<T>>) -> Vec<Part<T>> {
    let mut parts: Vec<Part<T>> = Vec::new();
    for (place, item) in items.into_iter().enumerate() {
        let owner = core.owner(item.0);
        let index = parts
            .iter()
            .position(|(shard, ..)| *shard == owner)
            .unwrap_or_else(|| {
                parts.push((owner, Vec::new(), Vec::new()));
                parts.len() - 1
            });
        parts[index].1.push(place);
        parts[index].2.push(item);
    }
    parts
}

/// Waits for all, having started all.
async fn join<K, R>(mut waits: Vec<(K, LocalCall<'_, R>)>) -> Vec<(K, Option<Vec<R>>)> {
    let mut answers: Vec<Option<Result<Vec<R>, Gone>>> = waits.iter().map(|_| None).collect();
    poll_fn(|context| {
        let mut is_done = true;
        for ((_, call), answer) in waits.iter_mut().zip(&mut answers) {
            if answer.is_none() {
                match call.as_mut().poll(context) {
                    Poll::Ready(result) => *answer = Some(result),
                    Poll::Pending => is_done = false,
                }
            }
        }
        if is_done {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    let answers = answers
        .into_iter()
        .map(|answer| answer.and_then(Result::ok));
    waits
        .into_iter()
        .map(|(places, _)| places)
        .zip(answers)
        .collect()
}
