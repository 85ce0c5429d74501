"""Figures of loads beside each other on a GPU: what each is due, what it got, and how soon."""

import random
import statistics


def spread(numbers):
    """Half of what the middle half spans; of few numbers, of what all span."""
    if len(numbers) < 2:
        return 0.0
    if len(numbers) < 4:
        return (max(numbers) - min(numbers)) / 2
    low, _, high = statistics.quantiles(numbers, n=4)
    return (high - low) / 2


def percent(part, whole):
    """nan of nothing: a load that got nothing done alone says nothing of what it gets beside others."""
    return 100 * part / whole if whole else float("nan")


def median(numbers):
    return statistics.median(numbers) if numbers else float("nan")


def series(buckets, bucket_ms, delay_ms, count):
    """What was done in each bucket since the group began, of a load that began `delay_ms` later."""
    before = [0.0] * round(delay_ms / bucket_ms)
    return (before + list(buckets) + [0.0] * count)[:count]


def settled_ms(percents, targets, bucket_ms, change_ms, within=5, window=5):
    """How long after the change each member has its target, in the mean over `window` buckets from then on and for good. The
    mean is over more than a round of turns: what one bucket has is a matter of whose turn it was. None: it never had."""
    count = min(len(one) for one in percents)
    first = -(-change_ms // bucket_ms)
    settled = None
    for at in range(int(first), count - window + 1):
        is_near = all(abs(statistics.mean(one[at:at + window]) - target) <= within for one, target in zip(percents, targets))
        if not is_near:
            settled = None
        elif settled is None:
            settled = at
    return None if settled is None else max(0.0, settled * bucket_ms - change_ms)


def due_in(first, last, there, history):
    """Seconds of the whole GPU that are due to each member between two times, of `there`, (member, begin, end): who is there
    shares by parts. `history`: (when, parts from then on), of which the first is from the beginning."""
    edges = {first, last, *(edge for _, *edges in there for edge in edges), *(when for when, _ in history)}
    cuts = sorted(edge for edge in edges if first <= edge <= last)
    seconds = [0.0] * len(history[0][1])
    for begin, end in zip(cuts, cuts[1:]):
        parts = [parts for when, parts in history if when <= begin][-1]
        present = {member for member, come, gone in there if come <= begin and gone >= end}
        whole = sum(parts[member] for member in present)
        for member in present:
            seconds[member] += (end - begin) * parts[member] / whole
    return seconds


def seconds_there(first, last, there, members):
    """Of each member, between two times; and in the end of anybody."""
    seconds = [sum(max(0.0, min(last, end) - max(first, begin)) for one, begin, end in there if one == member)
               for member in range(members)]
    alike = [(0, begin, end) for _, begin, end in there]
    return seconds + due_in(first, last, alike, [(first, [1])])


def churn_plan(choices, seconds, seed):
    """(visits, swaps), by chance, the same of the same seed. visits: [(begin, seconds, which of its choices)] for each member,
    of whom each has so many choices. swaps: (when, one, other), two members who change parts."""
    chance = random.Random(seed)
    scale = min(1.0, seconds / 30)
    visits = []
    for count in choices:
        plan, at = [], scale * chance.uniform(0, 2)
        while True:
            length = scale * chance.uniform(1, 10)
            if at + length > seconds:
                break
            plan.append((at, length, chance.randrange(count)))
            at += length + scale * chance.uniform(0.5, 5)
        visits.append(plan)
    swaps, at = [], scale * chance.uniform(2, 6)
    while at < seconds:
        swaps.append((at, *chance.sample(range(len(choices)), 2)))
        at += scale * chance.uniform(2, 6)
    return visits, swaps


def quarters(numbers, seconds):
    """[mean, and the one farthest from 0] of (when, number) in each quarter of the time; nan of none."""
    found = []
    for at in range(4):
        mine = [number for when, number in numbers if at * seconds / 4 <= when < (at + 1) * seconds / 4]
        found.append((statistics.mean(map(abs, mine)), max(mine, key=abs)) if mine else (float("nan"), float("nan")))
    return found


def table(rows):
    """Lines of rows of cells; the first column is of words."""
    widths = [max(len(row[at]) if at < len(row) else 0 for row in rows) for at in range(max(map(len, rows)))]
    lines = []
    for row in rows:
        cells = [cell.ljust(widths[0]) if at == 0 else cell.rjust(widths[at]) for at, cell in enumerate(row)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def cell(numbers, digits=1):
    """Median and spread."""
    if not numbers:
        return "-"
    return f"{median(numbers):.{digits}f} ±{spread(numbers):.{digits}f}"


def range_cell(groups, digits=1):
    """Of many alike: the least, the median and the most of their medians."""
    medians = [median(numbers) for numbers in groups if numbers]
    if not medians:
        return "-"
    return f"{min(medians):.{digits}f} to {max(medians):.{digits}f}, {median(medians):.{digits}f}"
