"""Kafka's own tool reads every file of a log directory without complaint."""

import re

import referee

#: What kafka-dump-log says when something is wrong with a file.
COMPLAINT = re.compile(r"mismatch|is followed by|out of order|invalid bytes|isvalid: false|exception|corrupt|failed|"
                       r"could not|error while", re.IGNORECASE)
#: The tool starts counting at -1 in every file, so it says this of each segment but the first.
START_OF_SEGMENT = re.compile(r"^\s*-1 is followed by \d+$")
METADATA, GROUPS = "__cluster_metadata-", "__consumer_offsets-"


def dump(check, name, files, *options):
    """Runs kafka-dump-log over these files."""
    if not files:
        return
    text = referee.tool("dump-log", *options, "--files", ",".join(map(str, sorted(files))), check=False, timeout=300)
    complaints = [line[:300] for line in text.splitlines() if COMPLAINT.search(line) and not START_OF_SEGMENT.match(line)]
    seen = sum(text.count(str(file)) > 0 for file in files)
    check.that(f"dump-log {name}: {len(files)} files", not complaints and seen == len(files),
               "\n      ".join(complaints[:10]) or f"{seen} of {len(files)} files are in its output:\n{text[-1500:]}")


def read_all(check, directory, make, when):
    """Every segment, index, snapshot and metadata file below the directory that `make` has left."""
    def of(pattern, *unwanted):
        """Files of partitions that are not waiting to be removed."""
        return [path for path in directory.glob(pattern)
                if not path.parent.name.startswith(unwanted) and not path.parent.name.endswith("-delete")]

    # Kafka never closes its metadata log: the indexes stay preallocated, and its own tool stumbles over them.
    unclosed = [METADATA] if make == "kafka" else []
    indexes = of("*/*.index", *unclosed) + of("*/*.timeindex", *unclosed)
    dump(check, f"--deep-iteration, {when}", of("*/*.log", METADATA, GROUPS), "--deep-iteration", "--print-data-log")
    dump(check, f"--index-sanity-check, {when}", indexes, "--index-sanity-check")
    dump(check, f"--verify-index-only, {when}", indexes, "--verify-index-only")
    dump(check, f"of producer snapshots, {when}", of("*/*.snapshot"))
    dump(check, f"--cluster-metadata-decoder, {when}", of(f"{METADATA}*/*.log") + of(f"{METADATA}*/*.checkpoint"),
         "--cluster-metadata-decoder", "--deep-iteration")
    dump(check, f"--offsets-decoder, {when}", [path for path in of(f"{GROUPS}*/*.log") if path.stat().st_size],
         "--offsets-decoder", "--deep-iteration")
