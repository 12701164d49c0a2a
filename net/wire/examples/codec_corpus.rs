//! Our side of the comparison with Kafka's codec (`tools/compat/codec/run`).
//!
//! ```text
//! codec_corpus emit SEED COUNT     prints COUNT random messages for each type and version
//! codec_corpus check               reads such lines, decodes, encodes, compares
//! ```
//!
//! A line is `request|response KEY VERSION HEX FIELDS`, or one of `window`, `header`, `error`,
//! `subscription`, `assignment`; the other side is `Codec.java`.
#![allow(missing_docs)]

#[path = "../tests/messages/mod.rs"]
mod messages;

use std::fmt::Write as _;
use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use engine_codec::Message;
use engine_codec::sample::{Choices, Sample};
use messages::{Entry, Printed, entries, print};
use net_wire::message::consumer_protocol::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription,
};
use net_wire::versions::WINDOWS;
use net_wire::{ErrorCode, RequestHeader, header};

const DIFFERENCES_SHOWN_MAX: usize = 20;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["emit", seed, count] => match (seed.parse(), count.parse()) {
            (Ok(seed), Ok(count)) => emit(seed, count),
            _ => usage(),
        },
        ["check"] => check(),
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: codec_corpus emit SEED COUNT | codec_corpus check");
    ExitCode::from(2)
}

fn emit(seed: u64, count: u64) -> ExitCode {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut put = |line: String| writeln!(out, "{line}").expect("standard output takes lines");
    for window in &WINDOWS {
        let (code, name) = (window.key.code(), window.name);
        put(format!(
            "window {code} {name} {} {}",
            window.lowest, window.highest
        ));
        for version in window.lowest..=window.highest {
            put(header_line(window.key, version));
        }
    }
    for code in ErrorCode::all() {
        put(format!("error {} {code} {}", code.0, code.is_retriable()));
    }
    for seed in seed..seed + count {
        for entry in entries() {
            let kind = if entry.is_request {
                "request"
            } else {
                "response"
            };
            for version in entry.versions.iter() {
                let printed = (entry.sample)(seed, version);
                put(message_line(kind, entry.api_key.code(), version, &printed));
            }
        }
        for version in ConsumerProtocolSubscription::VERSIONS.iter() {
            let printed = sample::<ConsumerProtocolSubscription<'_>>(seed, version);
            put(message_line("subscription", -1, version, &printed));
            let printed = sample::<ConsumerProtocolAssignment<'_>>(seed, version);
            put(message_line("assignment", -1, version, &printed));
        }
    }
    ExitCode::SUCCESS
}

/// Both headers of an API and version, with correlation id 77 and client id "me".
fn header_line(api_key: net_wire::ApiKey, api_version: i16) -> String {
    let (mut request, mut response) = (Vec::new(), Vec::new());
    let correlation_id = 77;
    RequestHeader {
        api_key,
        api_version,
        correlation_id,
        client_id: Some("me".into()),
    }
    .write(&mut request)
    .expect("a short client id");
    header::write_response_header(&mut response, api_key, api_version, correlation_id);
    format!(
        "header {} {api_version} {} {}",
        api_key.code(),
        hex(&request),
        hex(&response)
    )
}

fn message_line(kind: &str, code: i16, version: i16, (bytes, text): &Printed) -> String {
    format!("{kind} {code} {version} {} {text}", hex(bytes))
}

fn sample<M: Message + Sample>(seed: u64, version: i16) -> Printed {
    let form = M::form(version).expect("a version of the message");
    print(&M::sample(&mut Choices::new(seed), form), version)
}

fn check() -> ExitCode {
    let entries = entries();
    let (mut compared, mut differences) = (0, 0);
    for line in io::stdin().lock().lines() {
        let line = line.expect("standard input holds lines of text");
        compared += 1;
        if let Err(difference) = check_line(&entries, &line) {
            differences += 1;
            if differences <= DIFFERENCES_SHOWN_MAX {
                println!("{difference}");
            }
        }
    }
    println!("ours: {compared} messages of Kafka's read, {differences} differences");
    if compared > 0 && differences == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn check_line(entries: &[Entry], line: &str) -> Result<(), String> {
    let words: Vec<&str> = line.split(' ').collect();
    let [kind, code, version, bytes, text] = words.as_slice() else {
        return Err(format!("not a message: {line}"));
    };
    let version: i16 = version.parse().map_err(|_| format!("no version: {line}"))?;
    let entry = entries
        .iter()
        .find(|entry| {
            entry.is_request == (*kind == "request") && entry.api_key.code().to_string() == *code
        })
        .ok_or_else(|| format!("not a message: {line}"))?;
    let bytes = unhex(bytes).ok_or_else(|| format!("no bytes: {line}"))?;
    let at = entry.at(version);
    let (again, fields) = (entry.reread)(&bytes, version)
        .map_err(|error| format!("{at}: {error}\n  {}", hex(&bytes)))?;
    if fields != *text {
        return Err(format!(
            "{at}: other fields\n  kafka {text}\n  ours  {fields}"
        ));
    }
    if again != bytes {
        return Err(format!(
            "{at}: other bytes\n  kafka {}\n  ours  {}",
            hex(&bytes),
            hex(&again)
        ));
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2 + 1);
    text.push('x');
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
    }
    text
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix('x')?.as_bytes();
    let pairs = digits.chunks_exact(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}
