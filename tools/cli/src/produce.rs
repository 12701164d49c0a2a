//! `ottla produce`: lines of a file or of standard input become records.

use std::fs::File;
use std::io::{BufRead as _, BufReader, IsTerminal as _, Read, stderr, stdin};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use indicatif::{ProgressBar, ProgressStyle};
use net_client::{Acks, Compression, Delivery, Producer, ProducerOptions, ProducerRecord};

use crate::bootstrap::Bootstrap;
use crate::failure::Failure;

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
and is never written twice, however often it had to be sent.")]
pub struct ProduceArgs {
    #[command(flatten)]
    bootstrap: Bootstrap,
    /// The topic
    topic: String,
    /// Read lines from this file instead of standard input
    #[arg(short, long)]
    file: Option<PathBuf>,
    /// What is before the first of these in a line is the key
    #[arg(short = 'K', long, value_name = "TEXT")]
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

/// Runs the command.
pub(crate) async fn run(args: ProduceArgs) -> Result<(), Failure> {
    let mut cluster = args.bootstrap.connect().await?;
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
    let producer = Producer::new(cluster, options).await?;
    match &args.file {
        Some(path) => {
            let shown = path.display().to_string();
            let file = File::open(path).map_err(Failure::io(format!("cannot open {shown}")))?;
            let size = file.metadata().map_or(0, |metadata| metadata.len());
            let mut reader = BufReader::with_capacity(READ_SIZE_BYTES, file);
            send_lines(producer, &args, &mut reader, progress(size)).await
        }
        None => {
            let mut reader = BufReader::with_capacity(READ_SIZE_BYTES, stdin());
            send_lines(producer, &args, &mut reader, ProgressBar::hidden()).await
        }
    }
}

/// What is read ahead of the producer at a time.
const READ_SIZE_BYTES: usize = 1024 * 1024;

fn progress(size_bytes: u64) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    ProgressBar::new(size_bytes).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

async fn send_lines(
    mut producer: Producer,
    args: &ProduceArgs,
    reader: &mut BufReader<impl Read>,
    progress: ProgressBar,
) -> Result<(), Failure> {
    let mut line = Vec::new();
    let mut count = 0;
    loop {
        // Nothing is at hand and reading may wait for a person: what was typed goes out first.
        if reader.buffer().is_empty() && producer.buffered_bytes() > 0 {
            count += records(&producer.flush().await?);
        }
        line.clear();
        let read = reader
            .read_until(b'\n', &mut line)
            .map_err(Failure::io("cannot read lines"))?;
        if read == 0 {
            break;
        }
        progress.inc(read as u64);
        let record = record_of(&line, args)?;
        count += records(&producer.send(record).await?);
    }
    count += records(&producer.flush().await?);
    progress.finish_and_clear();
    eprintln!("Sent {count} records to {}.", args.topic);
    Ok(())
}

fn records(deliveries: &[Delivery]) -> usize {
    deliveries
        .iter()
        .map(|delivery| delivery.record_count)
        .sum()
}

fn record_of<'a>(line: &'a [u8], args: &'a ProduceArgs) -> Result<ProducerRecord<'a>, Failure> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (key, value) = match &args.key_separator {
        None => (None, line),
        Some(separator) => {
            let split = split_once(line, separator.as_bytes());
            let (key, value) = split.ok_or_else(|| {
                let shown = String::from_utf8_lossy(line);
                Failure::Usage(format!(
                    "The line '{shown}' has no '{separator}'; the lines before it were sent.\n\
                     Correct the line, or leave out --key-separator to send lines without keys."
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
}
