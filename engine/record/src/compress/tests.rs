use super::*;
use crate::limits::DECOMPRESSED_SIZE_BYTES_FLOOR;
use proptest::prelude::*;

const COMPRESSED: [Compression; 4] = [
    Compression::Gzip,
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd,
];

fn compress(compression: Compression, input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Compressor::new().compress(compression, None, input, &mut out);
    out
}

fn decompress(compression: Compression, input: &[u8]) -> Result<Vec<u8>, CompressError> {
    let mut out = Vec::new();
    Decompressor::new()
        .decompress(compression, input, &mut out)
        .map(|()| out)
}

fn text(size: usize) -> Vec<u8> {
    (0..size)
        .map(|i| b"the quick brown fox "[(i * i / 7) % 20])
        .collect()
}

#[test]
fn names_and_ids_are_kafkas() {
    for (id, name) in (0u8..).zip(["none", "gzip", "snappy", "lz4", "zstd"]) {
        let compression = Compression::from_id(id).unwrap();
        assert_eq!(compression.id(), id);
        assert_eq!(Compression::from_name(name), Some(compression));
    }
    assert_eq!(Compression::from_id(5), None);
    assert_eq!(Compression::from_name("producer"), None);
}

#[test]
fn one_state_serves_batch_after_batch() {
    let (mut compressor, mut decompressor) = (Compressor::new(), Decompressor::new());
    for round in 0..3 {
        for compression in COMPRESSED {
            let input = text(1 + round * 100_000);
            let (mut packed, mut unpacked) = (Vec::new(), Vec::new());
            compressor.compress(compression, None, &input, &mut packed);
            decompressor
                .decompress(compression, &packed, &mut unpacked)
                .unwrap();
            assert_eq!(unpacked, input);
        }
    }
}

#[test]
fn a_failed_batch_does_not_spoil_the_next() {
    let mut decompressor = Decompressor::new();
    for compression in COMPRESSED {
        let good = compress(compression, &text(5000));
        let mut out = Vec::new();
        assert!(
            decompressor
                .decompress(compression, &good[..good.len() / 2], &mut out)
                .is_err()
        );
        decompressor
            .decompress(compression, &good, &mut out)
            .unwrap();
        assert_eq!(out, text(5000));
    }
}

#[test]
fn levels_out_of_range_are_clamped() {
    for compression in COMPRESSED {
        for level in [-1000, 0, 1, 9, 1000] {
            let mut out = Vec::new();
            Compressor::new().compress(compression, Some(level), b"level", &mut out);
            assert_eq!(decompress(compression, &out).unwrap(), b"level");
        }
    }
}

#[test]
fn gzip_members_are_joined_and_garbage_after_them_is_ignored() {
    let mut stream = compress(Compression::Gzip, b"one ");
    stream.extend(compress(Compression::Gzip, b"two"));
    assert_eq!(decompress(Compression::Gzip, &stream).unwrap(), b"one two");
    stream.extend(b"garbage");
    assert_eq!(decompress(Compression::Gzip, &stream).unwrap(), b"one two");
}

#[test]
fn gzip_header_fields_are_skipped() {
    let plain = compress(Compression::Gzip, b"content");
    let mut stream = plain[..10].to_vec();
    stream[3] = 0x04 | 0x08 | 0x10; // extra, name, comment
    stream.extend([3, 0, 1, 2, 3]);
    stream.extend(b"name\0comment\0");
    stream.extend(&plain[10..]);
    assert_eq!(decompress(Compression::Gzip, &stream).unwrap(), b"content");
}

#[test]
fn gzip_trailer_is_checked() {
    let good = compress(Compression::Gzip, b"content");
    for from_end in [1, 5] {
        let mut bad = good.clone();
        let at = bad.len() - from_end;
        bad[at] ^= 1;
        assert_eq!(
            decompress(Compression::Gzip, &bad),
            Err(CompressError::Corrupt(Compression::Gzip))
        );
    }
}

