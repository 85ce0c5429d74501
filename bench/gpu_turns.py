#!/usr/bin/env python3
"""How exactly a real GPU's time is shared in turns, and what turns cost: programs alone, beside each other as the hardware
slices, and in turns, one after another in each round.

    python3 bench/gpu_turns.py --build-dir build/dev [--only 10-90 ...] [--rounds 3] [--seconds 1.5] [--budget 480]

Takes twenty minutes, and the GPU for itself. Shares are work done, set against what the same load does alone in the same run.
Numbers are medians over the rounds; behind them, half of what the middle half of the rounds spans. `bare` is without turns;
fair, burst and hard are the policies. `launch` is the median of the calls that hand over work, `stall` the 99th percentile of those
that took 100 µs and more: whoever waited for a turn is there. --list names the scenarios. With --budget no group begins after so many
seconds, except that churn, once begun, takes its time; what was measured by then is printed.
"""

import argparse
import contextlib
import json
import pathlib
import sys
import time

from churn_scenario import CHURN
from cost_scenario import COST
from load_group import Failed, Programs, run_group, run_solo
from mps_scenario import MPS
from turn_figures import cell, median, percent, range_cell, table
from torch_scenario import TORCH
from turn_scenarios import SHARES, STEPS, Shares

ONCE = (COST, TORCH, MPS, CHURN)  # Which have rounds of their own, or none.
ALL = (*SHARES, *STEPS, *ONCE)
MOST_ROWS = 6  # Of a group of loads, before they are put together.


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build-dir", type=pathlib.Path, default=pathlib.Path("build/dev"))
    parser.add_argument("--keeper", type=pathlib.Path, help="in place of BUILD/bench/turn_keeper")
    parser.add_argument("--library", type=pathlib.Path, help="in place of BUILD/src/share/intercept/libgpunode-cuda.so")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5, help="that a group works")
    parser.add_argument("--churn-seconds", type=float, default=240)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--budget", type=float, default=float("inf"), metavar="SECONDS")
    parser.add_argument("--scratch", type=pathlib.Path, help="where grants are laid: a tmpfs without noexec")
    parser.add_argument("--load-options", default="", help="more of gpu_load, for all")
    parser.add_argument("--json", type=pathlib.Path, help="every number, into this file")
    options = parser.parse_args(argv)
    names = [scenario.name for scenario in ALL]
    for name in options.only:
        if name not in names:
            parser.error(f"no scenario is called {name}; there are: {' '.join(names)}")
    if options.rounds < 1 or options.seconds <= 0 or options.churn_seconds <= 0:
        parser.error("--rounds, --seconds and --churn-seconds are above 0")
    return options


