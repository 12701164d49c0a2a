//! Direct writes of many pieces, a few in flight together.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use engine_runtime::{File, Slice, WriteMode};

use crate::limits::{WRITE_SIZE_BYTES_MAX, WRITES_IN_FLIGHT_MAX};

/// One write to one file.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) file: Rc<File>,
    pub(crate) position: u64,
    pub(crate) slices: Vec<Slice>,
}

/// Cuts what goes to `position` of a file into pieces of at most `WRITE_SIZE_BYTES_MAX`.
pub(crate) fn cut_into_pieces(
    file: &Rc<File>,
    position: u64,
    slices: Vec<Slice>,
    pieces: &mut Vec<Piece>,
) {
    let mut piece = Piece {
        file: Rc::clone(file),
        position,
        slices: Vec::new(),
    };
    let mut size = 0;
    for slice in slices {
        let mut rest = slice;
        while !rest.is_empty() {
            if size == WRITE_SIZE_BYTES_MAX {
                let position = piece.position + size as u64;
                let next = Piece {
                    file: Rc::clone(file),
                    position,
                    slices: Vec::new(),
                };
                pieces.push(std::mem::replace(&mut piece, next));
                size = 0;
            }
            let count = rest.len().min(WRITE_SIZE_BYTES_MAX - size);
            piece.slices.push(rest.slice(0..count));
            rest = rest.slice(count..rest.len());
            size += count;
        }
    }
    if size > 0 {
        pieces.push(piece);
    }
}

/// Writes all pieces, [`WRITES_IN_FLIGHT_MAX`] at a time. After an error the others that were
/// begun are awaited: the caller may rely on nothing being in flight.
pub(crate) async fn write_all(pieces: Vec<Piece>) -> io::Result<()> {
    let writes = pieces.into_iter().map(|piece| async move {
        piece
            .file
            .write_at(piece.position, piece.slices, WriteMode::Plain)
            .await
    });
    run_all(writes, WRITES_IN_FLIGHT_MAX).await
}

/// Runs futures, `width` at a time, until all are done or one failed and those begun are done.
pub(crate) async fn run_all<F, E>(
    futures: impl IntoIterator<Item = F>,
    width: usize,
) -> Result<(), E>
where
    F: Future<Output = Result<(), E>>,
{
    let mut waiting = futures.into_iter();
    let mut running: Vec<Pin<Box<F>>> = Vec::with_capacity(width);
    let mut failure = None;
    poll_fn(|context| {
        loop {
            let mut index = 0;
            while index < running.len() {
                match running[index].as_mut().poll(context) {
                    Poll::Ready(result) => {
                        drop(running.swap_remove(index));
                        if let Err(error) = result {
                            failure.get_or_insert(error);
                        }
                    }
                    Poll::Pending => index += 1,
                }
            }
            if failure.is_none()
                && running.len() < width
                && let Some(future) = waiting.next()
            {
                running.push(Box::pin(future));
                continue;
            }
            return if running.is_empty() {
                Poll::Ready(())
            } else {
                Poll::Pending
            };
        }
    })
    .await;
    failure.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::task::{Context, Waker};

    use super::*;

    fn now<T>(future: impl Future<Output = T>) -> T {
        let mut future = Box::pin(future);
        match future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("nothing here waits"),
        }
    }

    #[test]
    fn runs_all_and_stops_beginning_after_a_failure() {
        let begun = Cell::new(0);
        let run = |fails_at: i32| {
            begun.set(0);
            let futures = (0..10).map(|index| {
                let begun = &begun;
                async move {
                    begun.set(begun.get() + 1);
                    if index == fails_at {
                        Err(index)
                    } else {
                        Ok(())
                    }
                }
            });
            now(run_all(futures, 2))
        };
        assert_eq!((run(99), begun.get()), (Ok(()), 10));
        assert_eq!(run(3), Err(3));
        assert!(begun.get() < 6);
    }
}
