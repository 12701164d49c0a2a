//! Which brokers get the replicas of new partitions.
//!
//! Round robin over racks and, within a rack, over its brokers: partition 0 begins at a drawn
//! rack, partition 1 at the next. Fenced brokers come last within their rack and never lead. The
//! draw is an argument, so the same command places the same way.

use std::collections::BTreeMap;

use replication_metadata::image::ClusterImage;

use crate::error::{ApiError, ErrorKind};

/// A sequence of numbers from one draw (SplitMix64): placement needs variety, not secrecy.
#[derive(Clone, Debug)]
struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // The remainder is below `bound`, which is a `usize`.
        ((z ^ (z >> 31)) % (bound as u64)) as usize
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// Brokers of a rack that are alike, handed out in turn.
#[derive(Clone, Debug, Default)]
struct BrokerList {
    brokers: Vec<i32>,
    /// How many were handed out for the current partition.
    index: usize,
    /// Where handing out begins, moved on by one with each partition.
    offset: usize,
    epoch: usize,
}

impl BrokerList {
    fn next(&mut self, epoch: usize) -> Option<i32> {
        if self.brokers.is_empty() {
            return None;
        }
        if self.epoch != epoch {
            self.epoch = epoch;
            self.index = 0;
            self.offset = (self.offset + 1) % self.brokers.len();
        }
        if self.index >= self.brokers.len() {
            return None;
        }
        let broker = self.brokers[(self.index + self.offset) % self.brokers.len()];
        self.index += 1;
        Some(broker)
    }
}

#[derive(Clone, Debug, Default)]
struct Rack {
    unfenced: BrokerList,
    fenced: BrokerList,
}

impl Rack {
    fn lists(&mut self) -> [&mut BrokerList; 2] {
        [&mut self.unfenced, &mut self.fenced]
    }
}

/// The brokers that take replicas, by rack.
#[derive(Debug)]
struct RackList {
    racks: Vec<Rack>,
    draws: Draws,
    brokers: usize,
    unfenced: usize,
    epoch: usize,
    offset: usize,
}

impl RackList {
    fn new(cluster: &ClusterImage, random: u64) -> Self {
        let mut by_name = BTreeMap::<Option<&str>, Rack>::new();
        let (mut brokers, mut unfenced) = (0, 0);
        let usable = |b: &&replication_metadata::image::BrokerImage| {
            !b.in_controlled_shutdown && b.has_uncordoned_directory()
        };
        for broker in cluster.brokers().filter(usable) {
            let rack = by_name.entry(broker.rack.as_deref()).or_default();
            let list = if broker.fenced {
                &mut rack.fenced
            } else {
                &mut rack.unfenced
            };
            list.brokers.push(broker.id);
            brokers += 1;
            unfenced += usize::from(!broker.fenced);
        }
        let mut draws = Draws(random);
        let mut racks: Vec<Rack> = by_name.into_values().collect();
        for list in racks.iter_mut().flat_map(Rack::lists) {
            if !list.brokers.is_empty() {
                list.offset = draws.below(list.brokers.len());
            }
        }
        let offset = if racks.is_empty() {
            0
        } else {
            draws.below(racks.len())
        };
        Self {
            racks,
            draws,
            brokers,
            unfenced,
            epoch: 0,
            offset,
        }
    }

    /// The replicas of the next partition. `replication_factor` was checked: it is positive, not
    /// above the number of brokers, and one of them is unfenced.
    fn place(&mut self, replication_factor: usize) -> Vec<i32> {
        if self.epoch == self.unfenced && self.unfenced > 1 {
            // All starting points were used: mix, so as not to repeat the same pattern.
            self.draws.shuffle(&mut self.racks);
            for list in self.racks.iter_mut().flat_map(Rack::lists) {
                self.draws.shuffle(&mut list.brokers);
            }
            self.epoch = 0;
        }
        let (racks, epoch) = (self.racks.len(), self.epoch);
        self.offset %= racks;
        let mut replicas = Vec::with_capacity(replication_factor);
        let mut leader_rack = None;
        for step in 0..racks {
            let rack = (self.offset + step) % racks;
            if let Some(broker) = self.racks[rack].unfenced.next(epoch) {
                replicas.push(broker);
                leader_rack = Some(rack);
                break;
            }
        }
        assert!(leader_rack.is_some(), "some broker is unfenced");
        let mut rack = self.offset;
        while replicas.len() < replication_factor {
            // The leader's rack is passed over once: it has had its turn.
            if leader_rack == Some(rack) {
                leader_rack = None;
            } else {
                let [unfenced, fenced] = self.racks[rack].lists();
                replicas.extend(unfenced.next(epoch).or_else(|| fenced.next(epoch)));
            }
            rack = (rack + 1) % racks;
        }
        self.epoch += 1;
        self.offset += 1;
        replicas
    }
}

