//! The `meta.properties` file of every log directory: which node of which cluster it belongs to.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use engine_base::{Timestamp, Uuid};

use crate::error::FileError;

const FILE: &str = "meta.properties";

/// What the file says. A directory whose file says something else than its neighbours is not
/// opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaProperties {
    /// The cluster.
    pub cluster_id: String,
    /// The node.
    pub node_id: i32,
    /// The directory itself; files of before 3.7 have none, and get one when first opened.
    pub directory_id: Option<Uuid>,
}

impl MetaProperties {
    /// The file's text, in the order and with the date line that Kafka writes.
    #[must_use]
    pub fn to_text(&self, now: Timestamp) -> String {
        let mut text = String::from("#\n#");
        put_date(&mut text, now);
        let result = (|| {
            write!(text, "\nnode.id={}\n", self.node_id)?;
            if let Some(directory_id) = self.directory_id {
                writeln!(text, "directory.id={directory_id}")?;
            }
            write!(text, "version=1\ncluster.id={}\n", escape(&self.cluster_id))
        })();
        result.expect("writing to a string does not fail");
        text
    }

    /// Reads the file's text.
    ///
    /// # Errors
    /// A value is missing or invalid, or the file is of the time before KRaft (version 0 names a
    /// `broker.id`) or of a later version.
    pub fn read(text: &str) -> Result<Self, FileError> {
        let values = properties(text);
        let value = |field: &'static str| {
            values
                .get(field)
                .ok_or(FileError::Field { file: FILE, field })
        };
        let version = value("version")?.parse().map_err(|_| FileError::Field {
            file: FILE,
            field: "version",
        })?;
        if version != 1 {
            return Err(FileError::UnknownVersion {
                file: FILE,
                version,
            });
        }
        let node_id: i32 = value("node.id")?.parse().map_err(|_| FileError::Field {
            file: FILE,
            field: "node.id",
        })?;
        let directory_id = match values.get("directory.id") {
            Some(text) => Some(text.parse().map_err(|_| FileError::Field {
                file: FILE,
                field: "directory.id",
            })?),
            None => None,
        };
        Ok(Self {
            cluster_id: value("cluster.id")?.clone(),
            node_id,
            directory_id,
        })
    }
}

/// Java's property files as far as this one needs them: comments, the first `=` or `:` parts key
/// from value, a backslash takes the next character as it is.
fn properties(text: &str) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let (key, value) = line.split_once(['=', ':']).unwrap_or((line, ""));
        values.insert(key.trim().to_owned(), value.trim().replace('\\', ""));
    }
    values
}

fn escape(value: &str) -> String {
    value.replace(':', "\\:").replace('=', "\\=")
}

/// The date as Java prints it, in UTC: `Sat Nov 21 11:42:55 UTC 2026`.
fn put_date(text: &mut String, now: Timestamp) {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let seconds = now.div_euclid(1000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Years that begin in March: the leap day is the last of the year.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12;
    let year = era * 400 + year_of_era + i64::from(month_from_march >= 10);
    let name = |names: &[&'static str], index: i64| {
        usize::try_from(index)
            .ok()
            .and_then(|index| names.get(index).copied())
            .unwrap_or("?")
    };
    write!(
        text,
        "{} {} {day:02} {:02}:{:02}:{:02} UTC {year}",
        name(&DAYS, days.rem_euclid(7)),
        name(&MONTHS, month),
        second / 3600,
        second / 60 % 60,
        second % 60,
    )
    .expect("writing to a string does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN_BY_KAFKA: &str = "#\n#Sat Nov 21 11:42:55 UTC 2026\nnode.id=1\n\
         directory.id=JoB14rTUTk6x6pVlve2aPA\nversion=1\ncluster.id=MkU3OEVBNTcwNTJENDM2Qg\n";

    #[test]
    fn the_text_is_kafkas() {
        let read = MetaProperties::read(WRITTEN_BY_KAFKA).unwrap();
        assert_eq!(read.node_id, 1);
        assert_eq!(read.cluster_id, "MkU3OEVBNTcwNTJENDM2Qg");
        assert_eq!(read.directory_id, "JoB14rTUTk6x6pVlve2aPA".parse().ok());
        assert_eq!(read.to_text(1_795_261_375_000), WRITTEN_BY_KAFKA);
    }

    #[test]
    fn dates_are_right_around_leap_days() {
        for (seconds, expected) in [
            (0, "Thu Jan 01 00:00:00 UTC 1970"),
            (951_782_399, "Mon Feb 28 23:59:59 UTC 2000"),
            (951_782_400, "Tue Feb 29 00:00:00 UTC 2000"),
            (1_709_251_200, "Fri Mar 01 00:00:00 UTC 2024"),
            (1_735_689_599, "Tue Dec 31 23:59:59 UTC 2024"),
        ] {
            let mut text = String::new();
            put_date(&mut text, seconds * 1000);
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn other_versions_and_missing_values_are_refused() {
        let zookeeper = "version=0\nbroker.id=1\ncluster.id=x\n";
        let expected = Err(FileError::UnknownVersion {
            file: FILE,
            version: 0,
        });
        assert_eq!(MetaProperties::read(zookeeper), expected);
        let expected = Err(FileError::Field {
            file: FILE,
            field: "node.id",
        });
        assert_eq!(MetaProperties::read("version=1\ncluster.id=x\n"), expected);
        let old = MetaProperties::read("version=1\nnode.id=3\ncluster.id=a\\=b\n").unwrap();
        assert_eq!((old.directory_id, old.cluster_id.as_str()), (None, "a=b"));
        assert_eq!(MetaProperties::read(&old.to_text(0)), Ok(old));
    }
}
