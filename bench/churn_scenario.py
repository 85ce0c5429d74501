"""Containers whose programs come and go by chance while parts change, for bench/gpu_turns.py: whether what each gets stays what
it is due. Programs are started once, some for each container, and told when to work."""

import contextlib
import dataclasses
import threading
import time
import typing

from load_group import PATIENCE, Failed, Keeper, Worker, calibrated, held
from turn_figures import churn_plan, due_in, percent, quarters, seconds_there, table
from turn_scenarios import LONG, LONGER, LONGEST, PLAIN, SHORT

BUCKET_MS = 50
DRIFT = 1.0  # Points that the last quarter is farther off than the first.


class Run(typing.NamedTuple):
    """What a program did between being told to work and having done the last of it; seconds since all began."""
    member: int
    begin: float
    end: float
    done: list  # (when, seconds of the whole GPU, as it does alone).

    @property
    def there(self):
        return self.member, self.begin, self.end


class Off(typing.NamedTuple):
    """A member in an interval of which it was there for half and more."""
    when: float
    member: int
    due: float  # Percent of the GPU.
    got: float

    @property
    def points(self):
        return self.got - self.due


@dataclasses.dataclass(frozen=True)
class Churn:
    """Containers, each with its part and loads of which it does one at a time."""
    name: str
    title: str
    members: tuple

    @property
    def parts(self):
        return [part for part, _ in self.members]

    def run(self, bench):
        """Its text: once, in turns that are fair."""
        for load in dict.fromkeys(load for _, loads in self.members for load in loads):
            bench.solo(load, 0)
        if bench.is_over():
            return ""
        seconds = bench.options.churn_seconds
        visits, swaps = churn_plan([len(loads) for _, loads in self.members], seconds, bench.options.seed)
        with contextlib.ExitStack() as stack:
            keeper = held(stack, Keeper(bench.programs, "fair", self.parts, seconds + 2 * PATIENCE))
            pools = [[held(stack, Worker(bench.programs, load, library=keeper.library(number), buckets_ms=BUCKET_MS,
                                         more=["--to-the-end"])) for load in loads]
                     for number, (_, loads) in enumerate(self.members)]
            calibrated([worker for pool in pools for worker in pool])
            begin = time.monotonic()
            runs, problems = [], []
            threads = [threading.Thread(target=self.follow, args=(bench, number, pools[number], visits[number], begin, runs, problems))
                       for number in range(len(pools))]
            for thread in threads:
                thread.start()
            history = self.change_parts(keeper, swaps, begin)
            for thread in threads:
                thread.join()
            if problems:
                raise problems[0]
            kept = keeper.end()
        bench.add((self.name, "fair"), runs, kept)
        return self.text(bench, runs, history, kept)

    def change_parts(self, keeper, swaps, begin):
        """Tells the keeper; the parts that were in force, and since when."""
        history = [(0.0, self.parts)]
        for when, one, other in swaps:
            time.sleep(max(0, begin + when - time.monotonic()))
            parts = list(history[-1][1])
            parts[one], parts[other] = parts[other], parts[one]
            for member in (one, other):
                keeper.say(f"part {member} {parts[member]}")
            history.append((time.monotonic() - begin, parts))
        return history

    def follow(self, bench, number, pool, plan, begin, runs, problems):
        """A container's programs, one after another."""
        for start, length, which in plan:
            if problems:
                return
            time.sleep(max(0, begin + start - time.monotonic()))
            worker = pool[which]
            try:
                worker.go(length)
                result = worker.done()
            except Failed as problem:
                problems.append(problem)
                return
            came = worker.began - begin
            of_gpu = 100 / bench.alone_percent(worker.load) / 1e3  # Seconds of it, of a millisecond that its work takes alone.
            done = [(came + (at + 0.5) * BUCKET_MS / 1e3, ms * of_gpu) for at, ms in enumerate(result["buckets_ms"])]
            runs.append(Run(number, came, came + result["elapsed_ms"] / 1e3, done))

    def offs(self, runs, history, seconds):
        """Each member in each interval; of a short run intervals are short, so that there are four in a quarter."""
        length = min(5.0, seconds / 16)
        there = [run.there for run in runs]
        found = []
        for at in range(int(seconds / length + 1e-6)):
            first, last = at * length, (at + 1) * length
            due = due_in(first, last, there, history)
            present = seconds_there(first, last, there, len(self.members))
            for member in range(len(self.members)):
                if present[member] >= length / 2:
                    got = sum(done for run in runs if run.member == member for when, done in run.done if first <= when < last)
                    found.append(Off(first, member, percent(due[member], length), percent(got, length)))
        return found

    def text(self, bench, runs, history, kept):
        seconds = bench.options.churn_seconds
        if not runs:
            return f"{self.name}: nothing was measured"
        whole = max(run.end for run in runs)
        there = [run.there for run in runs]
        due = due_in(0.0, whole, there, history)
        present = seconds_there(0.0, whole, there, len(self.members))
        got = [sum(done for run in runs if run.member == member for _, done in run.done) for member in range(len(self.members))]
        charged = [one["used_ms"] / 1e3 for one in kept]
        offs = self.offs(runs, history, seconds)
        rows = [["", "programs", "there s", "due s", "got s", "charged s", "off, points"]]
        for member, (_, loads) in enumerate(self.members):
            rows.append([f"  {' or '.join(load.name for load in loads)}", str(sum(run.member == member for run in runs)),
                         *(f"{one[member]:.2f}" for one in (present, due, got, charged)),
                         f"{percent(got[member] - due[member], present[member]):+.1f}"])
        lines = [f"{self.name}: {self.title}", table(rows)]
        if offs:
            worst = max(offs, key=lambda off: abs(off.points))
            lines.append(f"  the worst interval: at {worst.when:.0f} s, container {worst.member}: due {worst.due:.1f} %, got {worst.got:.1f} %")
        lines.append(self.line(bench, len(runs), len(history) - 1, offs, (sum(charged), sum(got), present[-1])))
        return "\n".join(lines)

    def line(self, bench, programs, changes, offs, sums):
        charged, got, anybody = sums
        seconds = bench.options.churn_seconds
        of_quarters = quarters([(off.when, off.points) for off in offs], seconds)
        growth = of_quarters[-1][0] - of_quarters[0][0]
        verdict = "drift" if growth > DRIFT else "no drift" if growth <= DRIFT else "too little to tell of drift"
        return (f"{self.name}, {seconds:.0f} s, seed {bench.options.seed}, {programs} programs, {changes} changes of parts: off in points, "
                f"mean (worst) of each quarter: {', '.join(f'{mean:.1f} ({worst:+.1f})' for mean, worst in of_quarters)}: {verdict} "
                f"({growth:+.1f}); charged {charged:.1f} s, work {got:.1f} s, of {anybody:.1f} s in which somebody was there "
                f"({percent(charged, anybody):.1f} and {percent(got, anybody):.1f} %)")


CHURN = Churn("churn", "programs that come and go by chance, while parts change", (
    (0.05, (SHORT, PLAIN)), (0.10, (PLAIN, LONGEST)), (0.15, (LONG, SHORT)), (0.20, (LONGER, PLAIN)), (0.20, (LONGEST, SHORT)),
    (0.30, (PLAIN, LONGER))))
