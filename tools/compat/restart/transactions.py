"""A directory in which Apache Kafka wrote transactions, taken over and given back.

Kafka commits and aborts over several segments, and leaves one transaction open. Ottla on its directory must show
`read_committed` readers exactly the committed records and everybody else all of them, stop at the open transaction,
and answer each Fetch with the same aborted transactions as Kafka did. It rolls the segments on; Kafka's tool reads
the transaction indexes, and Kafka goes on where it was. Transaction indexes must stay as Kafka wrote them, also when
they had to be made anew: after Kafka's kill -9, or because a file was damaged.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

import files
import referee
import wire

HERE = Path(__file__).resolve().parent
TOPIC, PARTITIONS, HANGING = "ledger", 2, "hanging"
ISOLATIONS = {"read_uncommitted": 0, "read_committed": 1}


def program():
    """The command of Transactions.java, compiled against the pinned client."""
    classes, source, path = referee.CACHE / "classes", HERE / "Transactions.java", referee.jars("clients")
    made = classes / "Transactions.class"
    if not (made.exists() and made.stat().st_mtime > source.stat().st_mtime):
        subprocess.run(["javac", "-d", str(classes), "-cp", path, str(source)], check=True)
    return [referee.java(), "-Xmx512m", "-XX:+UseSerialGC", referee.log4j("WARN"), "-cp", f"{classes}:{path}",
            "Transactions"]


def run(*arguments):
    """The lines that the program prints."""
    done = subprocess.run([*program(), *map(str, arguments)], capture_output=True, text=True, timeout=180)
    if done.returncode != 0:
        raise referee.RefereeError(f"Transactions {arguments}: {done.stdout[-1000:]}{done.stderr[-2000:]}")
    return done.stdout.splitlines()


def fetch(connection, topic, partition, offset, max_bytes, isolation):
    """Fetch v4: (error, high watermark, last stable offset, aborted transactions or None)."""
    body = wire.i32(-1) + wire.i32(0) + wire.i32(0) + wire.i32(50 << 20) + wire.i8(isolation) + wire.array(
        [wire.string(topic) + wire.array([wire.i32(partition) + wire.i64(offset) + wire.i32(max_bytes)])])
    reader = connection.call(wire.FETCH, 4, body)
    reader.i32(), reader.i32(), reader.string(), reader.i32(), reader.i32()
    head = reader.i16(), reader.i64(), reader.i64()
    count = reader.i32()
    return *head, None if count < 0 else [(reader.i64(), reader.i64()) for _ in range(count)]


class Ledger:
    """What was written so far, and what the last broker showed of it."""

    def __init__(self, check, directory):
        self.check, self.directory = check, directory
        self.records, self.shown, self.answers, self.indexes, self.round = [], {}, {}, {}, 0

    def begin(self, broker, connection):
        """Makes the topics, and the transaction that stays open."""
        for name, partitions in ((TOPIC, PARTITIONS), (HANGING, 1)):
            error = wire.create_topic(connection, name, partitions, {"segment.bytes": 1 << 20})
            self.check.that(f"create {name}", error == 0, error)
        run("hang", broker.bootstrap, HANGING)

    def write(self, broker):
        """A round of transactions, by Kafka."""
        self.round += 1
        self.records += [line.split() for line in run("write", broker.bootstrap, TOPIC, PARTITIONS, self.round)]

    def roll(self, connection):
        """More than a segment of ordinary records to each partition."""
        for partition in range(PARTITIONS):
            for number in range(20):
                name = f"roll{self.round}-{partition}-{number}"
                batch = wire.batch([wire.record(f"{name}|".encode() + b"x" * 60_000)])
                (_, error, base), = wire.produce(connection, TOPIC, [(partition, batch)])
                if error or base < 0:
                    self.check.that(f"roll {TOPIC}-{partition}", False, f"error {error}, offset {base}")
                self.records.append(["N", str(partition), name])

    def look(self, broker, connection):
        """({isolation: lines}, {request: answer}) of this broker."""
        shown = {(topic, isolation): sorted(run("read", broker.bootstrap, topic, partitions, isolation))
                 for topic, partitions in ((TOPIC, PARTITIONS), (HANGING, 1)) for isolation in ISOLATIONS}
        answers = {}
        for topic, partitions in ((TOPIC, PARTITIONS), (HANGING, 1)):
            for partition in range(partitions):
                end = wire.offsets(connection, topic, partition + 1)[partition]
                for offset in [*range(0, end, 7), end]:
                    for size in (1, 20_000, 100_000, 5 << 20):
                        for level in ISOLATIONS.values():
                            request = topic, partition, offset, size, level
                            answers[request] = fetch(connection, *request)
        return shown, answers

    def remember(self, broker, connection):
        """What is shown now is what the next broker must show."""
        self.shown, self.answers = self.look(broker, connection)

    def verify(self, broker, connection, when):
        """Everybody sees what must be seen, and each fetch is answered as it was before."""
        shown, answers = self.look(broker, connection)
        for key, lines in self.shown.items():
            self.check.that(f"{when}: {' '.join(key)} shows the same {len(lines)} lines", shown[key] == lines,
                            f"only now: {sorted(set(shown[key]) - set(lines))[:5]}, "
                            f"only before: {sorted(set(lines) - set(shown[key]))[:5]}")
        differ = {request: (answer, answers.get(request)) for request, answer in self.answers.items()
                  if answers.get(request) != answer}
        self.check.that(f"{when}: {len(self.answers)} fetches have the same watermarks and aborted transactions",
                        not differ, "\n      ".join(f"{request}: {before}, now {now}"
                                                    for request, (before, now) in list(differ.items())[:8]))
        self.expect(shown, when)

    def expect(self, shown, when):
        """By what was written: the committed records are there, in order, and no aborted one."""
        for isolation, kinds in (("read_committed", "CN"), ("read_uncommitted", "CNA")):
            seen = [line.split() for line in shown[TOPIC, isolation] if not line.startswith("end")]
            names = sorted((partition, name) for partition, _, name in seen)
            wanted = sorted((partition, name) for kind, partition, name in self.records if kind in kinds)
            self.check.that(f"{when}: {isolation} shows exactly what it must, {len(wanted)} records", names == wanted,
                            f"{len(names)} records, wrong: {sorted(set(names) ^ set(wanted))[:5]}")
        names = [line.split()[2] for line in shown[HANGING, "read_committed"] if not line.startswith("end")]
        self.check.that(f"{when}: read_committed stops at the open transaction", names == ["before"], names)

    def txn_indexes(self):
        """{file: bytes} of all transaction indexes that hold anything."""
        found = {path: path.read_bytes() for path in self.directory.glob(f"{TOPIC}-*/*.txnindex")}
        return {path: data for path, data in found.items() if data}

    def compare_indexes(self, when):
        """They are byte for byte those of before."""
        now = self.txn_indexes()
        differ = [path.name for path in set(now) | set(self.indexes) if now.get(path) != self.indexes.get(path)]
        self.check.that(f"{when}: {len(now)} transaction indexes are as Kafka wrote them", not differ and now, differ)
        files.dump(self.check, f"of transaction indexes, {when}", now)

    def damage(self):
        """Cuts one index short, and fills another with a version that does not exist."""
        paths = sorted(self.indexes)
        paths[0].write_bytes(self.indexes[paths[0]][:-3])
        paths[-1].write_bytes(b"\x00\x07" + self.indexes[paths[-1]][2:])


def turn(ledger, make, when, end, acts):
    """One broker's turn on the directory."""
    broker = make(ledger.directory)
    with broker, wire.Connection(broker.bootstrap) as connection:
        if ledger.answers:
            ledger.verify(broker, connection, when)
        acts(broker, connection)
        ledger.remember(broker, connection)
        ledger.indexes = ledger.indexes if broker.make == "ottla" else ledger.txn_indexes()
        end(broker)


