//! The configuration of a broker: what the file says, what was changed while it ran, and the
//! defaults under both (KIP-226).

use std::collections::BTreeMap;
use std::sync::Arc;

use replication_metadata::image::{ConfigMap, ConfigResource, ConfigsImage};

use crate::broker_keys::{BROKER_KEYS, BrokerKey, Update, broker_key};
use crate::config_key::{ConfigType, Value, parse};
use crate::error::{ApiError, ErrorKind};

/// Where a value comes from. The numbers are those of DescribeConfigs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i8)]
pub enum ConfigSource {
    /// Set on the topic.
    Topic = 1,
    /// Set on the broker while it runs.
    Broker = 2,
    /// Set on all brokers while they run.
    Cluster = 3,
    /// From the file.
    Fixed = 4,
    /// Nobody has set it.
    Default = 5,
}

impl ConfigSource {
    /// The number in DescribeConfigs.
    #[must_use]
    pub fn id(self) -> i8 {
        self as i8
    }
}

/// A value of a key, or of another key that would take its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synonym {
    /// The key.
    pub name: String,
    /// The value; `None` where it must not be shown.
    pub value: Option<String>,
    /// Where it comes from.
    pub source: ConfigSource,
}

/// One entry of a DescribeConfigs answer.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigDescription {
    /// The key.
    pub name: String,
    /// The value; `None` where there is none or it must not be shown.
    pub value: Option<String>,
    /// Where it comes from.
    pub source: ConfigSource,
    /// Whether it cannot be changed while the broker runs.
    pub read_only: bool,
    /// Whether the value must not be shown.
    pub sensitive: bool,
    /// The type; `None` for a key that nobody knows.
    pub kind: Option<ConfigType>,
    /// This value and those it hides, the strongest first.
    pub synonyms: Vec<Synonym>,
    /// What it is for; empty where we have nothing to say.
    pub documentation: &'static str,
}

/// Keys of which an earlier one, where set, hides the later ones.
const GROUPS: [&[&str]; 4] = [
    &["log.roll.ms", "log.roll.hours"],
    &["log.roll.jitter.ms", "log.roll.jitter.hours"],
    &[
        "log.retention.ms",
        "log.retention.minutes",
        "log.retention.hours",
    ],
    &["log.flush.interval.ms", "log.flush.scheduler.interval.ms"],
];

/// Keys that can change while the broker runs, but only for one listener.
const LISTENER_ONLY: [&str; 10] = [
    "ssl.key.password",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.type",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.type",
];

/// The layers of one broker's configuration. Made anew for each question: three reference counts.
#[derive(Clone, Debug)]
pub struct BrokerConfigs<'a> {
    fixed: &'a BTreeMap<String, String>,
    cluster: Arc<ConfigMap>,
    node: Arc<ConfigMap>,
}

impl<'a> BrokerConfigs<'a> {
    /// The layers of broker `node_id`: `fixed` is what its file says, by Kafka's names.
    #[must_use]
    pub fn new(fixed: &'a BTreeMap<String, String>, configs: &ConfigsImage, node_id: i32) -> Self {
        let of = |resource| configs.of(&resource).cloned().unwrap_or_default();
        let cluster = of(ConfigResource::cluster());
        Self {
            fixed,
            cluster,
            node: of(ConfigResource::broker(node_id)),
        }
    }

