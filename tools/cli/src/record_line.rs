//! A record as `ottla consume` prints it: on a line, with the parts that were asked for.

use clap::ValueEnum;
use net_client::ConsumedRecord;

/// A part of a record's line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    Timestamp,
    Partition,
    Offset,
    Headers,
    Key,
}

/// A record's line, its parts in the order of Kafka's console consumer.
pub(crate) fn line(record: &ConsumedRecord, parts: &[Part]) -> Vec<u8> {
    let mut line = Vec::new();
    let has = |part| parts.contains(&part);
    if has(Part::Timestamp) {
        line.extend(format!("CreateTime:{}\t", record.timestamp).into_bytes());
    }
    if has(Part::Partition) {
        line.extend(format!("Partition:{}\t", record.partition).into_bytes());
    }
    if has(Part::Offset) {
        line.extend(format!("Offset:{}\t", record.offset).into_bytes());
    }
    if has(Part::Headers) {
        let headers: Vec<Vec<u8>> = record
            .headers
            .iter()
            .map(|(key, value)| [key, &b":"[..], value.as_deref().unwrap_or(NULL)].concat())
            .collect();
        let none = vec![b"NO_HEADERS".to_vec()];
        let shown = if headers.is_empty() { &none } else { &headers };
        line.extend(shown.join(&b","[..]));
        line.push(b'\t');
    }
    if has(Part::Key) {
        line.extend_from_slice(record.key.as_deref().unwrap_or(NULL));
        line.push(b'\t');
    }
    line.extend_from_slice(record.value.as_deref().unwrap_or(NULL));
    line.push(b'\n');
    line
}

const NULL: &[u8] = b"null";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_parts_in_kafkas_order() {
        let record = ConsumedRecord {
            topic: "t".into(),
            partition: 3,
            offset: 42,
            timestamp: 1000,
            key: None,
            value: Some(b"v".to_vec()),
            headers: vec![(b"h".to_vec(), Some(b"1".to_vec())), (b"h".to_vec(), None)],
        };
        let all = [
            Part::Key,
            Part::Headers,
            Part::Offset,
            Part::Partition,
            Part::Timestamp,
        ];
        let text = String::from_utf8(line(&record, &all)).unwrap();
        assert_eq!(
            text,
            "CreateTime:1000\tPartition:3\tOffset:42\th:1,h:null\tnull\tv\n"
        );
        assert_eq!(line(&record, &[]), b"v\n");
    }
}
