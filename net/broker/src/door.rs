//! The door of a core: batches are validated here, and written anew where their topic has a
//! compression of its own.
//!
//! What passes quickly passes at once, in the request's first poll. A batch that becomes large is
//! given up after a bounded piece and begun again in the lane: a task of its own that works in
//! slices and gives the core to others in between. There is one lane, so that one core never
//! holds more than two sets of codec contexts, which can be large; batches wait for it in turn.
//! Lives on the connection's core; called by the produce handler only.

use std::cell::RefCell;
use std::rc::Rc;

use engine_base::{KIB, MIB, Timestamp};
use engine_record::{
    BatchInfo, Compressor, Decompressor, Recoded, Recoding, Rejection, Rules, Validation,
};
use engine_runtime::{JoinHandle, Notify, Slice, spawn, yield_now};
use net_conn::{Budget, Reservation};

use crate::core::Core;

/// What one request's batches may cost before the core is given to others, in decompressed bytes:
/// some 4 ms.
const COST_AT_ONCE: u64 = 4 * MIB as u64;
/// The same for a slice of the lane, whose batches are the large ones.
const COST_OF_SLICE: u64 = MIB as u64;
/// A byte to be compressed costs about as much as this many decompressed ones (gzip; a high level
/// of zstd costs more, and works in blocks of 128 KiB).
const COST_OF_RECODED_BYTE: u64 = 8;
/// This many bytes as they came cost about as much as a decompressed one.
const PLAIN_BYTES_FOR_ONE: u64 = 4;

const _: () = assert!(COST_OF_SLICE / COST_OF_RECODED_BYTE >= 64 * KIB as u64);

/// See the module.
pub(crate) struct Door {
    codecs: RefCell<Codecs>,
    /// The lane's; away while a batch is in it.
    lane: RefCell<Option<Box<Codecs>>>,
    lane_left: Notify,
    /// Memory for batches that were written anew and are not kept yet.
    recoded: Rc<Budget>,
}

#[derive(Default)]
struct Codecs {
    decompressor: Decompressor,
    compressor: Compressor,
}

/// A batch that has passed, ready for its partition's owner.
pub(crate) struct Admitted {
    pub(crate) bytes: Slice,
    pub(crate) info: BatchInfo,
}

impl Admitted {
    fn unchanged(records: &Slice, info: BatchInfo) -> Self {
        let bytes = records.slice(0..info.size_bytes);
        Self { bytes, info }
    }
}

/// What the door says of a batch.
struct Passed {
    info: BatchInfo,
    recoded: Option<Recoded>,
}

/// One request at the door. What was written anew for it is charged to it until it is dropped.
pub(crate) struct Visit {
    core: Rc<Core>,
    api_version: i16,
    now_ms: Timestamp,
    cost: u64,
    recoded_bytes: usize,
    recoded: Reservation,
}

impl Door {
    /// A door whose batches, written anew, take `recoded_bytes_max` of memory.
    pub(crate) fn new(recoded_bytes_max: usize) -> Self {
        Self {
            codecs: RefCell::default(),
            lane: RefCell::new(Some(Box::default())),
            lane_left: Notify::new(),
            recoded: Budget::new(recoded_bytes_max),
        }
    }
}

impl Visit {
    pub(crate) fn new(core: &Rc<Core>, api_version: i16, now_ms: Timestamp) -> Self {
        Self {
            core: core.clone(),
            api_version,
            now_ms,
            cost: 0,
            recoded_bytes: 0,
            recoded: core.door.recoded.reservation(),
        }
    }

