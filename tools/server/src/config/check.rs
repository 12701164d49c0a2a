//! `ottla config check`: what each line of a configuration does here, and what is wrong with it.
//!
//! Owns the report's text; decides nothing about the settings themselves.

use std::fmt::Write as _;

use tools_cli::counted;

use super::keys::{self, Class, Kind};
use super::layers::Origin;
use super::limits::{KEY_CHARS_SHOWN_MAX, KEY_COLUMN_CHARS_MAX, VALUE_CHARS_SHOWN_MAX};
use super::settings::Loaded;
use super::shown::shown;
use super::values::Values;

/// The report, and whether the broker would start.
pub(crate) fn report(loaded: &Loaded) -> (String, bool) {
    let mut text = String::new();
    let given = loaded.values.all_given();
    let shown_key = |name: &str| shown(name, KEY_CHARS_SHOWN_MAX);
    let widths = given.keys().map(|name| shown_key(name).chars().count());
    let width = widths.max().unwrap_or(0).min(KEY_COLUMN_CHARS_MAX);
    let (errors, warnings): (Vec<_>, Vec<_>) = loaded
        .problems
        .iter()
        .partition(|problem| problem.is_error());
    for (name, property) in &given {
        let key = keys::find(name);
        let class = match key {
            _ if errors.iter().any(|error| error.key() == *name) => "not taken",
            Some(key) => key.class_of(&property.value).word(),
            None => "unknown",
        };
        let value = match key {
            Some(key) if key.kind == Kind::Password => "[hidden]",
            _ => &shown(&property.value, VALUE_CHARS_SHOWN_MAX),
        };
        let effect = key.map_or("kept, no effect", |key| key.effect);
        let effect = if class == "not taken" && key.is_none() {
            "Kafka 4 no longer has it"
        } else {
            effect
        };
        let origin = &property.origin;
        let name = shown_key(name);
        push(
            &mut text,
            format_args!(
                "{name:width$}  {class:9}  {value}  ({origin})\n{:width$}    {effect}",
                ""
            ),
        );
    }
    if !loaded.problems.is_empty() && !given.is_empty() {
        text.push('\n');
    }
    for warning in &warnings {
        push(&mut text, format_args!("warning: {warning}"));
    }
    for error in &errors {
        push(&mut text, format_args!("error: {error}"));
    }
    if !text.is_empty() {
        text.push('\n');
    }
    let verdict = if errors.is_empty() {
        "starts"
    } else {
        "does not start"
    };
    push(
        &mut text,
        format_args!(
            "ottla {verdict} with this configuration: {}, {}, {}",
            counted(given.len(), "key"),
            counted(errors.len(), "error"),
            counted(warnings.len(), "warning")
        ),
    );
    if let Some(settings) = &loaded.settings {
        let broker = &settings.broker;
        let listeners = broker.listeners.iter();
        let listeners: Vec<_> = listeners
            .map(|listener| format!("{}://{}", listener.name, listener.bind))
            .collect();
        push(
            &mut text,
            format_args!(
                "it listens on {} and keeps its data in {}",
                listeners.join(" and "),
                broker.log_dir.display()
            ),
        );
    }
    (text, errors.is_empty())
}

/// Written keys that do nothing here: one log line at the start names them.
pub(crate) fn without_effect(values: &Values) -> Vec<&str> {
    let written = values.all_written().iter();
    let ignored = written.filter(|(name, property)| {
        let class = keys::find(name).map(|key| key.class_of(&property.value));
        class == Some(Class::Ignore) && property.origin != Origin::Default
    });
    ignored.map(|(name, _)| name.as_str()).collect()
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("writing to a String cannot fail");
}
