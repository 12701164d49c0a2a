"""The `verify` programs: how each one is made ready (into .cache/) and started. Versions are pinned in ../versions."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import referee

VENV = referee.CACHE / "venv"


def _run(command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise referee.RefereeError(f"{' '.join(map(str, command))} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def missing(name):
    """The program that this client needs and this machine lacks, or nothing."""
    needs = {"java": "javac", "kcat": "kcat", "franz": "go", "sarama": "go"}.get(name)
    return needs if needs and shutil.which(needs) is None else None


def _newer(target, *sources):
    return target.exists() and all(target.stat().st_mtime > source.stat().st_mtime for source in sources)


def python_packages():
    """A virtual environment with the two Python clients and what kafka-python needs for its codecs."""
    pin = referee.versions()
    wanted = [f"confluent-kafka=={pin['confluent-kafka']}",
              f"kafka-python[crc32c,lz4,snappy,zstd]=={pin['kafka-python']}"]
    stamp = VENV / "installed"
    if not (stamp.exists() and stamp.read_text() == "\n".join(wanted)):
        referee.say("clients: installing the Python clients")
        _run([sys.executable, "-m", "venv", VENV])
        _run([VENV / "bin/pip", "install", "-q", *wanted])
        stamp.write_text("\n".join(wanted))
    return str(VENV / "bin/python")


def python(name):
    """The command of a Python client's program."""
    return [python_packages(), str(HERE / "python" / f"verify_{name}.py")]


def kcat():
    """kcat comes from the distribution: it is linked to an older librdkafka, which is the point of it."""
    if shutil.which("kcat") is None:
        raise referee.RefereeError("kcat is not installed: apt-get install kcat")
    return [sys.executable, str(HERE / "python/verify_kcat.py")]


def java():
    """The Java program, compiled against the pinned kafka-clients."""
    classes, source = referee.CACHE / "classes", HERE / "java/Verify.java"
    path = referee.jars("clients")
    if not _newer(classes / "Verify.class", source):
        referee.say("clients: compiling the Java client")
        _run(["javac", "-d", classes, "-cp", path, source])
    return [referee.java(), "-Xmx512m", "-XX:+UseSerialGC", referee.log4j("WARN"), "-cp", f"{classes}:{path}", "Verify"]


def go(name):
    """A Go program, built with the versions of go.mod, which must be the pinned ones."""
    pin, module = referee.versions(), (HERE / "go/go.mod").read_text()
    for path, version in (("twmb/franz-go", pin["franz-go"]), ("IBM/sarama", pin["sarama"])):
        if f"{path} {version}" not in module:
            raise referee.RefereeError(f"go.mod does not have {path} {version}, which ../versions pins")
    binary = referee.CACHE / f"verify-{name}"
    if not _newer(binary, HERE / "go/go.mod", HERE / "go/pattern/pattern.go", HERE / f"go/{name}/main.go"):
        referee.say(f"clients: building the {name} client")
        _run(["go", "build", "-o", binary, f"./{name}"], cwd=HERE / "go", env=os.environ | {"GOFLAGS": ""})
    return [str(binary)]


#: Client name -> (the text of the table, the command).
PROGRAMS = {
    "java": (lambda pin: f"Java kafka-clients {pin['kafka-clients']}", java),
    "confluent": (lambda pin: f"confluent-kafka {pin['confluent-kafka']} (librdkafka)", lambda: python("confluent")),
    "kcat": (lambda pin: f"kcat {kcat_version()}", kcat),
    "franz": (lambda pin: f"franz-go {pin['franz-go']}", lambda: go("franz")),
    "sarama": (lambda pin: f"sarama {pin['sarama']}", lambda: go("sarama")),
    "kafka-python": (lambda pin: f"kafka-python {pin['kafka-python']}", lambda: python("kafka_python")),
}


def kcat_version():
    """kcat's version and that of its library, as it says itself."""
    text = subprocess.run(["kcat", "-V"], capture_output=True, text=True).stdout
    version = text.split("Version ")[-1].split()[0]
    return f"{version} (librdkafka {text.split('librdkafka ')[-1].split()[0]})"
