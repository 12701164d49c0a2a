//! `ottla produce`: lines of a file or of standard input become records.

use std::cell::Cell;
use std::fs::File;
use std::io::{IsTerminal as _, stderr, stdin};
use std::path::PathBuf;
use std::rc::Rc;

use clap::{Args, ValueEnum};

use indicatif::{ProgressBar, ProgressStyle};
use net_client::{
    Acks, ClientError, Compression, Delivery, Producer, ProducerOptions, ProducerRecord,
    Undelivered, Waiting,
};
use net_wire::ErrorCode;

use crate::advice::advice;
use crate::bootstrap::Bootstrap;
use crate::failure::Failure;
use crate::interrupt::{INTERRUPTED, Interrupt};
use crate::lines::Lines;
use crate::stall::{self, Awaited};
use crate::{output, undelivered};

/// Of `ottla produce`.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  ottla produce events                          type lines, end with Ctrl-D
  ottla produce events < lines.txt
  ottla produce events --file lines.txt --compression zstd
  echo 'user7:clicked' | ottla produce events --key-separator :

Each line becomes a record. Records with the same key go to the same partition, the one that
Kafka's Java client would choose. A line counts as delivered when every in-sync replica has it,
and is never written twice, however often it had to be sent.

Ctrl-C sends what was read so far, tells how much that is, and ends with exit code 130. While the
broker takes nothing, it is tried again for two minutes; a second Ctrl-C gives up before.")]
pub struct ProduceArgs {
    #[command(flatten)]
    bootstrap: Bootstrap,
    /// The topic
    topic: String,
    /// Read lines from this file instead of standard input
    #[arg(short, long)]
    file: Option<PathBuf>,
    /// What is before the first of these in a line is the key
    #[arg(short = 'K', long, value_name = "TEXT", value_parser = separator)]
    key_separator: Option<String>,
    /// Send to this partition, whatever the key
    #[arg(short, long)]
    partition: Option<i32>,
    /// How the batches are compressed
    #[arg(short, long, value_enum, default_value = "none")]
    compression: Codec,
    /// Who must have a record before it counts as delivered
    #[arg(long, value_enum, default_value = "all", allow_hyphen_values = true)]
    acks: AcksArg,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Codec {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum AcksArg {
    /// Every in-sync replica
    #[value(alias = "-1")]
    All,
    /// The leader
    #[value(name = "1")]
    Leader,
    /// Nobody
    #[value(name = "0")]
    None,
}

/// What `--key-separator` may be: the empty text is before every line, and parts nothing.
fn separator(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("it has no character; leave it out to send lines without keys".to_owned());
    }
    Ok(text.to_owned())
}

/// Runs the command.
pub(crate) async fn run(args: ProduceArgs) -> Result<(), Failure> {
    let interrupt = Interrupt::install();
    let mut session = Session {
        sent: Rc::default(),
        is_interrupted: false,
    };
    let ended = match interrupt.or(producer(&args, &interrupt)).await {
        Some(producer) => {
            let producer = producer?;
            let (progress, topic) = (producer.progress(), args.topic.clone());
            let sent = session.sent.clone();
            interrupt.at_giving_up(move || gave_up(sent.get(), progress.waiting(), &topic));
            session.send_input(producer, &args, &interrupt).await
        }
        None => {
            session.is_interrupted = true;
            Ok(())
        }
    };
    let sent = session.sent.get();
    if ended.is_ok() || sent > 0 {
        let sent = output::counted(sent, "record");
        output::note(&format!("Sent {sent} to {}.", args.topic));
    }
    if ended.is_ok() && session.is_interrupted {
        // A script must not take the part for the whole.
        std::process::exit(INTERRUPTED);
    }
    ended
}

/// What is told of a command that was not waited for.
fn gave_up(sent: usize, waiting: Option<Waiting>, topic: &str) -> String {
    // Those of a flush that is not done count already.
    let (left, arrived) = waiting.map_or((0, 0), |it| (it.left, it.arrived));
    format!(
        "Sent {} to {topic}; gave up on {} that may still have arrived.",
        output::counted(sent + arrived, "record"),
        output::counted(left, "line")
    )
}

async fn producer(args: &ProduceArgs, interrupt: &Interrupt) -> Result<Producer, Failure> {
    let mut cluster = args.bootstrap.connect().await?;
    stall::watch(Awaited::Lines, cluster.progress(), interrupt);
    // A wrong topic is told before the first line is typed.
    cluster.topic(&args.topic).await?;
    let options = ProducerOptions {
        acks: match args.acks {
            AcksArg::All => Acks::All,
            AcksArg::Leader => Acks::Leader,
            AcksArg::None => Acks::None,
        },
        compression: match args.compression {
            Codec::None => Compression::None,
            Codec::Gzip => Compression::Gzip,
            Codec::Snappy => Compression::Snappy,
            Codec::Lz4 => Compression::Lz4,
            Codec::Zstd => Compression::Zstd,
        },
        ..ProducerOptions::default()
    };
    Ok(Producer::new(cluster, options).await?)
}

fn progress(size_bytes: u64) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    ProgressBar::new(size_bytes).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// What became of the input.
struct Session {
    /// Records that were acknowledged, or handed to the system with acks=0.
    sent: Rc<Cell<usize>>,
    is_interrupted: bool,
}

impl Session {
    fn count(&self, deliveries: &[Delivery]) {
        self.sent.set(self.sent.get() + records(deliveries));
    }

