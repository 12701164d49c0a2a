//! `ottla consume`: prints records, alone or as a member of a group.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write, stdout};
use std::time::Duration;

use clap::Args;
use engine_base::Instant;
use engine_runtime::now;
use net_client::{
    Admin, ClientError, Cluster, ConsumedRecord, Consumer, ConsumerOptions, GroupEvent,
    GroupMembership, GroupOptions, OffsetReset, StartAt,
};
use net_wire::ErrorCode;

use crate::bootstrap::Bootstrap;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::{self, still_read};
use crate::record_line::{Part, line};
use crate::stall::{self, Awaited};

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
    /// Start at this offset, of the partition that --partition names
    #[arg(
        short,
        long,
        conflicts_with_all = ["from_beginning", "group"],
        allow_negative_numbers = true
    )]
    offset: Option<i64>,
    /// End after this many records
    #[arg(short = 'n', long, value_name = "COUNT")]
    max_messages: Option<u64>,
    /// End when no record came for so long; a group's first assignment, some 3 s, is not counted
    #[arg(long, value_name = "MS")]
    timeout_ms: Option<u64>,
    /// What to print before each value
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PARTS")]
    print: Vec<Part>,
}

/// Runs the command.
pub(crate) async fn run(args: ConsumeArgs) -> Result<(), Failure> {
    check_place(&args)?;
    let interrupt = Interrupt::install();
    let mut printed = 0;
    let ended = match interrupt.or(Session::open(&args)).await {
        Some(session) => {
            let mut session = session?;
            if let Some(group) = args.group.clone() {
                stall::watch(
                    Awaited::Group(group),
                    session.cluster.progress(),
                    &interrupt,
                );
            }
            let ended = session.consume(&args, &interrupt).await;
            session.leave().await;
            printed = session.printed;
            ended
        }
        None => Ok(()),
    };
    if ended.is_ok() || printed > 0 {
        output::note(&format!("Processed a total of {printed} messages"));
    }
    ended
}

/// How often a member commits (`auto.commit.interval.ms`).
const COMMIT_INTERVAL: Duration = Duration::from_secs(5);

/// How often a member without partitions looks whether the topic is there.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// How long a fetch waits for records; an interrupt and a heartbeat wait no longer.
const POLL_WAIT: Duration = Duration::from_millis(500);

struct Session {
    cluster: Cluster,
    consumer: Consumer,
    group: Option<GroupMembership>,
    /// Whether the consumer's positions are those of the group's generation, to be committed in
    /// it: not while it is being joined.
    is_joined: bool,
    /// Whether the topic is gone, which has been told.
    is_gone: bool,
    look_due: Instant,
    printed: u64,
    commit_due: Instant,
}

impl Session {
    async fn open(args: &ConsumeArgs) -> Result<Self, Failure> {
        let mut cluster = args.bootstrap.connect().await?;
        cluster.topic(&args.topic).await?;
        let reset = if args.from_beginning {
            OffsetReset::Earliest
        } else {
            OffsetReset::Latest
        };
        Ok(Self {
            cluster,
            consumer: Consumer::new(ConsumerOptions { reset }),
            group: args.group.as_deref().map(|group| {
                let topics = [args.topic.clone()];
                GroupMembership::new(GroupOptions::new(group, &topics))
            }),
            is_joined: false,
            is_gone: false,
            look_due: now() + LOOK_INTERVAL,
            printed: 0,
            commit_due: now() + COMMIT_INTERVAL,
        })
    }

    /// Takes its partitions and prints their records, until there is a reason to end.
    async fn consume(&mut self, args: &ConsumeArgs, interrupt: &Interrupt) -> Result<(), Failure> {
        let started = match &self.group {
            Some(_) => interrupt.or(self.join()).await,
            None => interrupt.or(self.assign(args)).await,
        };
        match started {
            Some(started) => started?,
            None => return Ok(()),
        }
        self.print_records(args, interrupt).await
    }

