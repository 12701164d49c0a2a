//! What whole configurations become.

use net_broker::BrokerConfig;
use net_broker::config::MetadataLogConfig;
use replication_controller::{BrokerConfigs, LogConfig, TopicConfigs};
use replication_metadata::image::ConfigsImage;

use super::keys::{self, Class, Key, Kind};
use super::settings::{Loaded, load};
use super::{Sources, report, without_effect};

/// The settings of Apache Kafka 4.4's own `config/server.properties`, in its order.
const STOCK: &str = "\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,\
SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs=/tmp/kraft-combined-logs
num.partitions=1
num.recovery.threads.per.data.dir=2
offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.retention.hours=168
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
";

fn sets(sets: &[&str]) -> Loaded {
    let sets = sets.iter().map(|&set| set.to_owned()).collect();
    load(&Sources {
        sets,
        ..Sources::default()
    })
}

fn file(text: &str) -> Loaded {
    let file = Some(("server.properties".to_owned(), text.as_bytes().to_vec()));
    load(&Sources {
        file,
        ..Sources::default()
    })
}

fn texts(loaded: &Loaded) -> Vec<String> {
    loaded.problems.iter().map(ToString::to_string).collect()
}

#[test]
fn kafkas_stock_file_starts_unchanged_and_without_a_warning() {
    let loaded = file(STOCK);
    assert_eq!(texts(&loaded), Vec::<String>::new());
    assert_eq!(without_effect(&loaded.values).len(), 11);
    let broker = loaded.settings.unwrap().broker;
    assert_eq!(broker.node_id.0, 1);
    assert_eq!(broker.log_dir.to_str(), Some("/tmp/kraft-combined-logs"));
    assert_eq!(broker.listeners.len(), 1);
    let listener = &broker.listeners[0];
    assert_eq!(listener.name, "PLAINTEXT");
    assert!(listener.bind.ip().is_unspecified());
    assert_eq!(listener.bind.port(), 9092);
    assert_eq!(listener.advertised_host, "localhost");
    assert_eq!(listener.advertised_port, Some(9092));
    let told = ("CONTROLLER".to_owned(), "localhost".to_owned(), 9093);
    assert_eq!(broker.controller_listener, told);
    assert_eq!(broker.properties["num.io.threads"], "8");
}

#[test]
fn no_file_stays_on_this_machine() {
    let loaded = sets(&[]);
    assert_eq!(texts(&loaded), Vec::<String>::new());
    let settings = loaded.settings.unwrap();
    assert_eq!(
        settings.broker.listeners[0].bind.to_string(),
        "127.0.0.1:9092"
    );
    assert_eq!(settings.broker.listeners[0].advertised_host, "127.0.0.1");
    assert_eq!(settings.broker.listeners[0].advertised_port, None);
    assert_eq!(settings.broker.log_dir.to_str(), Some("ottla-data"));
    assert_eq!(
        settings.broker.properties["offsets.topic.replication.factor"],
        "1"
    );
    // Topics' tools would show it as if somebody had set it.
    assert!(!settings.broker.properties.contains_key("ottla.durability"));
    assert_eq!(
        settings.metrics.listener.unwrap().to_string(),
        "127.0.0.1:9644"
    );
    assert!(!settings.metrics.required);
}

#[test]
fn defaults_are_the_brokers_own() {
    let ours = sets(&[]).settings.unwrap().broker;
    let theirs = BrokerConfig::default();
    let mut ours_without_properties = ours;
    ours_without_properties.properties.clear();
    assert_eq!(
        format!("{:?}", ours_without_properties.listeners),
        format!("{:?}", theirs.listeners)
    );
    assert_eq!(ours_without_properties.memory_bytes, theirs.memory_bytes);
    assert_eq!(
        ours_without_properties.fetch_size_bytes_max,
        theirs.fetch_size_bytes_max
    );
    assert_eq!(
        ours_without_properties.request_size_bytes_max,
        theirs.request_size_bytes_max
    );
    assert_eq!(
        ours_without_properties.offsets_retention,
        theirs.offsets_retention
    );
    assert_eq!(
        ours_without_properties.producer_id_expiration,
        theirs.producer_id_expiration
    );
    assert_eq!(ours_without_properties.metadata_log, theirs.metadata_log);
}