/// The replicas of `partitions` new partitions.
///
/// # Errors
/// INVALID_REPLICATION_FACTOR with Kafka's sentence.
pub(crate) fn place(
    cluster: &ClusterImage,
    partitions: i32,
    replication_factor: i16,
    random: u64,
) -> Result<Vec<Vec<i32>>, ApiError> {
    let refuse = |reason: String| Err(ApiError::new(ErrorKind::InvalidReplicationFactor, reason));
    let mut racks = RackList::new(cluster, random);
    let Some(wanted) = usize::try_from(replication_factor)
        .ok()
        .filter(|&wanted| wanted > 0)
    else {
        return refuse(format!(
            "Invalid replication factor {replication_factor}: the replication factor must be \
             positive."
        ));
    };
    if racks.unfenced == 0 {
        return refuse(
            "All brokers are currently fenced, or have all their log directories cordoned."
                .to_owned(),
        );
    }
    if wanted > racks.brokers {
        return refuse(format!(
            "The target replication factor of {replication_factor} cannot be reached because only \
             {} broker(s) are registered or some brokers have all their log directories cordoned.",
            racks.brokers
        ));
    }
    Ok((0..partitions).map(|_| racks.place(wanted)).collect())
}

#[cfg(test)]
mod tests {
    use replication_metadata::record::RegisterBroker;
    use replication_metadata::{MetadataDelta, MetadataImage, Record};

    use super::*;

    /// Brokers with ids from 1, a rack for each and whether it is fenced.
    fn cluster(brokers: &[(Option<&'static str>, bool)]) -> MetadataImage {
        let mut delta = MetadataDelta::new(&MetadataImage::default());
        for (broker_id, (rack, fenced)) in (1..).zip(brokers) {
            let record = RegisterBroker {
                broker_id,
                rack: rack.map(Into::into),
                fenced: *fenced,
                ..RegisterBroker::default()
            };
            delta.apply(&Record::from(record)).unwrap();
        }
        delta.image().clone()
    }

    #[test]
    fn every_broker_leads_and_holds_the_same_share() {
        let image = cluster(&[(None, false); 5]);
        for random in 0..50 {
            let placed = place(image.cluster(), 50, 3, random).unwrap();
            for broker in 1..=5 {
                let leads = placed
                    .iter()
                    .filter(|replicas| replicas[0] == broker)
                    .count();
                let holds = placed
                    .iter()
                    .filter(|replicas| replicas.contains(&broker))
                    .count();
                assert_eq!((leads, holds), (10, 30), "broker {broker}, draw {random}");
            }
        }
    }

    #[test]
    fn replicas_spread_over_racks_and_never_share_a_broker() {
        let racks = [Some("a"), Some("b"), Some("c")];
        let brokers: Vec<_> = (0..9).map(|index| (racks[index % 3], false)).collect();
        let image = cluster(&brokers);
        for random in 0..50 {
            for replicas in place(image.cluster(), 20, 3, random).unwrap() {
                let mut of_racks: Vec<i32> = replicas.iter().map(|id| (id - 1) % 3).collect();
                of_racks.sort_unstable();
                assert_eq!(of_racks, [0, 1, 2], "{replicas:?}, draw {random}");
            }
            for mut replicas in place(image.cluster(), 20, 7, random).unwrap() {
                replicas.sort_unstable();
                replicas.dedup();
                assert_eq!(replicas.len(), 7, "draw {random}");
            }
        }
    }

    #[test]
    fn the_same_draw_places_the_same_way() {
        let image = cluster(&[(None, false); 4]);
        let placed = |random| place(image.cluster(), 8, 2, random).unwrap();
        assert_eq!(placed(3), placed(3));
        assert!((0..20).any(|random| placed(random) != placed(3)));
    }

    #[test]
    fn one_broker_takes_everything() {
        let image = cluster(&[(None, false)]);
        assert_eq!(place(image.cluster(), 3, 1, 9).unwrap(), [[1], [1], [1]]);
        let error = place(image.cluster(), 1, 0, 9).unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidReplicationFactor);
    }
}
