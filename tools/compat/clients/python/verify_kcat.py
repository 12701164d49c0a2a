"""`verify` with kcat: values are printable, so they travel as lines; kcat itself is what speaks to the broker."""

import subprocess
import sys

from pattern import Case, Expected, fail, value_of


def kcat(case, *arguments, **options):
    settings = ["-X", "message.max.bytes=2097152", "-X", "fetch.message.max.bytes=2097152", "-X", "check.crcs=true"]
    return subprocess.Popen(["kcat", "-b", case.bootstrap, "-q", *settings, *arguments], **options)


def produce(case):
    """One kcat for each partition: the partition of a line is fixed on the command line."""
    count = [len(range(partition, case.count, case.partitions)) for partition in range(case.partitions)]
    for partition in range(case.partitions):
        process = kcat(case, "-P", "-t", case.topic, "-p", str(partition), "-z", case.codec, "-X", f"acks={case.acks}",
                       "-X", f"enable.idempotence={str(case.idempotent).lower()}", stdin=subprocess.PIPE)
        for sequence in range(count[partition]):
            process.stdin.write(value_of(partition, sequence, case.sizes) + b"\n")
        process.stdin.close()
        if process.wait() != 0:
            fail(f"kcat -P exited {process.returncode}")
    case.done(case.count)


def read(expected, process):
    for line in process.stdout:
        partition, offset, value = line[:-1].split(b" ", 2)
        expected.take(int(partition), int(offset), None, value, [])
    if process.wait() != 0:
        fail(f"kcat exited {process.returncode} after {expected.seen} records")


def assign(case):
    expected = Expected(case, plain=True)
    read(expected, kcat(case, "-C", "-t", case.topic, "-o", "beginning", "-e", "-f", "%p %o %s\n",
                        stdout=subprocess.PIPE))
    if expected.seen != case.count:
        fail(f"{expected.seen} of {case.count} read, next {expected.next}")
    case.done(expected.seen)


def group(case):
    """kcat commits when it leaves; the second member must begin where the first one stopped."""
    expected = Expected(case, plain=True)
    for count in (case.count // 2, case.count - case.count // 2):
        read(expected, kcat(case, "-f", "%p %o %s\n", "-c", str(count), "-X", "auto.offset.reset=earliest", "-G",
                            case.group, case.topic, stdout=subprocess.PIPE))
    if expected.seen != case.count:
        fail(f"{expected.seen} of {case.count} read, next {expected.next}")
    case.done(expected.seen)


if __name__ == "__main__":
    run = Case(sys.argv[1:])
    {"produce": produce, "assign": assign, "group": group}[run.mode](run)
