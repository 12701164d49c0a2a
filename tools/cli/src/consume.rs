//! `ottla consume`: prints records, alone or as a member of a group.

use std::cell::Cell;
use std::io::{BufWriter, Write, stdout};
use std::rc::Rc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use engine_base::Instant;
use engine_runtime::{now, shutdown_signal, spawn};
use net_client::{
    Cluster, ConsumedRecord, Consumer, ConsumerOptions, GroupEvent, GroupMembership, GroupOptions,
    OffsetReset, StartAt,
};

use crate::bootstrap::Bootstrap;
use crate::failure::Failure;

/// Of `ottla consume`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  ottla consume events                             new records, as they come
  ottla consume events --from-beginning            all records, then new ones
  ottla consume events --from-beginning --max-messages 10
  ottla consume events -g readers                  share the topic with the group's other members
  ottla consume events --partition 0 --offset 42   one partition from an offset
  ottla consume events --from-beginning --print key,offset --timeout-ms 1000

Ends with Ctrl-C; a member of a group then commits what it printed and leaves. A group goes on
where it committed last; --from-beginning counts where it has committed nothing.")]
pub struct ConsumeArgs {
    #[command(flatten)]
    bootstrap: Bootstrap,
    /// The topic
    topic: String,
    /// Read as a member of this group
    #[arg(short, long)]
    group: Option<String>,
    /// Start at the oldest record
    #[arg(long)]
    from_beginning: bool,
    /// Read this partition alone
    #[arg(short, long, conflicts_with = "group")]
    partition: Option<i32>,
    /// Start at this offset
    #[arg(short, long, requires = "partition", conflicts_with = "from_beginning")]
    offset: Option<i64>,
    /// End after this many records
    #[arg(short = 'n', long, value_name = "COUNT")]
    max_messages: Option<u64>,
    /// End when no record came for so long
    #[arg(long, value_name = "MS")]
    timeout_ms: Option<u64>,
    /// What to print before each value
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PARTS")]
    print: Vec<Part>,
}

/// A part of a record's line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Timestamp,
    Partition,
    Offset,
    Headers,
    Key,
}

/// Runs the command.
pub(crate) async fn run(args: ConsumeArgs) -> Result<(), Failure> {
    let mut cluster = args.bootstrap.connect().await?;
    cluster.topic(&args.topic).await?;
    let reset = if args.from_beginning {
        OffsetReset::Earliest
    } else {
        OffsetReset::Latest
    };
    let mut session = Session {
        cluster,
        consumer: Consumer::new(ConsumerOptions { reset }),
        group: args.group.as_deref().map(|group| {
            let topics = [args.topic.clone()];
            GroupMembership::new(GroupOptions::new(group, &topics))
        }),
        printed: 0,
        commit_due: now() + COMMIT_INTERVAL,
    };
    match &session.group {
        Some(_) => session.join().await?,
        None => session.assign(&args).await?,
    }
    let ended = session.print_records(&args, &until_interrupted()).await;
    session.leave().await;
    eprintln!("Processed a total of {} messages", session.printed);
    ended
}

/// Becomes true at the first SIGINT or SIGTERM: a member then commits and leaves. A later one ends
/// the process, for the broker may be gone and the operator does not want to wait; one right
/// behind the first is the same one, told to the process and to its group.
fn until_interrupted() -> Rc<Cell<bool>> {
    let interrupted = Rc::new(Cell::new(false));
    let flag = Rc::clone(&interrupted);
    spawn(async move {
        let mut first = None;
        // Without signals the system's way to end a process is left.
        while shutdown_signal().await.is_ok() {
            flag.set(true);
            if now().since(*first.get_or_insert_with(now)) > SAME_INTERRUPT {
                std::process::exit(INTERRUPTED);
            }
        }
    })
    .detach();
    interrupted
}

/// How close two signals are one.
const SAME_INTERRUPT: Duration = Duration::from_millis(500);

/// The exit code of an interrupted process, as shells count it.
const INTERRUPTED: i32 = 130;

/// How often a member commits (`auto.commit.interval.ms`).
const COMMIT_INTERVAL: Duration = Duration::from_secs(5);

/// How long a fetch waits for records; an interrupt and a heartbeat wait no longer.
const POLL_WAIT: Duration = Duration::from_millis(500);

struct Session {
    cluster: Cluster,
    consumer: Consumer,
    group: Option<GroupMembership>,
    printed: u64,
    commit_due: Instant,
}

