//! Our bytes through an independent codec and back, where it knows the version.
#![allow(missing_docs)]

mod messages;

use kafka_protocol::messages::{ApiKey as OracleKey, RequestKind, ResponseKind};
use messages::{Entry, entries};
use net_wire::ApiKey;

const SEEDS: u64 = 40;

/// Versions that the oracle's table of keys claims and its messages do not have.
const CLAIMED_ONLY: [(ApiKey, i16); 2] = [(ApiKey::OffsetCommit, 10), (ApiKey::OffsetFetch, 10)];

fn knows(api_key: ApiKey, version: i16) -> bool {
    let key = OracleKey::try_from(api_key.code()).expect("the oracle knows the key");
    let known = key.valid_versions();
    (known.min..=known.max).contains(&version) && !CLAIMED_ONLY.contains(&(api_key, version))
}

/// Decodes with the oracle, encodes with the oracle.
fn through_oracle(entry: &Entry, bytes: &[u8], version: i16) -> Vec<u8> {
    let key = OracleKey::try_from(entry.api_key.code()).expect("the oracle knows the key");
    let mut input = bytes.to_vec().into();
    let mut output = Default::default();
    if entry.is_request {
        RequestKind::decode(key, &mut input, version)
            .and_then(|message| message.encode(&mut output, version))
    } else {
        ResponseKind::decode(key, &mut input, version)
            .and_then(|message| message.encode(&mut output, version))
    }
    .unwrap_or_else(|error| panic!("{}: {error}", entry.at(version)));
    assert!(
        input.is_empty(),
        "{}: the oracle left bytes unread",
        entry.at(version)
    );
    output.to_vec()
}

#[test]
fn an_independent_codec_reads_and_writes_the_same_bytes() {
    let mut compared = 0;
    for entry in entries() {
        for version in entry.versions.iter().filter(|v| knows(entry.api_key, *v)) {
            for seed in 0..SEEDS {
                let (bytes, _) = (entry.sample)(seed, version);
                let expected = through_oracle(&entry, &bytes, version);
                assert_eq!(bytes, expected, "{} seed {seed}", entry.at(version));
                compared += 1;
            }
        }
    }
    let versions: usize = entries()
        .iter()
        .map(|entry| entry.versions.iter().count())
        .sum();
    let unknown = versions - compared / SEEDS as usize;
    assert!(
        unknown <= 10,
        "the oracle is older by a few versions only, not by {unknown}"
    );
}
