//! The derive against Kafka's rules, byte by byte.
#![allow(missing_docs)]

use std::borrow::Cow;

use engine_base::Uuid;
use engine_codec::{Codec, DecodeError, EncodeError, IntoOwned, Message};

#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0-4", flexible = "3+")]
struct Sample<'a> {
    name: Cow<'a, str>,
    #[codec(versions = "1+", default = -1)]
    count: i32,
    #[codec(versions = "1+", default = 7, ignorable)]
    hint: i16,
    #[codec(nullable = "2+", default = null)]
    note: Option<Cow<'a, str>>,
    #[codec(versions = "0-2", default = "old")]
    legacy: Cow<'a, str>,
    #[codec(nullable = "1+")]
    items: Option<Vec<Item<'a>>>,
    #[codec(versions = "3+", tag = 1, default = true)]
    flag: bool,
    #[codec(versions = "3+", tag = 0, nullable = "3+", default = null)]
    cursor: Option<Cursor>,
    #[codec(versions = "2+", nullable = "2+", default = null, ignorable)]
    place: Option<Cursor>,
    #[codec(versions = "2+", tag = 2, tagged = "4+")]
    ids: Vec<Uuid>,
}

#[derive(Clone, Debug, PartialEq, Codec)]
struct Item<'a> {
    data: Cow<'a, [u8]>,
}

#[derive(Clone, Debug, PartialEq, Codec)]
struct Cursor {
    #[codec(default = -1)]
    offset: i64,
}

fn sample() -> Sample<'static> {
    Sample {
        name: "n".into(),
        ..Sample::default()
    }
}

#[test]
fn defaults_are_the_schemas() {
    let default = Sample::default();
    assert_eq!(default.count, -1);
    assert_eq!(default.hint, 7);
    assert_eq!(default.note, None);
    assert_eq!(default.legacy, "old");
    assert_eq!(default.items, Some(vec![]));
    assert!(default.flag);
    assert_eq!(Cursor::default().offset, -1);
}

#[test]
fn version_0_is_classic_and_lacks_the_later_fields() {
    let message = Sample {
        note: Some("x".into()),
        items: Some(vec![Item {
            data: Cow::Borrowed(&[9]),
        }]),
        ..sample()
    };
    let bytes = message.to_bytes(0).unwrap();
    let expected = [
        0, 1, b'n', // name
        0, 1, b'x', // note
        0, 3, b'o', b'l', b'd', // legacy
        0, 0, 0, 1, 0, 0, 0, 1, 9, // items
    ];
    assert_eq!(bytes, expected);
    assert_eq!(Sample::read(&bytes, 0).unwrap(), message);
}

#[test]
fn flexible_version_is_compact_with_tags_in_order() {
    let message = Sample {
        note: Some("x".into()),
        flag: false,
        cursor: Some(Cursor { offset: 1 }),
        place: Some(Cursor { offset: 2 }),
        ids: vec![Uuid([5; 16])],
        ..sample()
    };
    let bytes = message.to_bytes(4).unwrap();
    let mut expected = vec![
        2, b'n', // name
        0xff, 0xff, 0xff, 0xff, // count
        0, 7, // hint
        2, b'x', // note
        1,    // items: empty
        1, 0, 0, 0, 0, 0, 0, 0, 2, 0, // place: present, offset, no tags
        3, // three tagged fields
        0, 10, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, // cursor: tag, size, present, offset, no tags
        1, 1, 0, // flag
        2, 17, 2, // ids
    ];
    expected.extend([5; 16]);
    assert_eq!(bytes, expected);
    assert_eq!(message.encoded_size(4).unwrap(), bytes.len());
    assert_eq!(Sample::read(&bytes, 4).unwrap(), message);
}

#[test]
fn tagged_defaults_are_not_written() {
    let bytes = Sample {
        note: None,
        ..sample()
    }
    .to_bytes(4)
    .unwrap();
    assert_eq!(bytes.last(), Some(&0), "no tagged fields");
    let back = Sample::read(&bytes, 4).unwrap();
    assert!(back.flag);
    assert_eq!(back.cursor, None);
    assert_eq!(back.place, None);
}

