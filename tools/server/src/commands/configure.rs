//! From arguments to settings, with every finding told: the start of each command that needs a
//! configuration.

use super::sources::collect;
use crate::args::ConfigArgs;
use crate::config::{Settings, load, without_effect};
use crate::logging;

/// The settings; `None` when there was an error, which has been told.
pub(crate) fn configure(args: ConfigArgs) -> Option<Settings> {
    let same_sets = match args.sets.is_empty() {
        true => "",
        false => " with the same --set",
    };
    let sources = match collect(args.file.as_deref(), args.sets) {
        Ok(sources) => sources,
        Err(error) => {
            logging::fatal(error);
            return None;
        }
    };
    let loaded = load(&sources);
    for problem in &loaded.problems {
        if problem.is_error() {
            logging::fatal(problem);
        } else {
            tracing::warn!("{problem}");
        }
    }
    if loaded.settings.is_none() {
        let file = args.file.map(|file| format!(" {}", file.display()));
        logging::fatal(format_args!(
            "not started; 'ottla config check{}'{same_sets} explains each key",
            file.unwrap_or_default()
        ));
        return None;
    }
    let idle = without_effect(&loaded.values);
    if !idle.is_empty() {
        tracing::warn!("accepted, without effect here: {}", idle.join(", "));
    }
    loaded.settings
}