#[test]
fn the_metadata_log_is_as_configured() {
    let loaded = sets(&[
        "metadata.log.max.record.bytes.between.snapshots=1000",
        "metadata.log.max.snapshot.interval.ms=0",
        "metadata.log.segment.bytes=8388608",
        "metadata.log.segment.ms=2000",
        "metadata.max.retention.bytes=-1",
        "metadata.max.retention.ms=3000",
    ]);
    let expected = MetadataLogConfig {
        snapshot_record_size_bytes_max: 1000,
        snapshot_interval: None,
        retention_bytes: -1,
        retention_ms: 3000,
        segment_size_bytes: 8_388_608,
        segment_ms: 2000,
    };
    assert_eq!(loaded.settings.unwrap().broker.metadata_log, expected);
}

/// The controller reads both and decides.
#[test]
fn durability_is_handed_on_as_it_was_written() {
    let written = ["log.flush.interval.messages=1000", "ottla.durability=flush"];
    let properties = sets(&written).settings.unwrap().broker.properties;
    assert_eq!(properties["log.flush.interval.messages"], "1000");
    assert_eq!(properties["ottla.durability"], "flush");
}

#[test]
fn every_fault_of_a_file_is_told_at_once_with_its_line() {
    let loaded = file("num.partitions=0\n\nauto.create.topics.enable=yes\nlog.segment.bytes=1\n");
    assert!(loaded.settings.is_none());
    let texts = texts(&loaded);
    assert_eq!(texts.len(), 3, "{texts:?}");
    let found = |start: &str| texts.iter().any(|text| text.starts_with(start));
    assert!(found("server.properties:1: num.partitions '0' is below 1"));
    assert!(found(
        "server.properties:3: auto.create.topics.enable 'yes' is not true or false"
    ));
    assert!(found(
        "server.properties:4: log.segment.bytes '1' is below 1048576"
    ));
}

#[test]
fn refuses_what_it_cannot_keep_with_what_to_do() {
    let cases = [
        (
            "zookeeper.connect=localhost:2181",
            "process.roles=broker,controller",
        ),
        ("process.roles=broker", "single nodes"),
        ("process.roles=controller", "single nodes"),
        ("controller.quorum.voters=1@a:1,2@b:1", "single nodes"),
        ("controller.quorum.voters=3@a:1", "node.id"),
        ("log.dirs=/a,/b", "name one directory"),
        ("log.dirs=", "name one directory"),
        ("metadata.log.dir=/elsewhere", "remove the key"),
        ("broker.id=7\nnode.id=8", "remove broker.id"),
        ("port=9092", "listeners="),
        ("inter.broker.protocol.version=3.0", "remove the line"),
        ("listeners=SSL://:9093", "trusted clients"),
        ("listeners=INSIDE://:9093", "listener.security.protocol.map"),
        ("listeners=localhost:9092", "PLAINTEXT://127.0.0.1:9092"),
        ("listeners=", "nowhere to connect"),
        (
            "advertised.listeners=PLAINTEXT://0.0.0.0:9092",
            "reach this machine",
        ),
        (
            "advertised.listeners=OTHER://a:9092",
            "which listeners does not",
        ),
        (
            "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "guards",
        ),
        (
            "message.max.bytes=2000\nsocket.request.max.bytes=1000",
            "raise socket.request",
        ),
        ("log.retention.hours=0", "-1"),
        ("ottla.durability=memory", "flush, written"),
        ("default.replication.factor=3", "single nodes: write 1"),
        ("security.inter.broker.protocol=SSL", "not in this version"),
        ("remote.log.storage.system.enable=true", "tiered storage"),
        ("principal.builder.class=a.B", "Java classes"),
        ("client.quota.callback.class=a.B", "Java classes"),
        ("ottla.metrics.listener=9644", "127.0.0.1:9644"),
    ];
    for (text, expected) in cases {
        let loaded = file(text);
        assert!(loaded.settings.is_none(), "{text} starts");
        let texts = texts(&loaded);
        assert!(
            texts.iter().any(|found| found.contains(expected)),
            "{text}: {texts:?}"
        );
    }
}

