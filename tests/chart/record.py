#!/usr/bin/env python3
"""Records what NVIDIA's chart gives for the value sets, or compares it with what is recorded.

    python3 tests/chart/record.py CHART...           writes facts/<version>.json
    python3 tests/chart/record.py --check CHART...   says what has changed, exit code 1

CHART: a directory with NVIDIA's Chart.yaml. Only keys and values are kept, no text of theirs.
"""

import argparse
import json
import pathlib
import sys
import tempfile

import yaml

from facts import facts
from helm import Helm, Refused

HERE = pathlib.Path(__file__).resolve().parent
RECORDER = 25  # The release of helm that charts of 2023 were made for.


def value_sets():
    return {path.stem: yaml.safe_load(path.read_text())
            for path in sorted((HERE / "values").glob("*.yaml"))}


def defaults(chart):
    """The values that a person could give it: its own, and those of the part that labels nodes."""
    values = yaml.safe_load((chart / "values.yaml").read_text())
    part = chart / "charts/gpu-feature-discovery/values.yaml"
    if part.exists():
        values["gfd"] = yaml.safe_load(part.read_text()) | values["gfd"]
    return values


def refusal(error):
    """The words of a chart that refuses, without where it says them."""
    lines = str(error).strip().splitlines()
    return {"refused": lines[1].strip() if len(lines) > 1 else lines[0]}


def record(helm, chart):
    sets = {}
    for name, values in value_sets().items():
        try:
            sets[name] = facts(helm.template(chart, values))
        except Refused as error:
            sets[name] = refusal(error)
    return {"values": defaults(chart), "sets": sets}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("charts", nargs="+", type=pathlib.Path, metavar="CHART")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    changed = 0
    with tempfile.TemporaryDirectory() as home:
        helm = Helm(RECORDER, home)
        for chart in arguments.charts:
            version = yaml.safe_load((chart / "Chart.yaml").read_text())["version"]
            target = HERE / f"facts/{version}.json"
            text = json.dumps(record(helm, chart), indent=1, sort_keys=True) + "\n"
            if arguments.check:
                same = target.exists() and target.read_text() == text
                print(f"{version}: {'as recorded' if same else 'not as in ' + str(target)}")
                changed += not same
            else:
                target.write_text(text)
                print(f"{version}: {target}")
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main())