    async fn send_input(
        &mut self,
        mut producer: Producer,
        args: &ProduceArgs,
        interrupt: &Interrupt,
    ) -> Result<(), Failure> {
        let (shown, lines, progress) = match &args.file {
            Some(path) => {
                let shown = path.display().to_string();
                let file = File::open(path).map_err(Failure::io(format!("cannot open {shown}")))?;
                let size = file.metadata().map_or(0, |metadata| metadata.len());
                (shown, Lines::read(file), progress(size))
            }
            None => {
                if stdin().is_terminal() {
                    output::note("Type records, one a line; Ctrl-D ends.");
                }
                let hidden = ProgressBar::hidden();
                ("standard input".to_owned(), Lines::read(stdin()), hidden)
            }
        };
        let mut input = Input {
            lines: lines.map_err(Failure::io(format!("cannot read {shown}")))?,
            shown,
            progress,
        };
        let read = self
            .send_lines(&mut producer, args, &mut input, interrupt)
            .await;
        input.progress.finish_and_clear();
        // What was read before a bad line is delivered before the line is told. A producer that
        // failed itself is of no more use.
        let ended = match read {
            Err(Failure::Client(error)) => Err(error),
            read => match producer.flush().await {
                Ok(deliveries) => {
                    self.count(&deliveries);
                    return read;
                }
                Err(error) => Err(error),
            },
        };
        ended.map_err(|error| match producer.take_undelivered() {
            Some(undelivered) => {
                self.count(&undelivered.deliveries);
                refused(error, &undelivered, args)
            }
            None => error.into(),
        })
    }

    /// Hands all lines to the producer, until the input ends or fails, or the interrupt.
    async fn send_lines(
        &mut self,
        producer: &mut Producer,
        args: &ProduceArgs,
        input: &mut Input,
        interrupt: &Interrupt,
    ) -> Result<(), Failure> {
        let mut number = 0;
        loop {
            while let Some(line) = input.lines.next_at_hand() {
                if interrupt.is_set() {
                    self.is_interrupted = true;
                    return Ok(());
                }
                number += 1;
                let record = record_of(line, number, args)?;
                let deliveries = producer.send(record).await?;
                self.count(&deliveries);
            }
            // Reading may wait for a person: what was typed goes out first.
            if !input.lines.has_more() && producer.buffered_bytes() > 0 {
                let deliveries = producer.flush().await?;
                self.count(&deliveries);
            }
            let Some(read) = interrupt.or(input.lines.more()).await else {
                self.is_interrupted = true;
                return Ok(());
            };
            let read = read.map_err(Failure::io(format!("cannot read {}", input.shown)))?;
            if read == 0 && !input.lines.has_rest() {
                return Ok(());
            }
            input.progress.inc(read as u64);
        }
    }
}

struct Input {
    lines: Lines,
    /// How a failure names it.
    shown: String,
    progress: ProgressBar,
}

/// Which lines did not arrive, where to go on, and what to do about the error.
fn refused(error: ClientError, undelivered: &Undelivered, args: &ProduceArgs) -> Failure {
    let mut text = undelivered::told(undelivered, error.code().is_some());
    let batches = undelivered.batches.iter();
    let mut records = batches.flat_map(|batch| batch.records.iter().cloned().flatten());
    // A batch that is too large was cut until one record was left.
    let is_one_record = records.nth(1).is_none()
        || undelivered
            .batches
            .iter()
            .any(|batch| batch.at_fault.is_some());
    if let Some(remedy) = remedy(&error, is_one_record, args) {
        text.push('\n');
        text.push_str(&remedy);
    }
    Failure::Advised {
        error,
        advice: text,
    }
}

/// What to do about an error, where that depends on what was sent where.
fn remedy(error: &ClientError, is_one_record: bool, args: &ProduceArgs) -> Option<String> {
    // The records of a large batch may all be small enough.
    let instead = match is_one_record {
        true => "Send smaller records, or raise",
        false => "Raise",
    };
    match error.code() {
        Some(ErrorCode::MESSAGE_TOO_LARGE | ErrorCode::RECORD_LIST_TOO_LARGE) => Some(format!(
            "{instead} max.message.bytes of the topic, with Apache Kafka's tool:\n  \
             kafka-configs.sh --bootstrap-server {} --entity-type topics --entity-name {} \
             --alter --add-config max.message.bytes={MESSAGE_SIZE_BYTES_EXAMPLE}",
            args.bootstrap.text(),
            args.topic
        )),
        Some(ErrorCode::INVALID_RECORD) if args.key_separator.is_none() => Some(
            "A topic with cleanup.policy=compact takes records with keys alone: give each line a \
             key, and name what is between the two with --key-separator."
                .to_owned(),
        ),
        _ => advice(error).map(str::to_owned),
    }
}

/// Ten times Kafka's default, in round MiB.
const MESSAGE_SIZE_BYTES_EXAMPLE: usize = 10 * 1024 * 1024;

fn records(deliveries: &[Delivery]) -> usize {
    deliveries
        .iter()
        .map(|delivery| delivery.record_count)
        .sum()
}

fn record_of<'a>(
    line: &'a [u8],
    number: usize,
    args: &'a ProduceArgs,
) -> Result<ProducerRecord<'a>, Failure> {
    let (key, value) = match &args.key_separator {
        None => (None, line),
        Some(separator) => {
            let split = split_once(line, separator.as_bytes());
            let (key, value) = split.ok_or_else(|| {
                let shown = String::from_utf8_lossy(line);
                Failure::Usage(format!(
                    "Line {number}, '{shown}', has no '{separator}'; the lines before it were \
                     sent.\nCorrect the line and send the rest from there, or leave out \
                     --key-separator to send lines without keys."
                ))
            })?;
            (Some(key), value)
        }
    };
    Ok(ProducerRecord {
        topic: &args.topic,
        partition: args.partition,
        key,
        value: Some(value),
        ..ProducerRecord::default()
    })
}

