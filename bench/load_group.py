"""Groups of gpu_load beside each other on one GPU: bare, or in turns that a turn_keeper keeps.

A turn_keeper is `turn_keeper DIRECTORY LIBRARY POLICY PART...`: it lays DIRECTORY/0, /1 and so on, one for each part, with the
library in each, says "ready", keeps the turns until its stdin ends, and then says four numbers a line for each part: the
milliseconds of GPU time that were charged, turns, milliseconds waited, launches. "part I X" and "policy P" on its stdin change
what it keeps.
"""

import contextlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time
import typing

PATIENCE = 90  # Seconds beyond its own time that a program is given.
SCRIPT_PATIENCE = 180  # For one to start that loads gigabytes of libraries first.
POOL_PATIENCE = 30  # The same, of one among many that are started once.
LEAVE_PATIENCE = 10


class Failed(Exception):
    """A program did not do what it is for."""


class Load(typing.NamedTuple):
    """Work that a container does."""
    name: str
    words: str  # Of gpu_load.
    is_busy: bool = True  # Has always something to do.
    script: str = ""  # That does it in gpu_load's place, spoken with in the same words.


class Process:
    """A program that is spoken with line by line, and ended if it hangs."""

    def __init__(self, words, environment, patience):
        self.name = pathlib.Path(words[0]).name
        # A file, since nobody reads it while the program runs.
        self.errors = tempfile.TemporaryFile("w+")  # pylint: disable=consider-using-with
        self.process = subprocess.Popen([str(word) for word in words], text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.errors, env=os.environ | environment)
        self.watch = None
        self.be_patient(patience)

    def be_patient(self, seconds):
        """From now on: then it is ended. None: for good."""
        if self.watch:
            self.watch.cancel()
        if seconds is not None:
            self.watch = threading.Timer(seconds, self.process.kill)
            self.watch.daemon = True
            self.watch.start()

    def fail(self, what):
        try:
            code = self.process.wait(2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.errors.seek(0)
        raise Failed(f"{self.name}: {what} (it ended with {code}): {self.errors.read().strip()[-400:]}")

    def say(self, line):
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            self.fail(f"it did not wait for '{line}'")

    def expect(self, wanted):
        """Lines until this one, as word -> numbers."""
        said = {}
        for line in self.process.stdout:
            if line.strip() == wanted:
                return said
            said.update(figures(line))
        self.fail(f"it did not say '{wanted}'")

    def rest(self):
        """What it says until it ends."""
        self.process.stdin.close()
        said = self.process.stdout.read()
        if self.process.wait() != 0:
            self.fail("it failed")
        self.close()
        return said

    def close(self):
        self.watch.cancel()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.errors.close()


def figures(text):
    """word -> numbers, from lines of a word and numbers."""
    found = {}
    for word, numbers in re.findall(r"^(\w+)((?: -?[\d.]+(?:e[+-]?\d+)?)+)$", text, re.MULTILINE):
        found[word] = [float(number) for number in numbers.split()]
    return found


def kept(text):
    """What a turn_keeper said at its end, a dict for each part."""
    rows = [re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.])", line) for line in text.splitlines()]
    words = ("used_ms", "turns", "waited_ms", "launches")
    return [dict(zip(words, map(float, row[-4:]))) for row in rows if len(row) >= 4]


def place_for_grants(mounts):
    """Of what /proc/mounts says, a tmpfs that libraries may be loaded from: a GPU may not be able to write into files of other
    file systems, and a library on one that is mounted noexec is left out with no more than a word on stderr. Else None."""
    kinds = {}
    for line in mounts.splitlines():
        _, place, kind, options = line.split()[:4]
        kinds[place] = kind == "tmpfs" and not {"noexec", "ro"} & set(options.split(","))
    return next((place for place in ("/dev/shm", "/run", "/tmp") if kinds.get(place)), None)


class Keeper(Process):
    def __init__(self, programs, policy, parts, patience):
        where = programs.scratch or place_for_grants(pathlib.Path("/proc/mounts").read_text(encoding="utf-8"))
        if where is None:
            print("no tmpfs that libraries may be loaded from; --scratch names one", file=sys.stderr)
        self.directory = tempfile.TemporaryDirectory(dir=where, prefix="turns-")  # pylint: disable=consider-using-with
        super().__init__([programs.keeper, self.directory.name, programs.library, policy, *(f"{part:.4f}" for part in parts)],
                         {}, patience)
        self.expect("ready")

    def library(self, number):
        return f"{self.directory.name}/{number}/libgpunode-cuda.so"

    def end(self):
        said = kept(self.rest())
        self.directory.cleanup()
        return said

    def close(self):
        super().close()
        self.directory.cleanup()


class Programs(typing.NamedTuple):
    load: pathlib.Path
    keeper: pathlib.Path
    library: pathlib.Path
    options: str = ""  # More of gpu_load, for all.
    scratch: typing.Optional[pathlib.Path] = None  # Where grants are laid; None: where it fits.

    def words(self, load):
        if load.script:
            return [sys.executable, load.script, *load.words.split()]
        return [self.load, *load.words.split(), *self.options.split()]