impl Session {
    async fn assign(&mut self, args: &ConsumeArgs) -> Result<(), Failure> {
        let start = args.offset.map_or(StartAt::Reset, StartAt::Offset);
        let partitions = match args.partition {
            Some(partition) => {
                self.cluster.leader(&args.topic, partition).await?;
                vec![partition]
            }
            None => {
                let topic = self.cluster.topic(&args.topic).await?;
                topic
                    .partitions
                    .iter()
                    .map(|partition| partition.index)
                    .collect()
            }
        };
        let places: Vec<_> = partitions
            .into_iter()
            .map(|index| (args.topic.clone(), index, start))
            .collect();
        Ok(self.consumer.assign(&mut self.cluster, &places).await?)
    }

    /// Joins and starts where the group committed.
    async fn join(&mut self) -> Result<(), Failure> {
        let Some(group) = &mut self.group else {
            return Ok(());
        };
        let partitions = group.join(&mut self.cluster).await?;
        let committed = group.committed(&mut self.cluster, &partitions).await?;
        let places: Vec<_> = partitions
            .into_iter()
            .map(|(topic, partition)| {
                let offset = committed.get(&(topic.clone(), partition)).copied();
                (
                    topic,
                    partition,
                    offset.map_or(StartAt::Reset, StartAt::Offset),
                )
            })
            .collect();
        Ok(self.consumer.assign(&mut self.cluster, &places).await?)
    }

    async fn print_records(
        &mut self,
        args: &ConsumeArgs,
        interrupted: &Cell<bool>,
    ) -> Result<(), Failure> {
        let mut out = BufWriter::new(stdout().lock());
        let mut last_record = now();
        while !interrupted.get() {
            let wait = args
                .timeout_ms
                .map_or(POLL_WAIT, |ms| POLL_WAIT.min(Duration::from_millis(ms)));
            let records = self.consumer.poll(&mut self.cluster, wait).await?;
            for record in &records {
                if !self.print(args, record, &mut out)? {
                    return Ok(());
                }
            }
            if !flushed(&mut out)? {
                return Ok(());
            }
            if !records.is_empty() {
                last_record = now();
            } else if let Some(ms) = args.timeout_ms
                && now().since(last_record) >= Duration::from_millis(ms)
            {
                return Ok(());
            }
            if args.max_messages.is_some_and(|max| self.printed >= max) {
                return Ok(());
            }
            self.keep_membership().await?;
        }
        Ok(())
    }

    /// Prints one record; false when it was the last one wanted or nobody reads any more.
    fn print(
        &mut self,
        args: &ConsumeArgs,
        record: &ConsumedRecord,
        out: &mut impl Write,
    ) -> Result<bool, Failure> {
        if args.max_messages.is_some_and(|max| self.printed >= max) {
            return flushed(out).map(|_| false);
        }
        if !still_read(out.write_all(&line(record, &args.print)))? {
            return Ok(false);
        }
        self.printed += 1;
        Ok(true)
    }

    async fn keep_membership(&mut self) -> Result<(), Failure> {
        let Some(group) = &mut self.group else {
            return Ok(());
        };
        let event = group.heartbeat(&mut self.cluster).await?;
        if event == GroupEvent::Rebalance
            || (event == GroupEvent::Stable && now() >= self.commit_due)
        {
            self.commit_due = now() + COMMIT_INTERVAL;
            group
                .commit(&mut self.cluster, &self.consumer.positions())
                .await?;
        }
        if event != GroupEvent::Stable {
            self.join().await?;
        }
        Ok(())
    }

    /// Commits and leaves; a failure here costs the group a session timeout and some repetition.
    async fn leave(&mut self) {
        let Some(group) = &mut self.group else { return };
        let committed = group
            .commit(&mut self.cluster, &self.consumer.positions())
            .await;
        let left = group.leave(&mut self.cluster).await;
        for error in [committed.err(), left.err()].into_iter().flatten() {
            eprintln!("while leaving the group: {error}");
        }
    }
}

fn flushed(out: &mut impl Write) -> Result<bool, Failure> {
    still_read(out.flush())
}

/// Whether somebody still reads our output; `head` closes it when it has enough.
fn still_read(written: std::io::Result<()>) -> Result<bool, Failure> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::io("cannot print")(error)),
    }
}

/// A record's line, its parts in the order of Kafka's console consumer.
fn line(record: &ConsumedRecord, parts: &[Part]) -> Vec<u8> {
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
