"""Apache Kafka as the referee, and Ottla beside it with the same handle.

Owns: finding the pinned jars (into `.cache/`, once), starting and stopping a broker of either make on a
directory, and running Kafka's own tools. Every program in `tools/compat` and `bench/compare` uses it; it
knows nothing of what they check. Standard library only.

    with broker("kafka", directory) as kafka:           # or "ottla"
        tool("topics", "--bootstrap-server", kafka.bootstrap, "--list")
"""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
CACHE = HERE / ".cache"

#: What Kafka's own bin/kafka-run-class.sh gives a broker, so that the comparison is with Kafka as shipped.
JVM_BROKER = ["-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
              "-XX:+ExplicitGCInvokesConcurrent", "-Djava.awt.headless=true"]
#: Tools live for a second or two: compiling their code well costs more than it saves.
JVM_TOOL = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]

TOOLS = {
    "topics": "org.apache.kafka.tools.TopicCommand",
    "configs": "kafka.admin.ConfigCommand",
    "console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "groups": "org.apache.kafka.tools.GroupsCommand",
    "get-offsets": "org.apache.kafka.tools.GetOffsetShell",
    "producer-perf-test": "org.apache.kafka.tools.ProducerPerformance",
    "consumer-perf-test": "org.apache.kafka.tools.ConsumerPerformance",
    "dump-log": "org.apache.kafka.tools.DumpLogSegments",
    "storage": "kafka.tools.StorageTool",
    "metadata-shell": "org.apache.kafka.shell.MetadataShell",
    "metadata-quorum": "org.apache.kafka.tools.MetadataQuorumCommand",
    "broker-api-versions": "org.apache.kafka.tools.BrokerApiVersionsCommand",
    "cluster": "org.apache.kafka.tools.ClusterTool",
    "delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
}

LOG4J = """\
Configuration:
  Appenders:
    Console:
      name: STDERR
      target: SYSTEM_ERR
      PatternLayout:
        pattern: "[%d] %p %m (%c)%n"
  Loggers:
    Root:
      level: {level}
      AppenderRef:
        - ref: STDERR
"""

READY_SECONDS = 90


class RefereeError(Exception):
    """The referee cannot do what was asked; the text says what to look at."""


def say(text):
    """A line for the person who watches, never for a program that reads."""
    print(text, file=sys.stderr, flush=True)


def versions():
    """The pins of the file `versions`, as a dictionary."""
    lines = (line.split("#")[0].strip() for line in (HERE / "versions").read_text().splitlines())
    return {name.strip(): version.strip() for name, version in (line.split("=") for line in lines if line)}


# ---------------------------------------------------------------------------------------------- jars

def _dependency(artifact, version, group="org.apache.kafka", exclude=None):
    exclusion = "" if not exclude else (
        f"<exclusions><exclusion><groupId>{group}</groupId><artifactId>{exclude}</artifactId>"
        "</exclusion></exclusions>")
    return (f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>"
            f"<version>{version}</version>{exclusion}</dependency>")


def _dependencies(kind):
    pin = versions()
    logging = _dependency("log4j-slf4j-impl", pin["log4j"], group="org.apache.logging.log4j")
    if kind == "broker":
        return [_dependency("kafka_2.13", pin["kafka-broker"], exclude="kafka-tools-api"),
                _dependency("kafka-tools-api", pin["kafka-tools-api"]), logging]
    if kind == "tools":
        return [_dependency("kafka_2.13", pin["kafka-tools"]), _dependency("kafka-tools", pin["kafka-tools"]),
                _dependency("kafka-shell", pin["kafka-tools"]), logging]
    if kind == "clients":
        return [_dependency("kafka-clients", pin["kafka-clients"]), logging]
    raise RefereeError(f"no set of jars is called {kind!r}: broker, tools or clients")


def jars(kind):
    """The class path of `broker`, `tools` or `clients`; resolved with Maven when the pins have changed."""
    folder = CACHE / "jars" / kind
    pom = ("<project xmlns='http://maven.apache.org/POM/4.0.0'><modelVersion>4.0.0</modelVersion>"
           f"<groupId>referee</groupId><artifactId>{kind}</artifactId><version>1</version>"
           f"<packaging>pom</packaging><dependencies>{''.join(_dependencies(kind))}</dependencies></project>")
    stamp = folder / "pom.xml"
    if not (stamp.exists() and stamp.read_text() == pom):
        say(f"referee: resolving the {kind} jars with Maven")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        unfinished = folder / "pom.unfinished.xml"
        unfinished.write_text(pom)
        plugin = f"org.apache.maven.plugins:maven-dependency-plugin:{versions()['maven-dependency']}"
        _checked(["mvn", "-B", "-q", "-f", unfinished, f"{plugin}:copy-dependencies", f"-DoutputDirectory={folder}"])
        unfinished.rename(stamp)
    return f"{folder}/*"


