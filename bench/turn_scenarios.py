"""What bench/gpu_turns.py measures: which loads work beside each other, with what part each."""

import dataclasses

from load_group import Load
from turn_figures import cell, median, percent, series, settled_ms

BUCKET_MS = 50
KERNELS_IN_A_PART = 50
LONGEST_S = 0.05  # Seconds of the longest kernel.


def kernels(microseconds, more=""):
    length = f"{microseconds} µs" if microseconds < 1000 else f"{microseconds // 1000} ms"
    return Load(f"kernels of {length}", f"kernels --kernel-us {microseconds} {more}".strip())


SHORT, PLAIN, LONG, LONGER, LONGEST = map(kernels, (5, 200, 1000, 10000, 50000))
FLOOD = Load("200 µs, launched ahead", "kernels --kernel-us 200 --unsynchronised")
SHORT_FLOOD = Load("5 µs, launched ahead", "kernels --kernel-us 5 --unsynchronised")
LIGHT = Load("1 ms every 6 ms", "kernels --kernel-us 200 --burst 5 --idle-us 5000", False)
REQUESTS = Load("requests of 1 ms every 10 ms", "inference --kernel-us 100 --burst 10 --idle-us 10000", False)
GRAPHS = Load("graphs of 20 × 50 µs", "graph --kernel-us 50")
COPIES = Load("copies of 64 MiB", "copies")
MIXED = Load("kernels, copies and memsets", "mixed --kernel-us 200")
MANY_STREAMS = Load("200 µs, 2 threads × 4 streams", "kernels --kernel-us 200 --threads 2 --streams 4")
PERSISTENT = Load("a persistent kernel", "persistent")


@dataclasses.dataclass(frozen=True)
class Shares:
    """Loads that work for the same time."""
    name: str
    title: str
    members: tuple  # (load, part)
    variants: tuple = ("bare", "fair")
    absent: tuple = ()  # Parts of those who have no program.

    @property
    def loads(self):
        return [load for load, _ in self.members]

    @property
    def parts(self):
        return [part for _, part in self.members] + list(self.absent)

    def is_exact(self, variant):
        """Whether each is to have its part, no more and no less."""
        return all(load.is_busy for load in self.loads) and (variant == "hard" or variant != "bare" and not self.absent)

    def seconds(self, usual):
        """50 kernels of 50 ms are to fit in a part; nothing else lasts so long that it does not fit anyhow."""
        return max([usual, *(KERNELS_IN_A_PART * LONGEST_S / part for load, part in self.members if load is LONGEST)])

    @staticmethod
    def how(_):
        return {}


class First(Shares):
    """The first of them goes before the others."""

    @staticmethod
    def how(_):
        return {"deeds": [(0, lambda keeper: keeper.say("priority 0 1"))]}


def against(percent):
    return Shares(f"against-{percent}", f"{percent} % of 0.2 ms kernels against a busy rest of 1 ms kernels",
                  ((PLAIN, percent / 100), (LONG, 1 - percent / 100)), ("fair",))


def alone_hard(percent):
    return Shares(f"hard-{percent}", f"{percent} % alone, hard", ((PLAIN, percent / 100),), ("hard",), (1 - percent / 100,))


SHARES = (
    Shares("25-75", "two alike, 25 : 75", ((PLAIN, 0.25), (PLAIN, 0.75))),
    Shares("25-25-50", "three alike, 25 : 25 : 50", ((PLAIN, 0.25), (PLAIN, 0.25), (PLAIN, 0.5)), ("bare", "fair", "hard")),
    Shares("25-25-50-mixed", "25 : 25 : 50, 0.2 ms, 5 µs and 10 ms", ((PLAIN, 0.25), (SHORT, 0.25), (LONGER, 0.5))),
    Shares("10-90", "10 : 90, 5 µs beside 10 ms", ((SHORT, 0.1), (LONGER, 0.9)), ("bare", "fair", "hard")),
    Shares("75-25", "75 : 25, 5 µs beside 10 ms", ((SHORT, 0.75), (LONGER, 0.25)), ("fair",)),
    *map(against, (5, 10, 50, 90)),
    Shares("50ms", "50 : 50, 50 ms beside 0.2 ms", ((LONGEST, 0.5), (PLAIN, 0.5)), ("fair",)),
    Shares("50ms-5us", "25 : 75, 50 ms beside 5 µs", ((LONGEST, 0.25), (SHORT, 0.75))),
    Shares("50ms-50ms", "25 : 75, 50 ms beside the same", ((LONGEST, 0.25), (LONGEST, 0.75))),
    Shares("20-busy", "20 busy ones", ((PLAIN, 0.05),) * 20),
    Shares("20-half", "10 busy ones, 10 others being idle", ((PLAIN, 0.05),) * 10, ("fair",), (0.05,) * 10),
    Shares("20-light", "20 light ones, which together ask for more than all", ((LIGHT, 0.05),) * 20),
    Shares("requests-1ms", "inference beside a hog of 1 ms kernels", ((REQUESTS, 0.2), (LONG, 0.8))),
    Shares("requests-10ms", "inference beside a hog of 10 ms kernels", ((REQUESTS, 0.2), (LONGER, 0.8))),
    First("first-1ms", "inference of a higher priority beside a hog of 1 ms kernels", ((REQUESTS, 0.2), (LONG, 0.8)), ("fair", "burst")),
    First("first-10ms", "inference of a higher priority beside a hog of 10 ms kernels", ((REQUESTS, 0.2), (LONGER, 0.8)), ("fair", "burst")),
    Shares("graphs", "graphs beside kernels", ((GRAPHS, 0.5), (PLAIN, 0.5))),
    Shares("copies", "copies beside kernels", ((COPIES, 0.5), (PLAIN, 0.5))),
    Shares("mixed", "kernels, copies and memsets beside kernels, 30 : 70", ((MIXED, 0.3), (PLAIN, 0.7)), ("fair",)),
    Shares("streams", "many streams beside one", ((MANY_STREAMS, 0.5), (PLAIN, 0.5)), ("fair",)),
    Shares("ahead", "launching ahead of the GPU beside not", ((FLOOD, 0.5), (PLAIN, 0.5)), ("fair",)),
    Shares("persistent", "a persistent kernel beside others", ((PERSISTENT, 0.5), (PLAIN, 0.5))),
    Shares("idle-neighbour", "25 %, who has the rest being idle", ((PLAIN, 0.25),), ("fair", "burst", "hard"), (0.75,)),
    Shares("idle-third", "25 and 25 %, who has the rest being idle", ((PLAIN, 0.25), (PLAIN, 0.25)), ("burst", "hard"), (0.5,)),
    Shares("half-idle", "25 % beside one who has 75 % and uses a part of it", ((PLAIN, 0.25), (LIGHT, 0.75)), ("fair", "burst")),
    *map(alone_hard, (5, 50, 75)),
)