#[test]
fn snappy_is_read_raw_and_framed() {
    let input = text(100_000);
    let framed = compress(Compression::Snappy, &input);
    assert_eq!(&framed[..8], b"\x82SNAPPY\0");
    assert_eq!(decompress(Compression::Snappy, &framed).unwrap(), input);
    let raw = snap::raw::Encoder::new().compress_vec(&input).unwrap();
    assert_eq!(decompress(Compression::Snappy, &raw).unwrap(), input);
    let twice = [framed.clone(), framed].concat();
    assert_eq!(
        decompress(Compression::Snappy, &twice).unwrap(),
        [input.clone(), input].concat()
    );
}

#[test]
fn declared_snappy_length_is_not_believed() {
    // Five bytes that announce 4 GiB less one.
    let lie = [0xff, 0xff, 0xff, 0xff, 0x0f];
    assert_eq!(
        decompress(Compression::Snappy, &lie),
        Err(CompressError::Corrupt(Compression::Snappy))
    );
}

#[test]
fn lz4_linked_blocks_and_cut_frames_are_refused() {
    let good = compress(Compression::Lz4, &text(200_000));
    assert_eq!(good[4] & 0x20, 0x20); // independent blocks
    let mut linked = good.clone();
    linked[4] &= !0x20;
    assert_eq!(
        decompress(Compression::Lz4, &linked),
        Err(CompressError::Unsupported(Compression::Lz4))
    );
    assert_eq!(
        decompress(Compression::Lz4, &good[..good.len() - 4]), // all blocks, no end mark
        Err(CompressError::Truncated(Compression::Lz4))
    );
}

#[test]
fn constant_payload_passes_below_the_floor_and_a_bomb_does_not() {
    let zeros = vec![0; usize::try_from(DECOMPRESSED_SIZE_BYTES_FLOOR).unwrap()];
    for compression in [Compression::Gzip, Compression::Zstd] {
        let packed = compress(compression, &zeros);
        assert!(packed.len() < zeros.len() / 500);
        assert_eq!(decompress(compression, &packed).unwrap().len(), zeros.len());
    }
    let bomb = compress(Compression::Zstd, &[&zeros[..], &zeros[..]].concat());
    assert!(bomb.len() * 1000 < zeros.len());
    assert_eq!(
        decompress(Compression::Zstd, &bomb),
        Err(CompressError::TooLarge {
            limit_bytes: DECOMPRESSED_SIZE_BYTES_FLOOR
        })
    );
}

#[test]
fn zstd_window_above_the_limit_is_refused() {
    // Frame header: no single segment, no checksum, window descriptor with exponent 18: 2^28.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 18 << 3, 1, 0, 0];
    assert_eq!(
        decompress(Compression::Zstd, &frame),
        Err(CompressError::Corrupt(Compression::Zstd))
    );
}

#[test]
fn every_cut_is_an_error() {
    for compression in COMPRESSED {
        let good = compress(compression, &text(300));
        for size in 0..good.len() {
            let result = decompress(compression, &good[..size]);
            // A raw or framed Snappy stream may end between blocks; the rest must notice.
            let may_end = compression == Compression::Snappy && (size == 0 || size == 16);
            assert!(
                result.is_err() || may_end,
                "{compression:?} cut at {size}: {result:?}"
            );
        }
    }
}

proptest! {
    #[test]
    fn round_trip(input in proptest::collection::vec(any::<u8>(), 0..70_000), repeat in 1usize..4) {
        let input = input.repeat(repeat);
        for compression in COMPRESSED {
            let packed = compress(compression, &input);
            prop_assert_eq!(&decompress(compression, &packed).unwrap(), &input);
        }
    }

    #[test]
    fn garbage_never_panics(input in proptest::collection::vec(any::<u8>(), 0..2000), flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        for compression in COMPRESSED {
            let _ = decompress(compression, &input);
            let mut packed = compress(compression, &input);
            for (index, byte) in &flips {
                let at = index.index(packed.len());
                packed[at] = *byte;
            }
            let _ = decompress(compression, &packed);
        }
    }
}
