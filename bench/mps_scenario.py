"""Whether MPS's partitions do what hard shares are to do, and how turns do under MPS, for bench/gpu_turns.py."""

import contextlib
import dataclasses
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

from load_group import Failed, Keeper, Worker, at_work, calibrated, held, interleaved, seen
from turn_figures import cell, median, percent, table
from turn_scenarios import SHORT, kernels

PROGRAM = "nvidia-cuda-mps-control"
START_PATIENCE, ANSWER_PATIENCE, QUIT_PATIENCE = 15, 30, 30  # Seconds.
KEEPER_LIFETIME = 600
PERCENTAGES = (100, 50, 25, 10)
PARTS = (25, 75)  # Percent.
# Of so many blocks that a part of the processors needs the longer for them: what fills the GPU once or less would not show it.
FULL, FULL_LONG = (kernels(microseconds, "--blocks-a-processor 128") for microseconds in (1000, 10000))
PAIRS = ((FULL, FULL), (SHORT, FULL_LONG), (FULL_LONG, SHORT))
BARE, TOGETHER, DIVIDED, TURNS, BOTH = WAYS = ("bare", "MPS", "MPS, by percentages", "in turns", "in turns, under MPS")


class MpsControl:
    """MPS of its own: nobody else's programs find it. It changes nothing that stays when it ends."""

    def __init__(self, program):
        self.program = program
        self.directory = tempfile.TemporaryDirectory(prefix="mps-")  # pylint: disable=consider-using-with
        self.environment = {}
        for word in ("PIPE", "LOG"):
            place = pathlib.Path(self.directory.name) / word.lower()
            place.mkdir()
            self.environment[f"CUDA_MPS_{word}_DIRECTORY"] = str(place)
        # A session of its own, so that the server that it starts can be ended with it.
        self.process = subprocess.Popen([program, "-f"], env=os.environ | self.environment, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            self.await_start()
        except Failed:
            self.close()
            raise

    def await_start(self):
        end = time.monotonic() + START_PATIENCE
        while self.ask("get_server_list") is None:
            if self.process.poll() is not None or time.monotonic() > end:
                raise Failed(f"{self.program} did not start (it ended with {self.process.poll()}): {self.log()}")
            time.sleep(0.05)

    def ask(self, line):
        """What it answers; None: it does not, or there is nobody to ask."""
        try:
            done = subprocess.run([self.program], input=line + "\n", env=os.environ | self.environment, text=True,
                                  capture_output=True, timeout=ANSWER_PATIENCE, check=False)
        except subprocess.TimeoutExpired:
            return None
        return done.stdout if done.returncode == 0 and "annot find MPS control" not in done.stdout + done.stderr else None

    def check_server(self):
        """Whoever found no server works without one, and says nothing of it."""
        if not re.search(r"^\d+$", self.ask("get_server_list") or "", re.MULTILINE):
            raise Failed(f"programs work without MPS: no server was started: {self.log()}")

    def log(self):
        texts = [path.read_text(encoding="utf-8", errors="replace").strip()
                 for path in sorted(pathlib.Path(self.environment["CUDA_MPS_LOG_DIRECTORY"]).glob("*.log"))]
        return " | ".join(text[-200:] for text in texts if text) or "its log says nothing"

    def percentage(self, percent_of):
        return self.environment | {"CUDA_MPS_ACTIVE_THREAD_PERCENTAGE": str(percent_of)}

    def close(self):
        if self.process.poll() is None:
            self.ask("quit")
        try:
            self.process.wait(QUIT_PATIENCE)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.directory.cleanup()


def asked(parts):
    return " : ".join(map(str, parts))


def pair_name(pair):
    return " beside ".join(load.name for load in pair)


@dataclasses.dataclass(frozen=True)
class Mps:
    """Programs under MPS, alone and in pairs."""
    name: str
    title: str
    pairs: tuple

    def run(self, bench):
        """Its text."""
        program = shutil.which(PROGRAM)
        if program is None:
            return f"{self.name}: skipped: there is no {PROGRAM}"
        with bench.noting(self.name), contextlib.ExitStack() as stack:
            control = held(stack, MpsControl(program))
            with bench.noting(f"{self.name}, alone"):
                self.measure_alone(bench, control)
            for pair in self.pairs:
                with bench.noting(f"{self.name}, {pair_name(pair)}"):
                    self.measure_pair(bench, control, pair)
        return self.text(bench)

    @staticmethod
    def start(stack, bench, load, environment=None, library=None):
        worker = Worker(bench.programs, load, library=library, environment=environment)
        stack.callback(worker.leave)
        return calibrated([worker])[0]

    def seconds(self, bench):
        return min(1.0, bench.options.seconds)

    def measure_alone(self, bench, control):
        with contextlib.ExitStack() as stack:
            workers = {BARE: self.start(stack, bench, FULL)}  # The first: what it finds out, the others are told.
            for one in PERCENTAGES:
                workers[f"{one} %"] = self.start(stack, bench, FULL, control.percentage(one))
            control.check_server()

            def work(worker):
                [result] = at_work([worker], self.seconds(bench))
                return [result | {"processors": worker.processors}]
            ways = {f"alone, {way}": lambda worker=worker: work(worker) for way, worker in workers.items()}
            interleaved(bench, self.name, ways, bench.options.rounds)

    def measure_pair(self, bench, control, pair):
        with contextlib.ExitStack() as stack:
            keeper = held(stack, Keeper(bench.programs, "fair", [part / 200 for part in 2 * PARTS], KEEPER_LIFETIME))
            ways = {BARE: [self.start(stack, bench, load) for load in pair]}
            solos = {f"{load.name}, alone": [worker] for load, worker in zip(pair, ways[BARE])}
            ways[TOGETHER] = [self.start(stack, bench, load, control.environment) for load in pair]
            ways[DIVIDED] = [self.start(stack, bench, load, control.percentage(part)) for load, part in zip(pair, PARTS)]
            for way, environment, first in ((TURNS, None, 0), (BOTH, control.environment, 2)):
                with bench.noting(f"{self.name}, {pair_name(pair)}, {way}"):
                    ways[way] = [self.start(stack, bench, load, environment, keeper.library(first + at)) for at, load in enumerate(pair)]
            control.check_server()
            ways = solos | {f"{pair_name(pair)}, {way}": workers for way, workers in ways.items()}
            interleaved(bench, self.name, {way: lambda workers=workers: at_work(workers, self.seconds(bench))
                                           for way, workers in ways.items()}, bench.options.rounds)
            seen([{"launches": sum(bench.samples(self, f"{pair_name(pair)}, {TURNS}", 0, "launches"))}], keeper.end())

    def alone_rows(self, bench):
        alone = median(bench.samples(self, f"alone, {BARE}", 0, "rate"))
        for way in (BARE, *(f"{one} %" for one in PERCENTAGES)):
            rates, processors = (bench.samples(self, f"alone, {way}", 0, word) for word in ("rate", "processors"))
            yield [f"  {way}", cell(processors, 0), cell(rates), cell([percent(rate, alone) for rate in rates])]

    def pair_row(self, bench, pair):
        row = [f"  {pair_name(pair)}", asked(PARTS)]
        for way in WAYS:
            got = [[percent(rate, median(bench.samples(self, f"{load.name}, alone", 0, "rate")))
                    for rate in bench.samples(self, f"{pair_name(pair)}, {way}", member, "rate")] for member, load in enumerate(pair)]
            row += [" : ".join(map(cell, got)), cell([sum(both) for both in zip(*got)])]
        return row

    def text(self, bench):
        head = ["", "asked"]
        for way in WAYS:
            head += [way, "both"]
        return "\n".join([f"{self.name}: {self.title}",
                          table([[f"{FULL.name}, alone", "processors", "a second", "% of bare"], *self.alone_rows(bench)]),
                          table([head, *(self.pair_row(bench, pair) for pair in self.pairs)])])


MPS = Mps("mps", "MPS's partitions, and turns under MPS; of kernels that fill the GPU many times, % of what each does alone", PAIRS)