#[test]
fn unknown_and_pointless_keys_warn_and_start() {
    let cases = [
        ("num.partition=3", "did you mean num.partitions?"),
        ("my.own.key=3", "has no effect"),
        ("num.partitions=3\nnum.partitions=4", "twice"),
        ("log.cleanup.policy=compact", "write delete for retention"),
        ("log.cleanup.policy=compact,delete", "until retention"),
        ("message.max.bytes=0", "refuses every record"),
        ("cluster.id=MkU3OEVBNTcwNTJENDM2Qg", "meta.properties"),
        ("offsets.topic.replication.factor=3", "have one copy"),
        ("= 5", "'5' has no key"),
        (
            "zookeeper.connect=a\nprocess.roles=broker,controller",
            "ended with Kafka 3",
        ),
    ];
    for (text, expected) in cases {
        let loaded = file(text);
        assert!(loaded.settings.is_some(), "{text}: {:?}", texts(&loaded));
        let texts = texts(&loaded);
        assert!(
            texts.iter().any(|found| found.contains(expected)),
            "{text}: {texts:?}"
        );
    }
}

#[test]
fn report_shows_class_value_and_effect_and_hides_secrets() {
    let (text, starts) = report(&file(
        "node.id=4\nnum.io.threads=9\nssl.key.password=secret\nx=y",
    ));
    assert!(starts);
    for expected in [
        "honoured   4",
        "no effect  9",
        "[hidden]",
        "unknown",
        "starts with",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in:\n{text}");
    }
    assert!(!text.contains("secret"));
    let (text, starts) = report(&file("node.id=-4"));
    assert!(!starts);
    assert!(
        text.contains("error: server.properties:1: node.id '-4' is below 0"),
        "{text}"
    );
}

#[test]
fn compaction_is_shown_as_accepted_and_not_acted_upon() {
    for (value, word) in [
        ("delete", "honoured "),
        ("compact", "in part "),
        ("compact,delete", "in part "),
    ] {
        let loaded = file(&format!("log.cleanup.policy={value}"));
        let (text, starts) = report(&loaded);
        assert!(starts);
        let row = text
            .lines()
            .find(|line| line.contains(" (server.properties:1)"));
        assert!(row.is_some_and(|row| row.contains(word)), "{text}");
        assert!(text.contains("accepted and not acted upon"), "{text}");
    }
}

/// What topics get and work by, as the controller reads it from the properties.
fn of_topics(broker: &BrokerConfig) -> (i64, LogConfig) {
    let images = ConfigsImage::default();
    let brokers = BrokerConfigs::new(&broker.properties, &images, broker.node_id.0);
    let overrides = images.topic("t");
    let configs = TopicConfigs {
        overrides: &overrides,
        brokers: &brokers,
    };
    (brokers.number("num.partitions"), configs.log_config())
}

/// Everything that a configuration changes; what it only reports is left out.
fn consequences(sets_: &[&str]) -> String {
    let loaded = sets(sets_);
    let errors = loaded.problems.iter().filter(|problem| problem.is_error());
    let errors = errors.count();
    let settings = loaded.settings.map(|mut settings| {
        let topics = of_topics(&settings.broker);
        settings.broker.properties.clear();
        (settings, topics)
    });
    format!("{errors} errors, {settings:?}")
}

/// A value that is not the default, and what must be set beside it for it to matter.
fn another_value(key: &Key) -> (String, &'static str) {
    let value = match (key.name, key.kind) {
        ("controller.listener.names", _) => "PLAINTEXT".to_owned(),
        ("log.flush.interval.messages", _) => "1000".to_owned(),
        (_, Kind::Bool) => (key.default != Some("true")).to_string(),
        (_, Kind::Integer { min, max }) => match key.default.map(|text| text.parse::<i64>()) {
            Some(Ok(default)) if default < max => (default + 1).to_string(),
            Some(_) => min.to_string(),
            None => min.max(7).to_string(),
        },
        (_, Kind::OneOf(words) | Kind::OneOfAnyCase(words) | Kind::ListOf(words)) => words
            .iter()
            .find(|&&word| key.default != Some(word))
            .map_or_else(String::new, |&word| word.to_owned()),
        _ => "a,b".to_owned(),
    };
    let beside = match key.name {
        "compression.gzip.level" => "compression.type=gzip",
        "compression.zstd.level" => "compression.type=zstd",
        _ => "num.partitions=1",
    };
    (value, beside)
}

