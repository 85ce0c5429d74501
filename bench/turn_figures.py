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


def due(intervals, parts):
    """Seconds of the whole GPU that are due to each of (member, begin, end), who are busy then: by their parts, among those who
    are there."""
    edges = sorted({edge for _, begin, end in intervals for edge in (begin, end)})
    seconds = [0.0] * len(intervals)
    for begin, end in zip(edges, edges[1:]):
        there = [at for at, (_, first, last) in enumerate(intervals) if first <= begin and last >= end]
        whole = sum(parts[intervals[at][0]] for at in there)
        for at in there:
            seconds[at] += (end - begin) * parts[intervals[at][0]] / whole
    return seconds


def churn_plan(members, seconds, seed):
    """[[(begin, seconds)] for each member]: starts and ends by chance, the same of the same seed. From half a minute on there is
    time for a program to start between two."""
    chance = random.Random(seed)
    scale = min(1.0, seconds / 30)
    plans = []
    for _ in range(members):
        plan, at = [], scale * chance.uniform(0, 2)
        while True:
            length = scale * chance.uniform(2, 8)
            if at + length > seconds:
                break
            plan.append((at, length))
            at += length + scale * chance.uniform(1.5, 4)
        plans.append(plan)
    return plans


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