    /// The value of a key and where it comes from; `None` where it has no default and nobody has
    /// set it.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<(&str, ConfigSource)> {
        self.set(name)
            .or_else(|| Some((broker_key(name)?.default?, ConfigSource::Default)))
    }

    /// The value that somebody has set.
    #[must_use]
    pub fn set(&self, name: &str) -> Option<(&str, ConfigSource)> {
        [
            ConfigSource::Broker,
            ConfigSource::Cluster,
            ConfigSource::Fixed,
        ]
        .into_iter()
        .find_map(|source| Some((self.at(source, name)?, source)))
    }

    /// The value at one layer.
    #[must_use]
    pub fn at(&self, source: ConfigSource, name: &str) -> Option<&str> {
        match source {
            ConfigSource::Broker => self.node.get(name).map(String::as_str),
            ConfigSource::Cluster => self.cluster.get(name).map(String::as_str),
            ConfigSource::Fixed => self.fixed(name),
            ConfigSource::Default => broker_key(name)?.default,
            ConfigSource::Topic => None,
        }
    }

    /// What the file says; the two names of the node's id stand for each other.
    fn fixed(&self, name: &str) -> Option<&str> {
        let other = match name {
            "broker.id" => "node.id",
            "node.id" => "broker.id",
            name => name,
        };
        self.fixed
            .get(name)
            .or_else(|| self.fixed.get(other))
            .map(String::as_str)
    }

    /// The value of a key as a number, or its default where what is set is no number: the file
    /// was checked when it was read.
    #[must_use]
    pub fn number(&self, name: &str) -> i64 {
        let set = self
            .value(name)
            .and_then(|(text, _)| text.trim().parse().ok());
        let default = || broker_key(name)?.default?.parse().ok();
        set.or_else(default).unwrap_or(-1)
    }

    /// Whether a key is true.
    #[must_use]
    pub fn is_true(&self, name: &str) -> bool {
        self.value(name)
            .is_some_and(|(text, _)| text.trim().eq_ignore_ascii_case("true"))
    }

    /// Every value that would take the place of a key's, the strongest first, as DescribeConfigs
    /// names them: nothing before the first one under the key's own name.
    #[must_use]
    pub fn synonyms(&self, name: &str) -> Vec<Synonym> {
        let group = GROUPS.into_iter().find(|group| group.contains(&name));
        let single = [name];
        let names = match group {
            // The scheduler's interval stands in for the flush interval, not the other way.
            Some(group) if !(group == GROUPS[3] && name != group[0]) => group,
            _ => &single,
        };
        let mut synonyms = Vec::new();
        for source in [
            ConfigSource::Broker,
            ConfigSource::Cluster,
            ConfigSource::Fixed,
            ConfigSource::Default,
        ] {
            for &synonym in names {
                if let Some(value) = self.at(source, synonym) {
                    let value = (!is_sensitive(synonym)).then(|| value.to_owned());
                    synonyms.push(Synonym {
                        name: synonym.to_owned(),
                        value,
                        source,
                    });
                }
            }
        }
        let hidden = synonyms
            .iter()
            .take_while(|synonym| synonym.name != name)
            .count();
        synonyms.split_off(hidden)
    }

    /// Every key of the broker: the known ones that are not internal, and whatever is set.
    #[must_use]
    pub fn describe(&self) -> Vec<ConfigDescription> {
        let known = BROKER_KEYS
            .iter()
            .filter(|key| key.update != Update::Internal || self.set(key.name).is_some())
            .map(|key| key.name);
        let set = self
            .fixed
            .keys()
            .chain(self.cluster.keys())
            .chain(self.node.keys());
        let unknown = set
            .map(String::as_str)
            .filter(|name| broker_key(name).is_none());
        let mut names: Vec<&str> = known.chain(unknown).collect();
        names.sort_unstable();
        names.dedup();
        names
            .into_iter()
            .map(|name| self.describe_key(name))
            .collect()
    }

    /// What was set for all brokers, and nothing else: the description of the broker resource
    /// without a name.
    #[must_use]
    pub fn describe_cluster(&self) -> Vec<ConfigDescription> {
        let of_all = |synonym: &Synonym| synonym.source == ConfigSource::Cluster;
        self.cluster
            .iter()
            .map(|(name, value)| {
                let mut described = self.describe_key(name);
                described.value = (!described.sensitive).then(|| value.clone());
                described.source = ConfigSource::Cluster;
                described.synonyms.retain(of_all);
                described
            })
            .collect()
    }

    fn describe_key(&self, name: &str) -> ConfigDescription {
        let key = broker_key(name);
        let sensitive = is_sensitive(name);
        let synonyms = self.synonyms(name);
        let shown = self.value(name).filter(|_| !sensitive);
        ConfigDescription {
            name: name.to_owned(),
            value: shown.map(|(value, _)| value.to_owned()),
            source: synonyms
                .first()
                .map_or(ConfigSource::Default, |first| first.source),
            read_only: !key.is_some_and(BrokerKey::is_dynamic),
            sensitive,
            kind: key.map(|key| key.kind),
            synonyms,
            documentation: "",
        }
    }
}

impl BrokerKey {
    fn is_dynamic(&self) -> bool {
        matches!(self.update, Update::PerBroker | Update::ClusterWide)
    }
}

/// Whether a value must not be shown: a password, or a key that nobody knows.
#[must_use]
pub fn is_sensitive(name: &str) -> bool {
    match broker_key(base_name(name)) {
        Some(key) => key.kind.is_sensitive(),
        // Our own keys hold no secrets.
        None => !name.starts_with("ottla."),
    }
}

/// The key that a listener's own key (`listener.name.<listener>.<key>`) overrides.
fn base_name(name: &str) -> &str {
    let listener = name.strip_prefix("listener.name.");
    listener
        .and_then(|rest| rest.split_once('.'))
        .map_or(name, |(_, base)| base)
}