class Bench:
    def __init__(self, options):
        build = options.build_dir.resolve()
        self.options = options
        self.programs = Programs(build / "bench/gpu_load", options.keeper or build / "bench/turn_keeper",
                                 options.library or build / "src/share/intercept/libgpunode-cuda.so", options.load_options,
                                 options.scratch)
        self.begun = time.monotonic()
        self.alone = {}  # A load's words -> what it did alone, a round each.
        self.found = {}  # (scenario, variant) -> rounds of (results, kept).
        self.problems = []

    def is_over(self):
        return time.monotonic() - self.begun > self.options.budget

    def note(self, text):
        """For whoever waits, and for what is left if this is ended."""
        print(f"[{time.monotonic() - self.begun:6.1f} s] {text}", file=sys.stderr, flush=True)

    def solo(self, load, turn):
        """Once a round."""
        rounds = self.alone.setdefault(load.words, [])
        if len(rounds) <= turn and not self.is_over():
            rounds.append(run_solo(self.programs, load, min(1.0, self.options.seconds)))
            self.note(f"{load.name} alone: {rounds[-1]['gpu_percent']:.1f} %")

    def add(self, key, results, kept=()):
        """A round's, of a scenario and variant."""
        self.found.setdefault(key, []).append((results, list(kept)))

    def once(self, scenario):
        """What came of it."""
        if self.is_over():
            return ""
        self.note(f"{scenario.name} begins")
        with self.noting(scenario.name):
            return scenario.run(self)
        return ""

    @contextlib.contextmanager
    def noting(self, name):
        """Whatever fails is said in the end; what was measured by then is kept."""
        try:
            yield
        except Failed as problem:
            self.problems.append(f"{name}: {problem}")
            self.note(f"FAILED: {self.problems[-1]}")

    def measure(self, scenario, variant, turn):
        if self.is_over():
            return
        with self.noting(f"{scenario.name} {variant}"):
            for load in dict.fromkeys(scenario.loads):
                self.solo(load, turn)
            policy = None if variant == "bare" else variant
            results, kept = run_group(self.programs, scenario.loads, scenario.seconds(self.options.seconds), policy,
                                      scenario.parts, **scenario.how(self.options.seconds))
            self.add((scenario.name, variant), results, kept)
            self.note(f"{scenario.name} {variant}: "
                      + " ".join(f"{result['gpu_percent']:.1f}" for result in results[:MOST_ROWS]))

    def samples(self, scenario, variant, member, word):
        rounds = self.found.get((scenario.name, variant), [])
        return [results[member][word] for results, _ in rounds if word in results[member]]

    def alone_percent(self, load):
        return median([one["gpu_percent"] for one in self.alone.get(load.words, [])])

    def of_solo(self, scenario, variant, member):
        """Percent of what it does alone."""
        alone = self.alone_percent(scenario.loads[member])
        return [percent(one, alone) for one in self.samples(scenario, variant, member, "gpu_percent")]


def member_row(bench, scenario, variants, member):
    load, part = scenario.loads[member], scenario.parts[member]
    row = [f"  {load.name}", f"{100 * part:.0f}"]
    for variant in variants:
        stalls = [us / 1e3 for us in bench.samples(scenario, variant, member, "stall_p99_us")]
        row += [cell(bench.of_solo(scenario, variant, member)),
                cell(bench.samples(scenario, variant, member, "gpu_percent")),
                cell(bench.samples(scenario, variant, member, "wait_p50_us"), 2), cell(stalls)]
    return row


def crowd_row(bench, scenario, variants):
    members = range(len(scenario.loads))
    row = [f"  {len(members)} × {scenario.loads[0].name}", f"{100 * scenario.parts[0]:.0f}"]
    for variant in variants:
        stalls = [[us / 1e3 for us in bench.samples(scenario, variant, member, "stall_p99_us")] for member in members]
        row += [range_cell([bench.of_solo(scenario, variant, member) for member in members]),
                range_cell([bench.samples(scenario, variant, member, "gpu_percent") for member in members]),
                range_cell([bench.samples(scenario, variant, member, "wait_p50_us") for member in members], 2),
                range_cell(stalls)]
    return row


def total_row(bench, scenario, variants):
    """Over its members; of what they do alone only if each has always something to do."""
    row = ["  total", ""]
    is_busy = all(load.is_busy for load in scenario.loads)
    for variant in variants:
        rounds = bench.found.get((scenario.name, variant), [])
        sums = [sum(result["gpu_percent"] for result in results) for results, _ in rounds]
        kept = [sum(percent(result["gpu_percent"], bench.alone_percent(load)) for result, load in zip(results, scenario.loads))
                for results, _ in rounds]
        row += [cell(kept) if is_busy else "", cell(sums), "", ""]
    return row


def latency_rows(bench, scenario, variants):
    rows = []
    for member, load in enumerate(scenario.loads):
        alone = bench.alone.get(load.words, [])
        if not alone or "latency_p50_us" not in alone[0]:
            continue
        rows.append([f"{load.name}, ms:", "p50", "p99", "requests"])
        rows.append(["  alone", *latency_cells([[one[word] for one in alone] for word in LATENCY])])
        rows += [[f"  {variant}", *latency_cells([bench.samples(scenario, variant, member, word) for word in LATENCY])]
                 for variant in variants]
    return rows


LATENCY = ("latency_p50_us", "latency_p99_us", "requests")


