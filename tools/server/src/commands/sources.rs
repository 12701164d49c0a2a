//! Collects what the operator gave: file, environment, command line.

use std::path::Path;

use crate::config::Sources;

/// Reads them; the error says which file and what to do.
pub(crate) fn collect(file: Option<&Path>, sets: Vec<String>) -> Result<Sources, String> {
    let file = match file {
        None => None,
        Some(path) => {
            let shown = path.display().to_string();
            let bytes = std::fs::read(path).map_err(|error| {
                format!("cannot read {shown}: {error}; name a server.properties, or no file at all")
            })?;
            Some((shown, bytes))
        }
    };
    // A variable that is not Unicode cannot name or hold a property.
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    Ok(Sources {
        file,
        environment,
        sets,
    })
}