def _checked(command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise RefereeError(f"{' '.join(map(str, command))} failed:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done


def java():
    """The Java virtual machine to use."""
    home = os.environ.get("JAVA_HOME")
    return f"{home}/bin/java" if home else "java"


def log4j(level):
    """The JVM option for a logging configuration of this level that writes to stderr."""
    path = CACHE / f"log4j2-{level.lower()}.yaml"
    CACHE.mkdir(exist_ok=True)
    if not path.exists():
        path.write_text(LOG4J.format(level=level))
    return f"-Dlog4j2.configurationFile={path}"


# --------------------------------------------------------------------------------------------- tools

def tool_command(name, *arguments, kind="tools"):
    """The command line of one of Kafka's tools, by the name of its script without `kafka-`."""
    main = TOOLS.get(name, name)
    return [java(), *JVM_TOOL, log4j("WARN"), "-cp", jars(kind), main, *map(str, arguments)]


def tool(name, *arguments, kind="tools", stdin=None, timeout=120, check=True):
    """Runs one of Kafka's tools to its end; returns what it printed to stdout, unchecked also to stderr."""
    command = tool_command(name, *arguments, kind=kind)
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout)
    if check and done.returncode != 0:
        raise RefereeError(f"kafka-{name} {' '.join(map(str, arguments))} exited {done.returncode}:\n"
                           f"{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout if check else done.stdout + done.stderr


def tool_started(name, *arguments, **options):
    """Starts one of Kafka's tools and returns its process, stdout and stdin as text pipes."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL} | options
    return subprocess.Popen(tool_command(name, *arguments), text=True, bufsize=1, preexec_fn=die_with_parent, **pipes)


def random_uuid():
    """A new id in Kafka's own form."""
    return tool("storage", "random-uuid", kind="broker").strip().splitlines()[-1]


# ------------------------------------------------------------------------------------------- brokers

def free_port():
    """A port nobody listens on now. Somebody may take it before we use it: the caller's start then fails."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def die_with_parent():
    """Run in the child before exec: a referee that is killed leaves no broker behind."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


class Broker:
    """What both makes have in common. `dir` is the log directory; everything else lies beside it."""

    make = "?"

    def __init__(self, directory, properties=None, cpus=None):
        self.dir = Path(directory)
        self.properties = dict(properties or {})
        self.cpus = cpus
        self.host, self.port = "127.0.0.1", 0
        self.process = None
        self.temporary = False
        self.log_path = self.dir.parent / f"{self.dir.name}.{self.make}.log"

    @property
    def bootstrap(self):
        """host:port, for a client."""
        return f"{self.host}:{self.port}"

    @property
    def pid(self):
        """The process id of the running broker."""
        return self.process.pid

    def alive(self):
        """Whether the process is running."""
        return self.process is not None and self.process.poll() is None

    def spawn(self):
        """Starts the process and waits for nothing."""
        raise NotImplementedError

    def start(self):
        """Starts on `dir`, formatting it when it is new; returns when the broker answers."""
        raise NotImplementedError

    def kill9(self):
        """Kills it at once, as a crash of the process would."""
        self.process.kill()
        self.process.wait()

    def stop(self, timeout=60):
        """SIGTERM, and waits for a clean end. Raises when it is not clean."""
        self.process.terminate()
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill9()
            raise RefereeError(f"{self.make} did not stop in {timeout} s; its log: {self.log_path}") from None
        if status not in self.clean_exits:
            raise RefereeError(f"{self.make} exited {status}; its log: {self.log_path}\n{self.log_tail()}")

    def log_tail(self, size=3000):
        """The end of the broker's log."""
        return self.log_path.read_text(errors="replace")[-size:] if self.log_path.exists() else ""

    def _spawn(self, command, **options):
        if self.cpus is not None:
            command = ["taskset", "-c", str(self.cpus), *command]
        log = open(self.log_path, "ab")
        self.process = subprocess.Popen([str(part) for part in command], stderr=log,
                                        preexec_fn=die_with_parent, **options)
        log.close()

    def _died(self):
        return RefereeError(f"{self.make} exited {self.process.returncode} at start; its log: {self.log_path}\n"
                            f"{self.log_tail()}")

    def __enter__(self):
        return self if self.alive() else self.start()

    def __exit__(self, failure, *_):
        if self.alive():
            self.kill9()
        if self.temporary and failure is None:
            shutil.rmtree(self.dir.parent, ignore_errors=True)
        elif self.temporary:
            say(f"referee: what {self.make} left is kept in {self.dir.parent}")


class Kafka(Broker):
    """Apache Kafka in combined mode, one node, as its own storage tool formats it."""

    make = "kafka"
    clean_exits = (0, 143)  # the JVM reports SIGTERM as 143 after its shutdown hooks have run

    def __init__(self, directory, properties=None, cpus=None, heap="1g", jvm=()):
        super().__init__(directory, properties, cpus)
        self.heap, self.jvm = heap, list(jvm)
        self.config_path = self.dir.parent / f"{self.dir.name}.kafka.properties"

    def spawn(self):
        """Starts the process and waits for nothing."""
        self.port = self.port or free_port()
        self.dir.mkdir(parents=True, exist_ok=True)
        self._write_config()
        if not (self.dir / "meta.properties").exists():
            self.format()
        self._spawn([java(), f"-Xms{self.heap}", f"-Xmx{self.heap}", *JVM_BROKER, *self.jvm, log4j("INFO"),
                     "-cp", jars("broker"), "kafka.Kafka", self.config_path], stdout=subprocess.DEVNULL)

    def start(self):
        self.spawn()
        deadline = time.monotonic() + READY_SECONDS
        while not answers(self.host, self.port):
            if not self.alive():
                raise self._died()
            if time.monotonic() > deadline:
                raise RefereeError(f"kafka did not answer in {READY_SECONDS} s; its log: {self.log_path}")
            time.sleep(0.05)
        return self

    def format(self, cluster_id=None):
        """Formats the directory with Kafka's own tool."""
        tool("storage", "format", "-t", cluster_id or random_uuid(), "-c", self.config_path, "--standalone",
             kind="broker")

    def _write_config(self):
        controller = free_port()
        properties = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "listeners": f"PLAINTEXT://{self.host}:{self.port},CONTROLLER://{self.host}:{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.host}:{self.port},CONTROLLER://{self.host}:{controller}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.quorum.bootstrap.servers": f"{self.host}:{controller}",
            "log.dirs": self.dir,
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
        } | self.properties
        self.config_path.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))