class Worker(Process):
    """A gpu_load. What its kind of kernel was found to be once is true of the next one. It works for `seconds`, or as often and as
    long as it is told to."""

    known: typing.ClassVar[dict] = {}

    def __init__(self, programs, load, seconds=1.0, library=None, buckets_ms=0, environment=None, more=()):
        self.load = load
        self.seconds = seconds
        self.library = library
        words = [*programs.words(load), *more, "--seconds", f"{seconds:.3f}"]
        if buckets_ms:
            words += ["--buckets-ms", buckets_ms]
        if load.words in self.known:
            words += [word for pair in self.known[load.words].items() for word in pair]
        preload = {"LD_PRELOAD": library} if library else {}
        super().__init__(words, preload | (environment or {}), SCRIPT_PATIENCE if load.script else PATIENCE)
        self.began = None
        self.unit_us = 0.0
        self.processors = 0

    def calibrate(self):
        self.expect("opened")
        if self.library and self.library not in pathlib.Path(f"/proc/{self.process.pid}/maps").read_text(encoding="utf-8"):
            self.process.kill()
            self.fail(f"{self.library} is not loaded")
        self.say("calibrate")
        said = self.expect("ready")
        if self.library is None and "loops" in said:  # In turns it may have waited for one.
            self.known.setdefault(self.load.words, {"--loops": str(int(said["loops"][0])), "--unit-us": str(said["unit_us"][0]),
                                                    "--blocks": str(int(said["blocks"][0]))})
        self.unit_us = said.get("unit_us", [0.0])[0]
        self.processors = int(said.get("processors", [0])[0])
        self.be_patient(None)  # Whoever has more to tell may be busy with others.

    def go(self, seconds=None):
        self.be_patient(self.seconds + PATIENCE if seconds is None else seconds + POOL_PATIENCE)
        self.began = time.monotonic()
        self.say("go" if seconds is None else f"go {seconds:.3f}")

    def done(self):
        """What it got done; it can be told to go again."""
        found = self.numbers(self.expect("done"))
        self.be_patient(None)
        return found

    def leave(self):
        """It ends by itself: for whoever shares more than the GPU with others, and should not be killed."""
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            self.process.stdin.close()
            self.process.wait(LEAVE_PATIENCE)
        self.close()

    def result(self):
        """What it got done; it ends."""
        return self.numbers(figures(self.rest()))

    def numbers(self, found):
        buckets = found.pop("buckets", [])
        one = {word: numbers[0] for word, numbers in found.items()}
        one["rate"] = 1e3 * one["units_done"] / one["elapsed_ms"]  # Units a second.
        one["gpu_percent"] = 100 * one.get("gpu_ms_done", 0.0) / one["elapsed_ms"]
        one["buckets_ms"] = [units * self.unit_us / 1e3 for units in buckets]
        one["began"] = self.began
        return one


def calibrated(workers):
    """Closes them all if one of them fails."""
    try:
        for worker in workers:
            worker.calibrate()
    except Failed:
        for worker in workers:
            worker.close()
        raise
    return workers


def at_work(workers, seconds):
    """What each got done, of those that are ready, beside each other. If one fails, the others can be told more."""
    problems, results = [], []

    def attempt(deed):
        try:
            return deed()
        except Failed as problem:
            problems.append(problem)
            return None
    for worker in workers:
        attempt(lambda worker=worker: worker.go(seconds))
    for worker in workers:
        results.append(attempt(worker.done))
    if problems:
        raise problems[0]
    return results


def held(stack, process):
    """The same, which is closed when the stack ends."""
    stack.callback(process.close)
    return process


def interleaved(bench, name, ways, rounds):
    """Measures each way, a name -> what gives the results of each load, once a round; the order turns round by round. One that
    fails is not tried again."""
    left = list(ways)
    for _ in range(rounds):
        for way in list(left):
            if not bench.is_over():
                left.remove(way)
                with bench.noting(f"{name}: {way}"):
                    bench.add((name, way), ways[way]())
                    left.insert(0, way)


def seen(results, said):
    """What the keeper said, if its turns were in the loads' way at all: else they ran bare, whatever came of it."""
    if len(said) < len(results):
        raise Failed(f"the keeper said something of {len(said)} containers, not of {len(results)}")
    if any(result.get("launches", 0) > 0 for result in results) and not any(one["launches"] for one in said):
        raise Failed("the keeper saw no launches")
    return said


def run_group(programs, loads, seconds, policy=None, parts=(), delays=None, deeds=(), buckets_ms=0):
    """(results of each load, what the keeper says) of loads that work beside each other, the one at `i` from delays[i] seconds
    to the end; in turns by `policy`, load `i` having parts[i], or bare if that is None. `deeds`: (seconds, what to do to
    the keeper)."""
    delays = delays or [0] * len(loads)
    keeper = Keeper(programs, policy, parts, 2 * PATIENCE + seconds) if policy else None
    workers = []
    try:
        for number, load in enumerate(loads):
            workers.append(Worker(programs, load, seconds - delays[number], keeper and keeper.library(number), buckets_ms))
        calibrated(workers)
        begin = time.monotonic()
        plan = [(delays[number], worker.go) for number, worker in enumerate(workers)]
        plan += [(when, lambda deed=deed: deed(keeper)) for when, deed in deeds if keeper]
        for when, deed in sorted(plan, key=lambda step: step[0]):
            time.sleep(max(0, begin + when - time.monotonic()))
            deed()
        results = [worker.result() for worker in workers]
        return results, seen(results, keeper.end()) if keeper else []
    finally:
        for worker in workers:
            worker.close()
        if keeper:
            keeper.close()


def run_solo(programs, load, seconds):
    return run_group(programs, [load], seconds)[0][0]