fn split_once<'a>(line: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    if separator.is_empty() {
        return None;
    }
    let start = line
        .windows(separator.len())
        .position(|window| window == separator)?;
    Some((&line[..start], &line[start + separator.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine_base::Instant;

    #[test]
    fn a_line_splits_at_its_first_separator() {
        assert_eq!(
            split_once(b"a::b::c", b"::"),
            Some((&b"a"[..], &b"b::c"[..]))
        );
        assert_eq!(split_once(b":v", b":"), Some((&b""[..], &b"v"[..])));
        assert_eq!(split_once(b"abc", b":"), None);
        assert_eq!(split_once(b"abc", b""), None);
    }

    #[test]
    fn a_refused_batch_is_told_with_what_helps_this_topic() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: ProduceArgs,
        }
        let undelivered = Undelivered {
            next: 7,
            batches: vec![net_client::UndeliveredBatch {
                records: std::iter::once(6..7).collect(),
                at_fault: None,
            }],
            ..Undelivered::default()
        };
        let shown = |code, line: &str| {
            let error = ClientError::Broker {
                code,
                subject: "y-0".to_owned(),
                message: None,
            };
            let args = <Line as clap::Parser>::parse_from(line.split(' ')).args;
            refused(error, &undelivered, &args).to_string()
        };
        let text = shown(ErrorCode::MESSAGE_TOO_LARGE, "produce y -b h:1");
        assert!(text.contains("Line 6 was refused"), "{text}");
        let tool = "--bootstrap-server h:1 --entity-type topics --entity-name y --alter";
        assert!(text.contains(tool), "{text}");
        assert!(text.contains("Send smaller records"), "{text}");
        let unkeyed = shown(ErrorCode::INVALID_RECORD, "produce y");
        assert!(unkeyed.contains("--key-separator"), "{unkeyed}");
        let keyed = shown(ErrorCode::INVALID_RECORD, "produce y -K :");
        assert!(!keyed.contains("--key-separator"), "{keyed}");
    }

    #[test]
    fn giving_up_tells_what_arrived_and_what_is_not_known() {
        let waiting = Waiting {
            since: Instant(0),
            until: Instant(0),
            why: None,
            left: 1,
            arrived: 4,
        };
        assert_eq!(
            gave_up(10, Some(waiting), "t"),
            "Sent 14 records to t; gave up on 1 line that may still have arrived."
        );
    }

    #[test]
    fn an_empty_separator_is_refused() {
        assert!(separator("").is_err());
        assert_eq!(separator("::"), Ok("::".to_owned()));
    }
}