def latency_cells(numbers):
    return [*(cell([us / 1e3 for us in one], 2) for one in numbers[:2]), cell(numbers[2], 0)]


def keeper_lines(bench, scenario, variants):
    """What the keeper has charged, beside what was done."""
    lines = []
    for variant in variants:
        rounds = [kept for _, kept in bench.found.get((scenario.name, variant), []) if kept]
        if not rounds:
            continue
        seconds = scenario.seconds(bench.options.seconds)
        members = range(min(len(scenario.loads), MOST_ROWS, *map(len, rounds)))
        used = [f"{median([kept[member]['used_ms'] for kept in rounds]) / seconds / 10:.1f}" for member in members]
        turns = [f"{median([kept[member]['turns'] for kept in rounds]) / seconds:.0f}" for member in members]
        lines.append(f"  the keeper, {variant}: charged {' '.join(used)} %; turns a second {' '.join(turns)}")
    return lines


def exactness_lines(bench, scenario, variants):
    lines = []
    for variant in filter(scenario.is_exact, variants):
        off = [median(bench.of_solo(scenario, variant, member)) - 100 * scenario.parts[member]
               for member in range(len(scenario.loads))]
        lines.append(f"  farthest from its part, {variant}: {max(off, key=abs):+.1f} points")
    return lines


def shares_text(bench, scenario):
    variants = [variant for variant in scenario.variants if (scenario.name, variant) in bench.found]
    if not variants:
        return ""
    head = ["", "asked"]
    for variant in variants:
        head += [f"{variant}: % of alone", "% of GPU", "launch µs", "stall p99 ms"]
    if len(scenario.loads) > MOST_ROWS:
        rows = [crowd_row(bench, scenario, variants)]
    else:
        rows = [member_row(bench, scenario, variants, member) for member in range(len(scenario.loads))]
    rows.append(total_row(bench, scenario, variants))
    parts = [f"{scenario.name}: {scenario.title}", table([head, *rows]), *exactness_lines(bench, scenario, variants),
             *keeper_lines(bench, scenario, variants)]
    latencies = latency_rows(bench, scenario, variants)
    return "\n".join(parts + ([table(latencies)] if latencies else []))


def groups(scenarios, turn):
    """(scenario, variant); the order turns round by round."""
    all_of = [(scenario, variant) for scenario in scenarios for variant in scenario.variants]
    return all_of[::-1] if turn % 2 else all_of


def main(argv):
    options = parse(argv)
    scenarios = [scenario for scenario in (*SHARES, *STEPS) if not options.only or scenario.name in options.only]
    once = [scenario for scenario in ONCE if not options.only or scenario.name in options.only]
    if options.list:
        print("\n".join(f"{scenario.name:18} {scenario.title}" for scenario in ALL))
        return 0
    bench = Bench(options)
    count = len(groups(scenarios, 0))
    loads = {load for scenario in scenarios for load in scenario.loads}
    # A program takes half a second to start.
    round_seconds = 1.5 * len(loads) + sum(scenario.seconds(options.seconds) + 1 for scenario, _ in groups(scenarios, 0))
    bench.note(f"{count} groups and {len(loads)} loads alone a round; about {options.rounds * round_seconds:.0f} s"
               + "".join(f", and {scenario.name}" for scenario in once))
    texts = []
    for turn in range(options.rounds):
        for scenario, variant in groups(scenarios, turn):
            bench.measure(scenario, variant, turn)
        if turn == 0:
            texts = [bench.once(scenario) for scenario in once]
    for scenario in scenarios:
        text = shares_text(bench, scenario) if isinstance(scenario, Shares) else scenario.text(bench)
        print(text + "\n" if text else "", end="")
    print("\n".join(filter(None, texts)))
    if options.json:
        options.json.write_text(json.dumps({"alone": bench.alone, "groups": {" ".join(key): rounds for key, rounds
                                                                            in bench.found.items()}}))
    for problem in bench.problems:
        print(f"FAILED: {problem}")
    if bench.is_over():
        print(f"The budget of {options.budget:.0f} s was over before all was measured.")
    return 1 if bench.problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
