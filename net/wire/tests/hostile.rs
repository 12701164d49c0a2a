//! What an attacker or a broken client sends: an error each time, never a panic.
#![allow(missing_docs)]

mod messages;

use engine_codec::sample::Choices;
use engine_codec::{DecodeError, Message, Reader};
use messages::entries;
use net_wire::message::{FetchRequest, MetadataRequest, ProduceRequest};
use net_wire::view::produce::ProduceView;
use net_wire::{ApiKey, RequestHeader};

#[test]
fn every_truncation_of_every_message_is_refused() {
    for entry in entries() {
        for version in entry.versions.iter() {
            for seed in 0..3 {
                let (bytes, _) = (entry.sample)(seed, version);
                let cuts = bytes.len().min(2_000);
                for cut in (0..cuts).chain(bytes.len().saturating_sub(200)..bytes.len()) {
                    let result = (entry.reread)(&bytes[..cut], version);
                    assert!(
                        result.is_err(),
                        "{} seed {seed} cut {cut}",
                        entry.at(version)
                    );
                }
            }
        }
    }
}

#[test]
fn a_byte_behind_any_message_is_refused() {
    for entry in entries() {
        for version in entry.versions.iter() {
            let (mut bytes, _) = (entry.sample)(1, version);
            bytes.push(0);
            let error = (entry.reread)(&bytes, version).unwrap_err();
            assert_eq!(error, DecodeError::TrailingBytes, "{}", entry.at(version));
        }
    }
}

/// One to four changes: a bit, an edge value, bytes gone, bytes doubled.
fn mutate(bytes: &mut Vec<u8>, choices: &mut Choices) {
    const EDGES: [&[u8]; 6] = [
        &[0x7f, 0xff, 0xff, 0xff],
        &[0xff; 4],
        &[0xff; 5],
        &[0x80; 11],
        &[0],
        &[0xff, 0xff],
    ];
    for _ in 0..=choices.below(4) {
        if bytes.is_empty() {
            return;
        }
        let at = choices.below(bytes.len() as u64) as usize;
        match choices.below(4) {
            0 => bytes[at] ^= 1 << choices.below(8),
            1 => {
                let edge = EDGES[choices.below(EDGES.len() as u64) as usize];
                let end = bytes.len().min(at + edge.len());
                bytes.splice(at..end, edge.iter().copied());
            }
            2 => {
                let end = bytes.len().min(at + 1 + choices.below(8) as usize);
                bytes.drain(at..end);
            }
            _ => {
                let end = bytes.len().min(at + 1 + choices.below(8) as usize);
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
}

/// Whatever still decodes after a mutation must be a lawful message: it encodes again, unless a
/// string grew past its bound when bytes that are not UTF-8 were replaced.
#[test]
fn mutated_messages_decode_or_fail_but_never_panic() {
    let mut accepted = 0;
    for entry in entries() {
        for version in entry.versions.iter() {
            for seed in 0..60 {
                let (mut bytes, _) = (entry.sample)(seed, version);
                mutate(&mut bytes, &mut Choices::new(seed ^ 0xdead_beef));
                accepted += u32::from((entry.reread)(&bytes, version).is_ok());
                if entry.name == ProduceRequest::NAME {
                    let reader = &mut Reader::new(&bytes);
                    let as_struct = ProduceRequest::read_from(reader, version).is_ok();
                    let as_view = ProduceView::read(&bytes, version).is_ok();
                    assert_eq!(as_struct, as_view, "version {version} seed {seed}");
                }
            }
        }
    }
    assert!(
        accepted > 1_000,
        "mutations that change values only are accepted: {accepted}"
    );
}

#[test]
fn random_headers_never_panic() {
    for seed in 0..20_000 {
        let mut choices = Choices::new(seed);
        let size = choices.below(40) as usize;
        let mut bytes: Vec<u8> = (0..size).map(|_| choices.bits() as u8).collect();
        if choices.one_in(2) && size >= 4 {
            bytes[..4].copy_from_slice(&[0, choices.below(76) as u8, 0, choices.below(14) as u8]);
        }
        let mut reader = Reader::new(&bytes);
        if let Ok(header) = RequestHeader::read(&mut reader) {
            assert!(header.api_key.window().serves(header.api_version));
        }
    }
}

/// Four or five bytes that ask for 2^31 elements.
#[test]
fn array_bombs_are_refused_before_anything_is_built() {
    let classic = [0x7f, 0xff, 0xff, 0xff];
    assert_eq!(
        MetadataRequest::read(&classic, 1),
        Err(DecodeError::ArrayTooLong)
    );
    let compact = [0xff, 0xff, 0xff, 0xff, 0x07];
    assert_eq!(
        MetadataRequest::read(&compact, 12),
        Err(DecodeError::ArrayTooLong)
    );
    let overlong = [0xff; 9];
    assert_eq!(
        MetadataRequest::read(&overlong, 12),
        Err(DecodeError::VarintOverflow)
    );
}

/// An array whose elements would fit by count but not by size: a partition takes 16 bytes.
#[test]
fn an_array_is_measured_by_its_smallest_element() {
    let mut body = Vec::new();
    FetchRequest {
        topics: vec![net_wire::message::fetch::FetchTopic::default()],
        ..Default::default()
    }
    .write(&mut body, 4)
    .unwrap();
    let partitions = body.len() - 4;
    body[partitions..].copy_from_slice(&100i32.to_be_bytes());
    body.extend([0; 1_599]);
    assert_eq!(FetchRequest::read(&body, 4), Err(DecodeError::ArrayTooLong));
    body.push(0);
    assert!(FetchRequest::read(&body, 4).is_ok());
}

/// Each level alone is within its bound; together they are not.
#[test]
fn elements_are_counted_over_all_levels() {
    let topic = [&[0u8, 0][..], &[0, 0, 0, 0]].concat(); // no name, no partitions
    let count = 700_000;
    let mut body = [&[0xff, 0xff][..], &[0, 1], &[0, 0, 0, 0]].concat();
    body.extend(i32::to_be_bytes(count));
    for _ in 0..count {
        body.extend(&topic);
    }
    assert!(ProduceView::read(&body, 3).is_ok());
    let too_many = 1_100_000i32;
    body[8..12].copy_from_slice(&too_many.to_be_bytes());
    for _ in count..too_many {
        body.extend(&topic);
    }
    assert_eq!(
        ProduceView::read(&body, 3).unwrap_err(),
        DecodeError::TooManyElements
    );
    assert_eq!(
        ProduceRequest::read(&body, 3),
        Err(DecodeError::TooManyElements)
    );
}

#[test]
fn tag_bombs_are_refused() {
    // MetadataRequest version 12: null topics, two booleans, then the tail.
    let body = |tail: &[u8]| [&[0, 1, 0][..], tail].concat();
    let read = |tail: &[u8]| MetadataRequest::read(&body(tail), 12).map(|_| ());
    assert_eq!(read(&[2, 5, 0, 9, 1, 7]), Ok(()));
    assert_eq!(read(&[2, 9, 0, 5, 0]), Err(DecodeError::TagsOutOfOrder));
    assert_eq!(read(&[2, 5, 0, 5, 0]), Err(DecodeError::TagsOutOfOrder));
    assert_eq!(read(&[0x81, 0x08]), Err(DecodeError::TooManyTags));
    assert_eq!(
        read(&[1, 5, 0xff, 0xff, 0xff, 0xff, 0x0f]),
        Err(DecodeError::Truncated)
    );
    assert_eq!(ApiKey::Metadata.window().highest, 13);
}
