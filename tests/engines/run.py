#!/usr/bin/env python3
"""gpunode-runtime and CDI with real parts: runc, crun, podman and containerd of several Debian
releases, each check a line (*_checks.py).

    python3 tests/engines/run.py --build-dir build/dev [--only WORDS]...

Needs root; the first run downloads the parts (parts.py). Exit code 0 when every check holds, 77
when this machine or its mirror cannot have them, else 1.
"""

import argparse
import os
import pathlib
import signal
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "cluster"))  # Namespaces, processes, images: shared with it.

# pylint: disable=wrong-import-position,unused-import
import parts
import process
import sandbox
import runtime_checks
import podman_checks
import containerd_checks
import old_root_checks
import image_checks
import share_checks
from claims import CHECKS, Skipped
from node import Build, Node
from process import Failed, tail

NAME = "gpunode-engines"
TIME_LIMIT = 1200
SKIPPED = 77


def parse(argv):
    parser = argparse.ArgumentParser(description="gpunode with real engines and runtimes")
    parser.add_argument("--build-dir", default="build/dev", help="where the programs were built")
    parser.add_argument("--only", action="append", default=[], metavar="WORDS",
                        help="run the checks whose claims have these words")
    parser.add_argument("--list", action="store_true", help="list the checks")
    parser.add_argument("--inside", nargs=3, metavar=("STATE", "CGROUP", "PARTS"),
                        help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def say(text):
    print(text, flush=True)


def why_not():
    """Why this machine cannot run containers' engines, or None."""
    if os.geteuid() != 0:
        return "engines need root: they make namespaces, mounts and cgroups"
    trial = ["unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--mount-proc",
             "--propagation", "private", "mount", "-t", "tmpfs", "tmpfs", "/run"]
    done = process.run(trial, check=False)
    if done.returncode != 0:
        return f"namespaces and mounts are not to be had here: {done.stderr.strip()}"
    if not any(os.access(path, os.W_OK) for path in sandbox.hierarchies()):
        return "no cgroup hierarchy that can be written to"
    return None


def outside(arguments, argv):
    """Prepares, enters the namespaces and cleans up behind them."""
    Build(arguments.build_dir).check()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # So that the cleaning up happens.
    reason = why_not()
    if reason:
        say(f"skipped: {reason}")
        return SKIPPED
    try:
        directory = parts.ensure()
        used = parts.in_use(directory)
    except parts.PartsError as error:
        say(f"skipped: the parts cannot be had: {error}")
        return SKIPPED
    for part, packages in parts.taken_packages(directory).items():
        say(f"engines: {part}: {', '.join(map(' '.join, packages.items()))}")
    run = sandbox.Run(name=NAME)
    try:
        return run.enter([sys.executable, os.path.abspath(__file__), *argv, "--inside",
                          str(run.directory), run.cgroup, str(directory)], timeout=TIME_LIMIT)
    finally:
        run.close()
        used.close()


def tell(node, claim, function):
    """Runs one check; what it was: "ok", "skipped" or "FAILED"."""
    begin = time.monotonic()
    log = None
    try:
        note = function(node)
        outcome = "ok"
    except Skipped as reason:
        outcome, note = "skipped", reason
    except Failed as error:
        outcome, note, log = "FAILED", error, error.log
    say(f"{outcome:<7} {time.monotonic() - begin:6.1f} s  {claim}" + (f": {note}" if note else ""))
    if log:
        say(tail(log))
    return outcome


def inside(arguments):
    state, cgroup, directory = arguments.inside
    begin = time.monotonic()
    node = Node(Build(arguments.build_dir), directory, parts.taken_packages(pathlib.Path(directory)),
                state, cgroup)
    node.set_up()
    outcomes = [tell(node, claim, function) for claim, function in CHECKS
                if not arguments.only or any(words in claim for words in arguments.only)]
    failed = outcomes.count("FAILED")
    say(f"engines: {outcomes.count('ok')} checks passed, {failed} failed,"
        f" {outcomes.count('skipped')} skipped in {(time.monotonic() - begin) / 60:.1f} min")
    return 1 if failed or not outcomes else 0


def main(argv):
    arguments = parse(argv)
    if arguments.list:
        for claim, _ in CHECKS:
            say(claim)
        return 0
    try:
        return inside(arguments) if arguments.inside else outside(arguments, argv)
    except Failed as error:
        print(f"engines: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("engines: interrupted", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