def tell(check, kafka, other, ending, end):
    """The whole story on one directory; `other` is who takes it over from Kafka."""
    directory = Path(tempfile.mkdtemp(prefix="transactions-")) / "data"
    ledger = Ledger(check, directory)

    def first(broker, connection):
        ledger.begin(broker, connection)
        ledger.write(broker)

    def takes_over(_, connection):
        ledger.roll(connection)

    def goes_on(broker, _):
        ledger.write(broker)

    try:
        turn(ledger, kafka, "kafka", end, first)
        check.that("several segments have aborted transactions", len(ledger.indexes) > PARTITIONS + 1, ledger.indexes)
        turn(ledger, other, f"{other.make} after Kafka's {ending}", end, takes_over)
        ledger.compare_indexes(f"after {other.make}'s {ending}")
        turn(ledger, kafka, f"kafka again, {ending}", end, goes_on)
        if other is not kafka:  # which believes a cut file, and stops at an unknown version
            ledger.damage()
        turn(ledger, other, f"{other.make} on damaged indexes, {ending}", end, takes_over)
        ledger.compare_indexes(f"made anew by {other.make}, {ending}")
        turn(ledger, kafka, f"kafka at last, {ending}", end, lambda *_: None)
    except (referee.RefereeError, OSError, ValueError, subprocess.SubprocessError) as error:
        check.that(f"the story of transactions and {ending} goes on", False, error)
    if check.failed:
        print(f"the directory and the logs are kept: {directory.parent}")
    else:
        shutil.rmtree(directory.parent)