@dataclasses.dataclass(frozen=True)
class Step:
    """Loads whose shares change amid their work: how soon they have the new ones."""
    name: str
    title: str
    members: tuple
    targets: tuple  # Percent, after the change.
    second_begins: float = 0  # As a part of the time.
    told: tuple = ()  # Lines for the keeper, at the middle.
    absent: tuple = ()
    variants: tuple = ("fair",)

    loads = Shares.loads
    parts = Shares.parts

    @staticmethod
    def seconds(usual):
        return usual

    def change(self, usual):
        return usual * (self.second_begins or 0.5)

    def how(self, usual):
        delays = [0, usual * self.second_begins][:len(self.members)]
        deed = (self.change(usual), lambda keeper: [keeper.say(line) for line in self.told])
        return {"delays": delays, "deeds": [deed] if self.told else [], "buckets_ms": BUCKET_MS}

    def percents(self, bench, results):
        """What each got in each bucket, of what it does alone."""
        count = int(self.seconds(bench.options.seconds) * 1e3 / BUCKET_MS)
        begin = results[0]["began"]
        return [[percent(100 * done / BUCKET_MS, bench.alone_percent(load))
                 for done in series(result["buckets_ms"], BUCKET_MS, (result["began"] - begin) * 1e3, count)]
                for load, result in zip(self.loads, results)]

    def text(self, bench):
        change_ms = self.change(self.seconds(bench.options.seconds)) * 1e3
        lines = []
        for variant in self.variants:
            rounds = [self.percents(bench, results) for results, _ in bench.found.get((self.name, variant), [])]
            if not rounds:
                continue
            settled = [settled_ms(percents, self.targets, BUCKET_MS, change_ms) for percents in rounds]
            known = [time_ms for time_ms in settled if time_ms is not None]
            never = f", never in {len(settled) - len(known)} of {len(settled)} rounds" if len(known) < len(settled) else ""
            wanted = ":".join(f"{target:.0f}" for target in self.targets)
            lines.append(f"  {variant}: within 5 points of {wanted} for good after, ms: {cell(known, 0)}{never}")
            first = int(change_ms // BUCKET_MS)
            for at, load in enumerate(self.loads):
                shown = [f"{median([percents[at][bucket] for percents in rounds]):.0f}"
                         for bucket in range(max(0, first - 3), min(first + 12, len(rounds[0][at])))]
                lines.append(f"    {load.name}, % in each {BUCKET_MS} ms from {3 * BUCKET_MS} ms before: {' '.join(shown)}")
        return "\n".join([f"{self.name}: {self.title}", *lines]) if lines else ""


STEPS = (
    Step("step", "50 : 50, the second begins later", ((PLAIN, 0.5), (PLAIN, 0.5)), (50, 50), second_begins=0.4),
    Step("step-small", "75 : 25, the second begins later, 5 µs beside 1 ms", ((LONG, 0.75), (SHORT, 0.25)), (75, 25),
         second_begins=0.4),
    Step("live-part", "50 : 50 becomes 20 : 80", ((PLAIN, 0.5), (PLAIN, 0.5)), (20, 80), told=("part 0 0.2", "part 1 0.8")),
    Step("live-policy", "25 %, the rest idle, and fair becomes hard", ((PLAIN, 0.25),), (25,), told=("policy hard",),
         absent=(0.75,)),
)