    async fn assign(&mut self, args: &ConsumeArgs) -> Result<(), Failure> {
        let start = args.offset.map_or(StartAt::Reset, StartAt::Offset);
        let partitions = match args.partition {
            Some(partition) => {
                self.cluster.leader(&args.topic, partition).await?;
                if let Some(offset) = args.offset {
                    check_offset(args, partition, offset).await?;
                }
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
        self.is_joined = false;
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
        self.consumer.assign(&mut self.cluster, &places).await?;
        self.is_joined = true;
        Ok(())
    }

    async fn print_records(
        &mut self,
        args: &ConsumeArgs,
        interrupt: &Interrupt,
    ) -> Result<(), Failure> {
        let mut out = BufWriter::new(stdout().lock());
        let mut last_record = now();
        while !interrupt.is_set() {
            let wait = args
                .timeout_ms
                .map_or(POLL_WAIT, |ms| POLL_WAIT.min(Duration::from_millis(ms)));
            let polled = interrupt.or(self.consumer.poll(&mut self.cluster, wait));
            let Some(records) = polled.await else {
                return Ok(());
            };
            let records = records?;
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
            // What it was about to commit is committed when it leaves.
            let Some(kept) = interrupt.or(self.keep_up(&args.topic)).await else {
                return Ok(());
            };
            kept?;
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

    async fn keep_up(&mut self, topic: &str) -> Result<(), Failure> {
        self.watch_topic(topic).await?;
        self.keep_membership().await
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
            let positions = self.consumer.positions();
            match group.commit(&mut self.cluster, &positions).await {
                // Polling finds out too, and that is told.
                Err(error) if is_unknown_topic(&error) => {}
                committed => committed?,
            }
        }
        if event != GroupEvent::Stable {
            return self.join().await;
        }
        Ok(())
    }

    /// Says once when the topic vanishes: what waits for it looks like what has read it all.
    async fn watch_topic(&mut self, topic: &str) -> Result<(), Failure> {
        let is_assigned = self.consumer.has_partitions();
        let is_gone = if is_assigned {
            self.consumer.gone_topics().contains(topic)
        } else {
            self.look_for(topic).await?
        };
        if is_gone != self.is_gone {
            output::note(&if is_gone {
                format!("topic {topic} is gone; waiting in case it is made again (Ctrl-C ends)")
            } else {
                format!("topic {topic} is there again")
            });
        }
        let is_back = self.is_gone && !is_gone;
        self.is_gone = is_gone;
        if is_back && !is_assigned {
            // The group gave the partitions out while there were none.
            return self.join().await;
        }
        Ok(())
    }

    /// Whether the topic is gone, for a member that reads nothing and so does not find out.
    async fn look_for(&mut self, topic: &str) -> Result<bool, Failure> {
        if now() < self.look_due {
            return Ok(self.is_gone);
        }
        self.look_due = now() + LOOK_INTERVAL;
        self.cluster.forget(topic);
        match self.cluster.topic(topic).await {
            Ok(_) => Ok(false),
            Err(error) if is_unknown_topic(&error) => Ok(true),
            Err(error) if error.is_retriable() => Ok(self.is_gone),
            Err(error) => Err(error.into()),
        }
    }

    /// Commits and leaves; a failure here costs the group a session timeout and some repetition.
    async fn leave(&mut self) {
        let Some(group) = &mut self.group else { return };
        // What is gone has no offsets any more.
        let positions = match self.is_joined && !self.is_gone {
            true => self.consumer.positions(),
            false => BTreeMap::new(),
        };
        for error in group.close(&mut self.cluster, &positions).await {
            output::note(&format!("while leaving the group: {error}"));
        }
    }
}

fn is_unknown_topic(error: &ClientError) -> bool {
    error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
}

fn flushed(out: &mut impl Write) -> Result<bool, Failure> {
    still_read(out.flush())
}

/// An offset alone is no place, also in a topic that has one partition for now.
fn check_place(args: &ConsumeArgs) -> Result<(), Failure> {
    let (Some(offset), None) = (args.offset, args.partition) else {
        return Ok(());
    };
    Err(Failure::Usage(format!(
        "--offset {offset} needs --partition: each partition counts its records from 0 by itself, \
         so an offset alone names no record.\nWrite for example 'ottla consume {topic} -p 0 -o \
         {offset}'; 'ottla topics describe {topic}' shows the partitions.",
        topic = args.topic
    )))
}

/// A fetch beyond the partition's ends would start elsewhere without a word (`auto.offset.reset`).
async fn check_offset(args: &ConsumeArgs, partition: i32, offset: i64) -> Result<(), Failure> {
    let mut admin = Admin::new(args.bootstrap.connect().await?);
    let offsets = admin.partition_offsets(&args.topic, partition).await?;
    within(offset, offsets.earliest, offsets.latest).map_err(|text| {
        let place = format!("{}-{partition}", args.topic);
        Failure::Usage(format!("{place} has no offset {offset}.\n{text}"))
    })
}

/// The end itself is valid: the next record gets it.
fn within(offset: i64, earliest: i64, latest: i64) -> Result<(), String> {
    if (earliest..=latest).contains(&offset) {
        return Ok(());
    }
    Err(if earliest == latest {
        format!("It holds no records; the next one gets {latest}: write --offset {latest}.")
    } else {
        format!("Write --offset {earliest} to {latest}; the next new record gets {latest}.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_between_the_ends_of_its_partition() {
        for valid in [3, 7, 9] {
            assert_eq!(within(valid, 3, 9), Ok(()));
        }
        for invalid in [-1, 2, 10] {
            assert!(within(invalid, 3, 9).unwrap_err().contains("3 to 9"));
        }
        assert!(within(1, 0, 0).unwrap_err().contains("--offset 0"));
    }

    #[test]
    fn an_offset_without_a_partition_is_told_why_it_is_no_place() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: ConsumeArgs,
        }
        let check = |line: &str| {
            let args = <Line as clap::Parser>::parse_from(line.split(' ')).args;
            check_place(&args).map_err(|failure| failure.to_string())
        };
        let text = check("consume ev -o 1").unwrap_err();
        assert!(text.contains("each partition counts"), "{text}");
        assert!(text.contains("consume ev -p 0 -o 1"), "{text}");
        assert_eq!(check("consume ev -o 1 -p 0"), Ok(()));
        assert_eq!(check("consume ev"), Ok(()));
    }

    #[test]
    fn an_offset_is_for_one_partition_outside_of_groups() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: ConsumeArgs,
        }
        let parse = |line: &str| {
            let parsed = <Line as clap::Parser>::try_parse_from(line.split(' '));
            parsed
                .map(|line| line.args.offset)
                .map_err(|error| error.kind())
        };
        assert_eq!(parse("consume t -p 0 -o 4"), Ok(Some(4)));
        // Told as out of range, with the range.
        assert_eq!(parse("consume t -p 0 -o -1"), Ok(Some(-1)));
        let conflict = Err(clap::error::ErrorKind::ArgumentConflict);
        assert_eq!(parse("consume t -g g -o 4"), conflict);
        assert_eq!(parse("consume t -g g -p 0 -o 4"), conflict);
    }
}