#[test]
fn every_key_that_is_honoured_or_mapped_changes_something() {
    let keys = keys::all().filter(|key| key.class != Class::Ignore);
    let idle = keys.filter(|key| {
        let (value, beside) = another_value(key);
        let set = format!("{}={value}", key.name);
        consequences(&[beside]) == consequences(&[beside, &set])
    });
    let idle: Vec<_> = idle.map(|key| key.name).collect();
    assert_eq!(idle, Vec::<&str>::new());
}

#[test]
fn the_report_lists_what_is_refused_and_why_in_the_order_of_the_file() {
    let (text, starts) = report(&file(
        "process.roles=broker\nbad=\\u1\nnum.partitions=0\nauthorizer.class.name=a.B\nport=1",
    ));
    assert!(!starts);
    for key in [
        "process.roles ",
        "num.partitions ",
        "authorizer.class.name ",
        "port ",
    ] {
        let row = text.lines().find(|line| line.starts_with(key));
        assert!(row.is_some_and(|row| row.contains(" not taken ")), "{text}");
    }
    assert!(text.contains("0  (server.properties:3)"), "{text}");
    let lines: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("error: server.properties:"))
        .map(|line| line.split(':').next().unwrap())
        .collect();
    assert_eq!(lines, ["1", "2", "3", "4", "5"], "{text}");
    assert!(text.contains("4 keys, 5 errors, 0 warnings"), "{text}");
    let alone = "ottla starts with this configuration: 0 keys, 0 errors, 0 warnings\n\
                 it listens on PLAINTEXT://[::]:9092 and keeps its data in /tmp/kafka-logs\n";
    let nothing = report(&file("")).0;
    assert_eq!(nothing, alone);
    let one = report(&file("node.id=x")).0;
    assert!(one.contains("1 key, 1 error, 0 warnings"), "{one}");
    let both = report(&file("zookeeper.connect=a")).0;
    assert!(both.contains("1 key, 1 error, 0 warnings"), "{both}");
}

#[test]
fn an_unknown_variable_of_ours_warns_like_one_of_kafkas() {
    for variable in ["OTTLA_SHARD", "KAFKA_NUM_PARTITION"] {
        let loaded = load(&Sources {
            environment: vec![(variable.to_owned(), "1".to_owned())],
            ..Sources::default()
        });
        assert!(loaded.settings.is_some());
        let texts = texts(&loaded);
        assert!(
            texts.len() == 1 && texts[0].contains("did you mean"),
            "{texts:?}"
        );
    }
}

#[test]
fn a_bad_secret_is_not_printed_and_sizes_are_bounded() {
    let loaded = sets(&["max.connections=0", "connections.max.idle.ms=-1"]);
    let broker = loaded.settings.unwrap().broker;
    assert_eq!(broker.connections_max, 0);
    assert_eq!(broker.connection_idle_max, std::time::Duration::MAX);
}

#[test]
fn what_the_report_shows_is_bounded_and_never_obeyed_by_a_terminal() {
    let key = "a".repeat(80_000);
    let set = format!("{key}={}", "v".repeat(80_000));
    let long = sets(&[&set, "num.partitions=3"]);
    let escaped = file("a\\u001b[2J=\\u001b[0m\nnum.partitions=\\u001b7");
    for (text, expected) in [
        (report(&long).0, "num.partitions "),
        (report(&escaped).0, r"num.partitions '\u001b7'"),
    ] {
        assert!(text.contains(expected), "{text}");
        assert!(text.lines().all(|line| line.len() < 600), "{text}");
        let is_clean = text.chars().all(|c| c == '\n' || !c.is_control());
        assert!(is_clean, "{text:?}");
    }
    let texts = texts(&escaped);
    assert!(texts[0].contains(r"a\u001b[2J is not a key"), "{texts:?}");
}