#[test]
fn a_field_can_be_ordinary_in_one_version_and_tagged_in_the_next() {
    let message = Sample {
        note: Some("".into()),
        ids: vec![Uuid([1; 16])],
        ..sample()
    };
    for version in [2, 3, 4] {
        let bytes = message.to_bytes(version).unwrap();
        assert_eq!(
            Sample::read(&bytes, version).unwrap(),
            message,
            "version {version}"
        );
    }
}

#[test]
fn losing_a_value_is_an_error_unless_ignorable() {
    let note = Some("".into());
    let lost = Sample {
        count: 3,
        note: note.clone(),
        ..sample()
    };
    let expected = EncodeError::FieldNotInVersion {
        field: "count",
        version: 0,
    };
    assert_eq!(lost.to_bytes(0), Err(expected));
    assert_eq!(lost.encoded_size(0), Err(expected));
    let ignored = Sample {
        hint: 3,
        note,
        ..sample()
    };
    let bytes = ignored.to_bytes(0).unwrap();
    assert_eq!(Sample::read(&bytes, 0).unwrap().hint, 7);
}

#[test]
fn null_needs_a_version_that_allows_it() {
    let expected = EncodeError::NullField { field: "note" };
    assert_eq!(sample().to_bytes(1), Err(expected));
    assert_eq!(
        Sample::read(&[0, 1, b'n', 0xff, 0xff], 0),
        Err(DecodeError::InvalidLength)
    );
    let null_items = Sample {
        items: None,
        ..sample()
    };
    let bytes = null_items.to_bytes(2).unwrap();
    assert_eq!(Sample::read(&bytes, 2).unwrap(), null_items);
}

#[test]
fn a_failed_write_leaves_the_buffer_as_it_was() {
    let mut out = vec![1, 2];
    assert!(sample().write(&mut out, 1).is_err());
    assert_eq!(out, [1, 2]);
}

#[test]
fn versions_outside_the_window_do_not_exist() {
    let message = "Sample";
    assert_eq!(
        Sample::read(&[], 5),
        Err(DecodeError::UnsupportedVersion {
            message,
            version: 5
        })
    );
    let error = EncodeError::UnsupportedVersion {
        message,
        version: -1,
    };
    assert_eq!(sample().to_bytes(-1), Err(error));
}

#[test]
fn bytes_behind_a_message_are_an_error() {
    let mut bytes = sample().to_bytes(4).unwrap();
    bytes.push(0);
    assert_eq!(Sample::read(&bytes, 4), Err(DecodeError::TrailingBytes));
}

#[test]
fn a_known_tag_too_early_is_an_error() {
    let mut bytes = Sample {
        ids: vec![Uuid([1; 16])],
        ..sample()
    }
    .to_bytes(4)
    .unwrap();
    let tags = bytes.len() - 20;
    assert_eq!(&bytes[tags..tags + 4], &[1, 2, 17, 2]);
    // In version 3 'ids' is ordinary: an empty array, then the same tail.
    bytes.insert(tags, 1);
    assert_eq!(
        Sample::read(&bytes, 3),
        Err(DecodeError::TagNotInVersion { tag: 2 })
    );
}

#[test]
fn decoding_borrows_and_into_owned_cuts_loose() {
    let owned: Sample<'static> = {
        let bytes = sample().to_bytes(4).unwrap();
        let read = Sample::read(&bytes, 4).unwrap();
        assert!(matches!(read.name, Cow::Borrowed("n")));
        read.into_owned()
    };
    assert_eq!(owned, sample());
}

#[test]
fn every_truncation_is_an_error() {
    let message = Sample {
        note: Some("note".into()),
        items: Some(vec![Item {
            data: Cow::Borrowed(b"data"),
        }]),
        cursor: Some(Cursor { offset: 1 }),
        place: Some(Cursor { offset: 2 }),
        ..sample()
    };
    for version in [2, 3, 4] {
        let message = if version == 2 {
            Sample {
                cursor: None,
                ..message.clone()
            }
        } else {
            message.clone()
        };
        let bytes = message.to_bytes(version).unwrap();
        for cut in 0..bytes.len() {
            assert!(
                Sample::read(&bytes[..cut], version).is_err(),
                "version {version} cut {cut}"
            );
        }
    }
}