    /// Applies `rules` to what the request holds for one partition.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub(crate) async fn admit(
        &mut self,
        records: Slice,
        rules: &Rules,
    ) -> Result<Admitted, Rejection> {
        let is_in_time = self.cost < COST_AT_ONCE;
        let tried = is_in_time.then(|| self.try_at_once(&records, rules));
        match tried.transpose()? {
            Some(Some(Passed {
                info,
                recoded: None,
            })) => Ok(Admitted::unchanged(&records, info)),
            // Boxed: rare, and large.
            tried => Box::pin(self.admit_later(records, rules, tried)).await,
        }
    }

    /// Goes on where [`Visit::admit`] did not come to an end: `tried` is `None` when it was not
    /// this batch's turn.
    async fn admit_later(
        &mut self,
        records: Slice,
        rules: &Rules,
        tried: Option<Option<Passed>>,
    ) -> Result<Admitted, Rejection> {
        let tried = match tried {
            Some(tried) => tried,
            None => {
                self.cost = 0;
                yield_now().await;
                self.try_at_once(&records, rules)?
            }
        };
        let passed = match tried {
            Some(passed) => passed,
            None => self.pass_in_lane(&records, rules).await?,
        };
        let Some(recoded) = passed.recoded else {
            return Ok(Admitted::unchanged(&records, passed.info));
        };
        self.recoded_bytes += recoded.bytes.len();
        // Who holds a byte may exceed the budget when nobody else does: a batch that is larger
        // than all of it passes too.
        self.recoded.grow_to(1).await;
        self.recoded.grow_to(self.recoded_bytes).await;
        Ok(Admitted {
            bytes: Slice::from_vec(recoded.bytes),
            info: recoded.info,
        })
    }

    /// `None` for a batch that costs more than may be spent at once.
    fn try_at_once(&mut self, records: &[u8], rules: &Rules) -> Result<Option<Passed>, Rejection> {
        self.cost += records.len() as u64 / PLAIN_BYTES_FOR_ONE;
        let codecs = &mut *self.core.door.codecs.borrow_mut();
        let decompressor = &mut codecs.decompressor;
        let (api_version, now_ms) = (self.api_version, self.now_ms);
        let mut validation =
            Validation::of_produce(records, api_version, rules, now_ms, decompressor)?;
        let stepped = validation.step(COST_AT_ONCE);
        let size_bytes = validation.records_size_bytes();
        drop(validation);
        // Charged whatever came of it: a thousand bad batches cost what good ones do.
        self.cost += size_bytes;
        let Some(info) = stepped? else {
            return Ok(None);
        };
        if !rules.is_recoded(&info) {
            let recoded = None;
            return Ok(Some(Passed { info, recoded }));
        }
        let cost = size_bytes * COST_OF_RECODED_BYTE;
        if cost > COST_AT_ONCE {
            return Ok(None);
        }
        self.cost += cost;
        let batch = &records[..info.size_bytes];
        let mut recoding = recoding(batch, &info, size_bytes, rules, codecs)?;
        let recoded = recoding.step(u64::MAX)?;
        assert!(recoded.is_some(), "without a bound there is one step");
        Ok(Some(Passed { info, recoded }))
    }

    async fn pass_in_lane(&self, records: &Slice, rules: &Rules) -> Result<Passed, Rejection> {
        let (core, records, rules) = (self.core.clone(), records.clone(), *rules);
        let (api_version, now_ms) = (self.api_version, self.now_ms);
        let passing = async move {
            let mut lane = enter(core).await;
            let codecs = lane.codecs();
            in_slices(&records, api_version, &rules, now_ms, codecs).await
        };
        // A task, because a pipelined request goes on only when those before it are answered:
        // the lane is not to wait for that.
        let mut task = CancelOnDrop(spawn(passing));
        match (&mut task.0).await {
            Ok(passed) => passed,
            // The connection closes, as for any panic in a handler.
            Err(error) => panic!("a batch was not looked at: {error}"),
        }
    }
}

/// One large batch, with the core given to others between slices.
async fn in_slices(
    records: &[u8],
    api_version: i16,
    rules: &Rules,
    now_ms: Timestamp,
    codecs: &mut Codecs,
) -> Result<Passed, Rejection> {
    let decompressor = &mut codecs.decompressor;
    let mut validation = Validation::of_produce(records, api_version, rules, now_ms, decompressor)?;
    let info = loop {
        match validation.step(COST_OF_SLICE)? {
            Some(info) => break info,
            None => yield_now().await,
        }
    };
    let size_bytes = validation.records_size_bytes();
    drop(validation);
    if !rules.is_recoded(&info) {
        let recoded = None;
        return Ok(Passed { info, recoded });
    }
    let mut recoding = recoding(
        &records[..info.size_bytes],
        &info,
        size_bytes,
        rules,
        codecs,
    )?;
    loop {
        yield_now().await;
        let recoded = recoding.step(COST_OF_SLICE / COST_OF_RECODED_BYTE)?;
        if recoded.is_some() {
            return Ok(Passed { info, recoded });
        }
    }
}

fn recoding<'a, 'c, 'r>(
    batch: &'a [u8],
    info: &BatchInfo,
    size_bytes: u64,
    rules: &'r Rules,
    codecs: &'c mut Codecs,
) -> Result<Recoding<'a, 'c, 'r>, Rejection> {
    let (decompressor, compressor) = (&mut codecs.decompressor, &mut codecs.compressor);
    Recoding::begin(batch, info, size_bytes, rules, decompressor, compressor)
}

/// The lane's codecs, as long as one batch is in it.
struct Lane {
    core: Rc<Core>,
    codecs: Option<Box<Codecs>>,
}

async fn enter(core: Rc<Core>) -> Lane {
    loop {
        let codecs = core.door.lane.borrow_mut().take();
        if codecs.is_some() {
            return Lane { core, codecs };
        }
        core.door.lane_left.wait().await;
    }
}

impl Lane {
    fn codecs(&mut self) -> &mut Codecs {
        self.codecs.as_mut().expect("until it is dropped")
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        *self.core.door.lane.borrow_mut() = self.codecs.take();
        self.core.door.lane_left.notify_one();
    }
}

/// A batch whose connection has gone is not worth the work.
struct CancelOnDrop<T>(JoinHandle<T>);

impl<T> Drop for CancelOnDrop<T> {
    fn drop(&mut self) {
        if !self.0.is_finished() {
            self.0.cancel();
        }
    }
}

#[cfg(test)]
mod tests;
