//! `ottla config check`: what each line of a configuration does here, and what is wrong with it.
//!
//! Owns the report's text; decides nothing about the settings themselves.

use std::fmt::Write as _;

use super::keys::{self, Class, Kind};
use super::layers::Origin;
use super::settings::Loaded;
use super::values::Values;

/// The report, and whether the broker would start.
pub(crate) fn report(loaded: &Loaded) -> (String, bool) {
    let mut text = String::new();
    let written = loaded.values.all_written();
    let rows: Vec<_> = written
        .iter()
        .filter(|(_, property)| property.origin != Origin::Default)
        .collect();
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, property) in &rows {
        let Some(key) = keys::find(name) else {
            line(
                &mut text,
                name,
                width,
                "unknown",
                &property.value,
                "kept, no effect",
            );
            continue;
        };
        let shown = if key.kind == Kind::Password {
            "[hidden]"
        } else {
            &property.value
        };
        line(&mut text, name, width, key.class.word(), shown, key.effect);
    }
    let (errors, warnings): (Vec<_>, Vec<_>) = loaded
        .problems
        .iter()
        .partition(|problem| problem.is_error());
    if !loaded.problems.is_empty() && !rows.is_empty() {
        text.push('\n');
    }
    for warning in &warnings {
        push(&mut text, format_args!("warning: {warning}"));
    }
    for error in &errors {
        push(&mut text, format_args!("error: {error}"));
    }
    let verdict = if errors.is_empty() {
        "starts"
    } else {
        "does not start"
    };
    push(
        &mut text,
        format_args!(
            "\nottla {verdict} with this configuration: {} keys, {} errors, {} warnings",
            rows.len(),
            errors.len(),
            warnings.len()
        ),
    );
    (text, errors.is_empty())
}

/// Written keys that do nothing here: one log line at the start names them.
pub(crate) fn without_effect(values: &Values) -> Vec<&str> {
    let written = values.all_written().iter();
    let ignored = written.filter(|(name, property)| {
        let is_ignored = keys::find(name).is_some_and(|key| key.class == Class::Ignore);
        is_ignored && property.origin != Origin::Default
    });
    ignored.map(|(name, _)| name.as_str()).collect()
}

fn line(text: &mut String, name: &str, width: usize, class: &str, value: &str, effect: &str) {
    push(
        text,
        format_args!(
            "{name:width$}  {class:9}  {value}\n{:width$}    {effect}",
            ""
        ),
    );
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("writing to a String cannot fail");
}
