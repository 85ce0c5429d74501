"""What a check is made of."""

from process import Failed

CHECKS = []  # (claim, function of the node), in the order of their telling.


class Skipped(Exception):
    """What a claim needs is not here; the text says what."""


def check(claim):
    """A claim; its function returns a note for its line, or nothing."""
    def register(function):
        CHECKS.append((claim, function))
        return function
    return register


def expect(condition, text):
    if not condition:
        raise Failed(str(text))


def expect_nothing_left(before, after, what):
    expect(after == before, f"{what} left behind {sorted(after - before)[:5]},"
           f" took away {sorted(before - after)[:5]}")
