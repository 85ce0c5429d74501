"""PyTorch programs beside each other, for bench/gpu_turns.py: as the hardware slices, and in turns. All of them are started once,
bare and with the library each, and told to work pair by pair."""

import contextlib
import dataclasses
import importlib.util
import pathlib

from load_group import Keeper, Load, Worker, at_work, calibrated, held, interleaved, seen
from turn_figures import cell, median, percent, table

SCRIPT = pathlib.Path(__file__).resolve().parent / "torch_load.py"
PAIRS = (("train", "gemm"), ("infer", "train_big"), ("graph", "gemm"), ("streams", "gemm"), ("copy", "gemm"), ("train", "train_big"))
PARTS = ((0.5, 0.5), (0.25, 0.75))
# Who is only set against itself without the library.
MORE = ("h2d", "h2d_pageable")
KEEPER_LIFETIME = 600  # Seconds.
BARE, KEPT = "bare", "with the library"
LATENCY = ("latency_p50_us", "latency_p99_us")


def load_of(kind):
    return Load(kind, kind, kind != "infer", str(SCRIPT))


def asked(parts):
    return " : ".join(f"{100 * part:.0f}" for part in parts)


def alone_key(kind, way):
    return f"{kind} alone, {way}"


def pair_key(pair, parts=None):
    return f"{' : '.join(pair)}, {'bare' if parts is None else asked(parts)}"


@dataclasses.dataclass(frozen=True)
class TorchPrograms:
    """PyTorch programs, alone and in pairs."""
    name: str = "torch"
    title: str = "PyTorch programs, bare and in turns"
    pairs: tuple = PAIRS
    more: tuple = MORE

    @property
    def kinds(self):
        return list(dict.fromkeys([kind for pair in self.pairs for kind in pair] + list(self.more)))

    def run(self, bench):
        """Its text."""
        if importlib.util.find_spec("torch") is None:
            return f"{self.name}: skipped: the Python that runs this has no PyTorch"
        with bench.noting(self.name):
            self.measure(bench)
        return self.text(bench)

    def measure(self, bench):
        with contextlib.ExitStack() as stack:
            loads = {kind: load_of(kind) for kind in self.kinds}
            keeper = held(stack, Keeper(bench.programs, "fair", [1 / len(loads)] * len(loads), KEEPER_LIFETIME))
            bare = {kind: held(stack, Worker(bench.programs, load)) for kind, load in loads.items()}
            kept = {kind: held(stack, Worker(bench.programs, load, library=keeper.library(number)))
                    for number, (kind, load) in enumerate(loads.items())}
            bench.note(f"{len(bare) + len(kept)} PyTorch programs are starting")
            calibrated([*bare.values(), *kept.values()])
            bench.note("they have started")
            interleaved(bench, self.name, self.ways(bench, keeper, bare, kept), bench.options.rounds)
            seen([{"launches": sum(bench.samples(self, alone_key(kind, KEPT), 0, "launches"))} for kind in self.kinds], keeper.end())

    def ways(self, bench, keeper, bare, kept):
        """What is measured -> what does it."""
        pair_seconds, alone_seconds = min(1.2, bench.options.seconds), min(0.8, bench.options.seconds)
        number = {kind: at for at, kind in enumerate(self.kinds)}

        def in_turns(kinds, parts, seconds):
            for kind, part in zip(kinds, parts):
                keeper.say(f"part {number[kind]} {part}")
            return at_work([kept[kind] for kind in kinds], seconds)

        ways = {}
        for kind in self.kinds:
            ways[alone_key(kind, BARE)] = lambda kind=kind: at_work([bare[kind]], alone_seconds)
            ways[alone_key(kind, KEPT)] = lambda kind=kind: in_turns([kind], [1], alone_seconds)
        for pair in self.pairs:
            ways[pair_key(pair)] = lambda pair=pair: at_work([bare[kind] for kind in pair], pair_seconds)
            for parts in PARTS:
                ways[pair_key(pair, parts)] = lambda pair=pair, parts=parts: in_turns(pair, parts, pair_seconds)
        return ways

    def alone(self, bench, kind):
        return median(bench.samples(self, alone_key(kind, BARE), 0, "rate"))

    def pair_cells(self, bench, pair, key):
        """What each got of what it does alone, and both together."""
        got = [[percent(rate, self.alone(bench, kind)) for rate in bench.samples(self, key, member, "rate")]
               for member, kind in enumerate(pair)]
        return [" : ".join(map(cell, got)), cell([sum(both) for both in zip(*got)])]

    def pair_rows(self, bench):
        for pair in self.pairs:
            for parts in PARTS:
                yield [f"  {' : '.join(pair)}", asked(parts), *self.pair_cells(bench, pair, pair_key(pair)),
                       *self.pair_cells(bench, pair, pair_key(pair, parts))]

    def alone_rows(self, bench):
        for kind in self.kinds:
            bare = bench.samples(self, alone_key(kind, BARE), 0, "rate")
            kept = bench.samples(self, alone_key(kind, KEPT), 0, "rate")
            yield [f"  {kind}", cell(bare), cell(kept), cell([percent(one, other) - 100 for one, other in zip(kept, bare)])]

    def latency_rows(self, bench):
        for pair in self.pairs:
            for member, kind in enumerate(pair):
                ways = [(f"beside {pair[1 - member]}, {'bare' if parts is None else asked(parts)}", pair_key(pair, parts), member)
                        for parts in (None, *PARTS)]
                for words, key, at in [("alone", alone_key(kind, BARE), 0), *ways]:
                    ms = [[us / 1e3 for us in bench.samples(self, key, at, word)] for word in LATENCY]
                    if any(ms):
                        yield [f"  {kind} {words}", *(cell(one, 2) for one in ms)]

    def text(self, bench):
        return "\n".join([
            f"{self.name}: {self.title}; % of what each does alone",
            table([["", "asked", "bare", "both", "in turns", "both"], *self.pair_rows(bench)]),
            table([["requests, ms", "p50", "p99"], *self.latency_rows(bench)]),
            table([["alone, units a second", "bare", "with the library", "%"], *self.alone_rows(bench)])])


TORCH = TorchPrograms()
