//! What a power cut leaves: each change that was not durable is kept, lost, torn or spoilt.

use super::disk::Op;
use super::image::Image;
use crate::prng::Prng;

/// What happens to the changes that were not durable. The first two are the corners; the third
/// is everything between, decided for each change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    AllLost,
    AllKept,
    Mixed,
}

pub(super) fn image(base: &Image, ops: &[Op], durable: &[bool], prng: &mut Prng) -> Image {
    assert_eq!(ops.len(), durable.len());
    let mood = match prng.below(8) {
        0 => Mood::AllLost,
        1 => Mood::AllKept,
        _ => Mood::Mixed,
    };
    // Names survive as a prefix of those not forced: the file system's journal keeps its order.
    let names_kept = match mood {
        Mood::AllLost => 0,
        Mood::AllKept => ops.len(),
        Mood::Mixed => prng.below(ops.len() as u64 + 1) as usize,
    };
    let mut image = base.clone();
    for (index, op) in ops.iter().enumerate() {
        if durable[index] {
            op.apply(&mut image);
        } else if op.is_name() {
            if index < names_kept {
                op.apply(&mut image);
            }
        } else {
            apply_undecided(op, mood, &mut image, prng);
        }
    }
    image
}

fn apply_undecided(op: &Op, mood: Mood, image: &mut Image, prng: &mut Prng) {
    match (mood, op) {
        (Mood::AllLost, _) => {}
        (Mood::AllKept, op) => op.apply(image),
        (
            Mood::Mixed,
            Op::Write {
                inode,
                position,
                bytes,
                ..
            },
        ) => match prng.below(6) {
            0 | 1 => {}
            2 | 3 => op.apply(image),
            4 => tear(image, *inode, *position, bytes, 512, prng),
            _ => tear(image, *inode, *position, bytes, 4096, prng),
        },
        (Mood::Mixed, op) => {
            if prng.below(2) == 0 {
                op.apply(image);
            }
        }
    }
}

/// Applies a write sector by sector: each is new, old, or (one in eight) garbage.
fn tear(
    image: &mut Image,
    inode: u64,
    position: u64,
    bytes: &[u8],
    sector: usize,
    prng: &mut Prng,
) {
    let mut done = 0;
    while done < bytes.len() {
        let at = position + done as u64;
        let to_boundary = sector - (at % sector as u64) as usize;
        let part = &bytes[done..bytes.len().min(done + to_boundary)];
        match prng.below(8) {
            0..=3 => image.content_mut(inode).write(at, part),
            4..=6 => {}
            _ => {
                let garbage: Vec<u8> = part.iter().map(|_| prng.next_u64() as u8).collect();
                image.content_mut(inode).write(at, &garbage);
            }
        }
        done += part.len();
    }
}
