//! Collects what the operator gave: file, environment, command line.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use crate::config::{FILE_READ_BYTES_MAX, Sources, check_form};

/// Reads them; the error says which file and what to do.
pub(crate) fn collect(file: Option<&Path>, sets: Vec<String>) -> Result<Sources, String> {
    let file = match file {
        None => None,
        Some(path) => {
            let shown = path.display().to_string();
            let bytes = read(path).map_err(|error| {
                format!("cannot read {shown}: {error}; name a server.properties, or no file at all")
            })?;
            check_form(&bytes).map_err(|why| {
                format!(
                    "{shown} is not a properties file: {why}; name a server.properties, a text \
                     with one key=value on each line"
                )
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

/// No more than is needed to know that it is too much: a device has no end.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut file = File::open(path)?.take(FILE_READ_BYTES_MAX);
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_properties_file_is_refused_by_name_with_the_next_step() {
        let program = std::env::current_exe().unwrap();
        for (path, why) in [
            (program.as_path(), "control byte"),
            (Path::new("/dev/zero"), "larger than"),
        ] {
            let error = collect(Some(path), Vec::new()).unwrap_err();
            assert!(error.contains("is not a properties file"), "{error}");
            assert!(error.contains(path.to_str().unwrap()), "{error}");
            assert!(error.contains("name a server.properties"), "{error}");
            // A program of some MiB is too large before a byte of it is looked at.
            assert!(error.contains(why) || error.contains("larger"), "{error}");
        }
    }
}