/// Judges the dynamic configuration that a broker, or with `per_broker` false all brokers, would
/// have. Keys that nobody knows pass: they may belong to a plug-in.
///
/// # Errors
/// The refusal, in the order in which Kafka looks.
pub(crate) fn validate_broker(values: &ConfigMap, per_broker: bool) -> Result<(), ApiError> {
    let refuse = |text: &str, names: Vec<&str>| {
        let message = format!("{text}: [{}]", names.join(", "));
        Err(ApiError::new(ErrorKind::InvalidRequest, message))
    };
    let names = || values.keys().map(String::as_str);
    let known = |name: &str| broker_key(name);
    let fixed: Vec<&str> = names()
        .filter(|name| known(name).is_some_and(|key| !key.is_dynamic()))
        .collect();
    if !fixed.is_empty() {
        return refuse("Cannot update these configs dynamically", fixed);
    }
    let listener: Vec<&str> = names()
        .filter(|name| LISTENER_ONLY.contains(name))
        .collect();
    if !listener.is_empty() {
        return refuse(
            "These security configs can be dynamically updated only per-listener using the \
             listener prefix",
            listener,
        );
    }
    let of_one =
        |name: &&str| known(base_name(name)).is_some_and(|k| k.update == Update::PerBroker);
    let single: Vec<&str> = names().filter(of_one).collect();
    if !per_broker && !single.is_empty() {
        return refuse(
            "Cannot update these configs at default cluster level, broker id must be specified",
            single,
        );
    }
    for (name, text) in values {
        if let Some(key) = known(base_name(name)) {
            parse(name, key.kind, key.bounds, text)
                .map_err(|message| ApiError::new(ErrorKind::InvalidRequest, message))?;
        }
    }
    Ok(())
}

/// The value of a fixed key as its type says.
///
/// # Errors
/// The sentence that says why it is none: for the one who reads the file.
pub fn check_fixed(name: &str, text: &str) -> Result<Option<Value>, String> {
    match broker_key(base_name(name)) {
        Some(key) => parse(name, key.kind, key.bounds, text).map(Some),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(values: &[(&str, &str)]) -> ConfigMap {
        values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn refusal(values: &[(&str, &str)], per_broker: bool) -> String {
        let error = validate_broker(&map(values), per_broker).unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidRequest);
        error.message.unwrap().into_owned()
    }

    #[test]
    fn keys_are_in_order_and_their_defaults_lawful() {
        assert!(
            BROKER_KEYS
                .windows(2)
                .all(|pair| pair[0].name < pair[1].name)
        );
        for key in &BROKER_KEYS {
            let Some(default) = key.default else { continue };
            if key.name == "broker.id" {
                continue; // -1, "not set", is outside the bounds of what one may set
            }
            parse(key.name, key.kind, key.bounds, default).unwrap();
        }
    }

    #[test]
    fn refusals_are_kafkas() {
        assert_eq!(
            refusal(&[("node.id", "2")], true),
            "Cannot update these configs dynamically: [node.id]"
        );
        assert_eq!(
            refusal(&[("log.segment.bytes", "x")], true),
            "Invalid value x for configuration log.segment.bytes: Not a number of type INT"
        );
        assert_eq!(
            refusal(&[("ssl.keystore.password", "x")], false),
            "These security configs can be dynamically updated only per-listener using the \
             listener prefix: [ssl.keystore.password]"
        );
        assert_eq!(
            refusal(&[("cordoned.log.dirs", "*")], false),
            "Cannot update these configs at default cluster level, broker id must be specified: \
             [cordoned.log.dirs]"
        );
        assert_eq!(validate_broker(&map(&[("no.such", "2")]), true), Ok(()));
        assert_eq!(
            validate_broker(&map(&[("log.retention.ms", "123456789")]), false),
            Ok(())
        );
    }

    #[test]
    fn layers_and_synonyms_are_described_as_kafka_does() {
        let fixed = map(&[
            ("log.retention.hours", "2"),
            ("node.id", "1"),
            ("ssl.key.password", "secret"),
        ]);
        let mut configs = BrokerConfigs::new(&fixed, &ConfigsImage::default(), 1);
        // Set by hours only: the key in milliseconds has no value, and so nothing to show.
        assert_eq!(configs.synonyms("log.retention.ms"), []);
        assert_eq!(configs.value("log.retention.ms"), None);

        configs.cluster = Arc::new(map(&[("log.retention.ms", "123456789")]));
        let synonyms = configs.synonyms("log.retention.ms");
        let shown: Vec<_> = synonyms
            .iter()
            .map(|s| (s.name.as_str(), s.value.as_deref().unwrap(), s.source))
            .collect();
        let expected = [
            ("log.retention.ms", "123456789", ConfigSource::Cluster),
            ("log.retention.hours", "2", ConfigSource::Fixed),
            ("log.retention.hours", "168", ConfigSource::Default),
        ];
        assert_eq!(shown, expected);

        let described = configs.describe();
        let of = |name: &str| described.iter().find(|entry| entry.name == name).unwrap();
        assert_eq!(of("broker.id").value.as_deref(), Some("1"));
        let password = of("ssl.key.password");
        assert!(password.sensitive);
        assert_eq!(
            (password.value.as_deref(), password.source),
            (None, ConfigSource::Fixed)
        );
        assert!(of("node.id").read_only && !of("log.segment.bytes").read_only);
        assert_eq!(of("log.retention.ms").source, ConfigSource::Cluster);
        assert!(
            described
                .iter()
                .all(|entry| entry.name != "unstable.api.versions.enable")
        );
    }
}
