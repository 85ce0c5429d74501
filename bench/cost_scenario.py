"""What turns cost a program that has the GPU for itself, for bench/gpu_turns.py: the same program with the library, its part being
all of the GPU, and without, in turn."""

import contextlib
import dataclasses

from load_group import Keeper, Worker, at_work, calibrated, held, interleaved, seen
from turn_figures import cell, percent, table
from turn_scenarios import COPIES, GRAPHS, PLAIN, SHORT, SHORT_FLOOD

KEEPER_LIFETIME = 600  # Seconds.
PAIRS_A_ROUND = 4
SECONDS = 0.4  # Of each of a pair.
BARE, KEPT = "bare", "with the library"
LAUNCHES = (("wait_p50_us", "launch, median µs"), ("launch_us_mean", "launch, mean µs"))


@dataclasses.dataclass(frozen=True)
class Cost:
    """Programs alone."""
    name: str
    title: str
    loads: tuple

    def run(self, bench):
        """Its text."""
        for load in self.loads:
            with bench.noting(self.name):
                self.measure(bench, load)
        return self.text(bench)

    def measure(self, bench, load):
        with contextlib.ExitStack() as stack:
            keeper = held(stack, Keeper(bench.programs, "fair", [1], KEEPER_LIFETIME))
            workers = {BARE: held(stack, Worker(bench.programs, load))}
            calibrated(workers.values())  # What it finds out, the other one is told.
            workers[KEPT] = held(stack, Worker(bench.programs, load, library=keeper.library(0)))
            calibrated([workers[KEPT]])
            seconds = min(SECONDS, bench.options.seconds)
            ways = {f"{load.name}, {way}": lambda worker=worker: at_work([worker], seconds) for way, worker in workers.items()}
            interleaved(bench, self.name, ways, PAIRS_A_ROUND * bench.options.rounds)
            seen([{"launches": sum(self.numbers(bench, load, KEPT, "launches"))}], keeper.end())

    def numbers(self, bench, load, way, word):
        return bench.samples(self, f"{load.name}, {way}", 0, word)

    def row(self, bench, load):
        row = [f"  {load.name}"]
        for word, _ in LAUNCHES:
            bare, kept = (self.numbers(bench, load, way, word) for way in (BARE, KEPT))
            row += [cell(bare, 2), cell(kept, 2), cell([with_it - without for with_it, without in zip(kept, bare)], 2)]
        bare, kept = (self.numbers(bench, load, way, "rate") for way in (BARE, KEPT))
        return [*row, cell([100 - percent(with_it, without) for with_it, without in zip(kept, bare)], 2), str(len(kept))]

    def text(self, bench):
        head = [""]
        for _, words in LAUNCHES:
            head += [f"{words}: bare", KEPT, "more"]
        return "\n".join([f"{self.name}: {self.title}; medians of pairs in turn",
                          table([[*head, "loss of work, %", "pairs"], *(self.row(bench, load) for load in self.loads)])])


COST = Cost("cost", "one program, all of the GPU its, with the library and without", (SHORT, SHORT_FLOOD, PLAIN, GRAPHS, COPIES))
