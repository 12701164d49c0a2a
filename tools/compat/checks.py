"""What every check program here shares: a list of named checks, a progress bar, and lines of a child process."""

import sys
import threading
import time

import referee


class Checks:
    """Named checks that report as they go; a failed one does not stop the rest."""

    def __init__(self):
        self.passed, self.failed = 0, []

    def that(self, name, truth, detail=""):
        """Notes one check; `detail` is shown when it does not hold."""
        if truth:
            self.passed += 1
            print(f"ok    {name}", flush=True)
        else:
            self.failed.append(name)
            print(f"FAIL  {name}\n      {str(detail)[:4000]}", flush=True)
        return truth

    def finish(self, broker=None):
        """Prints the sum and returns the exit code; what a broker left is kept when something failed."""
        if self.failed and broker:
            broker.temporary = False
            print(f"the broker's log: {broker.log_path}")
        print(f"{self.passed} held, {len(self.failed)} did not")
        for name in self.failed:
            print(f"  {name}")
        return 1 if self.failed or not self.passed else 0


class Lines:
    """Collects the lines of a child's stdout in the background, so that a check can wait for them."""

    def __init__(self, process):
        self.process, self.lines, self._news = process, [], threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()

    def wait_until(self, condition, seconds):
        """Waits until `condition(lines)` holds; says whether it came to hold in time."""
        with self._news:
            return self._news.wait_for(lambda: condition(self.lines), timeout=seconds)


class Progress:
    """A bar on stderr when a person watches, a line now and then when not."""

    def __init__(self, what, total):
        self.what, self.total, self.done, self.began, self._shown = what, total, 0, time.monotonic(), 0.0
        self.tty = sys.stderr.isatty()

    def step(self, count=1, note=""):
        """`count` more are done."""
        self.done += count
        now = time.monotonic()
        if self.done < self.total and now - self._shown < (0.1 if self.tty else 10):
            return
        self._shown = now
        share = min(self.done / max(self.total, 1), 1)
        bar = "#" * int(share * 30)
        left = (now - self.began) * (1 - share) / max(share, 1e-9)
        text = f"{self.what} [{bar:<30}] {self.done}/{self.total}, {left:.0f} s left {note}"
        end = "\n" if not self.tty or self.done >= self.total else ""
        print(("\r\x1b[K" if self.tty else "") + text, end=end, file=sys.stderr, flush=True)


def wait_until(condition, seconds, pause=0.2):
    """Polls `condition` until it holds; returns what it last answered."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()) and time.monotonic() < deadline:
        time.sleep(pause)
    return answer


def parse_lag(text):
    """The table of kafka-consumer-groups --describe as {(topic, partition): (committed, end, lag, member)}."""
    rows = {}
    for line in text.splitlines():
        cells = line.split()
        if len(cells) >= 7 and cells[2].isdigit():
            number = lambda cell: int(cell) if cell.lstrip("-").isdigit() and cell != "-" else None
            rows[cells[1], int(cells[2])] = (number(cells[3]), number(cells[4]), number(cells[5]), cells[6])
    return rows


def describe_group(bootstrap, group):
    """The lag table of a group, by Kafka's own tool."""
    return parse_lag(referee.tool("consumer-groups", "--bootstrap-server", bootstrap, "--describe", "--group", group))