class Ottla(Broker):
    """Our broker, by its one command line. `OTTLA` names the binary; else the release build is used."""

    make = "ottla"
    clean_exits = (0,)

    @staticmethod
    def binary():
        """The binary under test."""
        target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
        candidates = [os.environ.get("OTTLA"), *target.glob("release/ottla"), *target.glob("*/release/ottla")]
        for candidate in candidates:
            if candidate and Path(candidate).exists():
                return str(candidate)
        raise RefereeError("no ottla binary: `cargo build --release`, or set OTTLA to one")

    def spawn(self):
        """Starts the process and waits for nothing."""
        properties = {"log.dirs": self.dir, "listeners": f"PLAINTEXT://{self.host}:{self.port}",
                      "group.initial.rebalance.delay.ms": "0"} | self.properties
        sets = [part for key, value in properties.items() for part in ("--set", f"{key}={value}")]
        self.dir.parent.mkdir(parents=True, exist_ok=True)
        self._spawn([self.binary(), "server", *sets], stdout=subprocess.PIPE)

    def start(self):
        self.spawn()
        ready = _line_within(self.process.stdout, READY_SECONDS)
        if "listener=" not in ready:
            self.process.wait(5) if not ready else self.kill9()
            raise self._died()
        self.port = int(ready.split("listener=")[1].split()[0].rsplit(":", 1)[1])
        return self

    def recover(self):
        """`ottla recover DIR`: makes a killed directory readable for Kafka."""
        return _checked([self.binary(), "recover", self.dir]).stdout


class External(Broker):
    """A broker somebody else started: only its address is known."""

    make = "external"

    def __init__(self, address):
        super().__init__(Path(tempfile.gettempdir()) / "external")
        self.host, port = address.rsplit(":", 1)
        self.port = int(port)

    def __enter__(self):
        return self

    def stop(self, timeout=0):
        """Not ours to stop."""

    def __exit__(self, *_):
        pass


def broker(name, directory=None, **options):
    """A broker by what a person writes after --broker: `kafka`, `ottla`, or HOST:PORT.

    Without a directory it lives in a temporary one, which goes away unless something failed.
    """
    makes = {"kafka": Kafka, "ottla": Ottla}
    if name in makes:
        made = makes[name](directory or Path(tempfile.mkdtemp(prefix=f"referee-{name}-")) / "data", **options)
        made.temporary = directory is None
        return made
    if ":" in name:
        return External(name)
    raise RefereeError(f"no broker is called {name!r}: kafka, ottla, or HOST:PORT")


def _line_within(pipe, seconds):
    """The first line of a pipe, or nothing when it does not come in time."""
    lines = []
    reader = threading.Thread(target=lambda: lines.append(pipe.readline().decode(errors="replace")), daemon=True)
    reader.start()
    reader.join(seconds)
    return lines[0] if lines else ""


def answers(host, port):
    """Whether a broker serves there: sends ApiVersions v0 and expects an answer of at least its header."""
    request = b"\x00\x12\x00\x00\x00\x00\x00\x07\x00\x00"
    try:
        with socket.create_connection((host, port), timeout=2) as connection:
            connection.sendall(len(request).to_bytes(4, "big") + request)
            return len(connection.recv(8)) > 0
    except OSError:
        return False
