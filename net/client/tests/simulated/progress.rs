//! What is known of an operation while it is repeated.

use std::time::Duration;

use engine_runtime::{Either, race, sleep};
use net_client::{GroupMembership, GroupOptions, ProducerOptions, ProducerRecord};
use net_wire::ApiKey;

use crate::broker::{Broker, Faults, TOPIC};
use crate::{connect_at_last, faults, producer_at_last, with_broker};

#[test]
fn what_is_waited_for_and_why_is_known_while_it_is_repeated() {
    let all_refused = Faults {
        not_leader: 1,
        ..faults()
    };
    let waiting = with_broker(4, &Broker::new(1, all_refused), || async {
        let mut producer = producer_at_last(&ProducerOptions::default()).await;
        let progress = producer.progress();
        let record = ProducerRecord {
            topic: TOPIC,
            value: Some(b"v"),
            ..ProducerRecord::default()
        };
        producer.send(record).await.unwrap();
        let seen = async {
            sleep(Duration::from_secs(6)).await;
            progress.waiting()
        };
        match race(seen, producer.flush()).await {
            Either::Left(waiting) => waiting.unwrap(),
            Either::Right(ended) => panic!("{ended:?}"),
        }
    });
    assert_eq!((waiting.left, waiting.arrived), (1, 0));
    let why = waiting.why.unwrap();
    assert!(why.contains("NOT_LEADER_OR_FOLLOWER"), "{why}");
    assert_eq!(waiting.until, waiting.since + Duration::from_secs(120));
}

#[test]
fn a_member_that_finds_no_coordinator_says_why() {
    let silent = Faults {
        silent: Some(ApiKey::FindCoordinator),
        ..faults()
    };
    let waiting = with_broker(4, &Broker::new(1, silent), || async {
        let mut cluster = connect_at_last().await;
        let progress = cluster.progress();
        let mut group = GroupMembership::new(GroupOptions::new("g", &[TOPIC.to_owned()]));
        let seen = async {
            sleep(Duration::from_secs(40)).await;
            progress.waiting()
        };
        match race(seen, group.join(&mut cluster)).await {
            Either::Left(waiting) => waiting.unwrap(),
            Either::Right(ended) => panic!("{ended:?}"),
        }
    });
    let why = waiting.why.unwrap();
    assert!(why.contains("FindCoordinator"), "{why}");
}
