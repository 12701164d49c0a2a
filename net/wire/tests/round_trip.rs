//! Every message in every version: what is encoded is decoded, and the table of versions is the
//! structs' own.
#![allow(missing_docs)]

mod messages;

use messages::entries;
use net_wire::ApiKey;
use net_wire::versions::WINDOWS;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_message_returns_in_every_version(seed: u64) {
        for entry in entries() {
            for version in entry.versions.iter() {
                let (bytes, text) = (entry.sample)(seed, version);
                let (again, text_again) = (entry.reread)(&bytes, version)
                    .unwrap_or_else(|error| panic!("{}: {error}", entry.at(version)));
                prop_assert_eq!(text_again, text, "{}", entry.at(version));
                prop_assert_eq!(again, bytes, "{}", entry.at(version));
            }
        }
    }
}

#[test]
fn the_table_and_the_structs_agree() {
    let entries = entries();
    assert_eq!(entries.len(), WINDOWS.len() * 2);
    for (pair, window) in entries.chunks(2).zip(&WINDOWS) {
        let [request, response] = pair else {
            panic!("requests and responses come in pairs")
        };
        assert!(request.is_request && !response.is_request);
        for entry in pair {
            assert_eq!(entry.api_key, window.key, "{}", entry.name);
            assert_eq!(entry.versions.lowest, window.lowest, "{}", entry.name);
            assert_eq!(entry.versions.highest, window.highest, "{}", entry.name);
            for version in entry.versions.iter() {
                let flexible = entry.flexible.contains(version);
                assert_eq!(
                    flexible,
                    window.is_flexible(version),
                    "{}",
                    entry.at(version)
                );
            }
        }
    }
}

#[test]
fn names_follow_the_key() {
    for entry in entries() {
        let kind = if entry.is_request {
            "Request"
        } else {
            "Response"
        };
        assert_eq!(entry.name, format!("{}{kind}", entry.api_key.name()));
    }
    assert_eq!(ApiKey::Fetch.to_string(), "Fetch");
}
