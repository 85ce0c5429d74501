#!/usr/bin/env python3
"""Boots a real machine with systemd, in emulation, and makes checks in it (checks.py).

    python3 tests/vm/run.py --build-dir build/dev [--only WORDS]... [--keep]

The first run makes the machine's disks (image.py); the logs of the last run stay in
<build-dir>/tests/vm/logs. Exit code 0 when every check holds, 77 where such a machine cannot be
(not root, no qemu), else 1.
"""

import argparse
import ctypes
import multiprocessing
import multiprocessing.connection
import os
import pathlib
import shutil
import signal
import sys
import time

import image
import node
from checks import CHECKS
from claim import DRIVER, JOIN, NODE, SELINUX, Lacking
from machine import Failed, Machine, RunDirectory, tail
from seed_cluster import SeedCluster, programs_of_kubernetes

SKIP = 77
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
ENDS_OF_A_RUN = {signal.SIGALRM, signal.SIGINT, signal.SIGTERM}
PROGRAMS = ("qemu-system-x86_64", "qemu-img", "mmdebstrap", "mke2fs", "setpriv", "apt-ftparchive", "gpg")
NICE = -10
TIME_LIMIT = 3600  # For the checks; making the disks apart.
AT_ONCE = 2  # Machines. One leaves half of two cores idle: most of what it does is done by one processor.
LONGEST_FIRST = (DRIVER, NODE, JOIN, SELINUX)


def parse(argv):
    parser = argparse.ArgumentParser(description="gpunode on a real machine with systemd")
    parser.add_argument("--build-dir", default="build/dev", help="where the programs were built")
    parser.add_argument("--only", action="append", default=[], metavar="WORDS",
                        help="make the checks whose names have these words")
    parser.add_argument("--keep", action="store_true",
                        help="leave the machine running at the end, for commands from the terminal")
    parser.add_argument("--list", action="store_true", help="list the checks")
    parser.add_argument("--until", type=float, metavar="SECONDS", default=os.environ.get("GPUNODE_TEST_UNTIL"),
                        help="begin no check after this time, in seconds since 1970; default: "
                        "$GPUNODE_TEST_UNTIL, else no end")
    return parser.parse_args(argv)


def say(text):
    sys.stdout.write(f"{text}\n")  # In one piece: other machines' processes say something, too.
    sys.stdout.flush()


def complain(error):
    """An end that no check was: its words, and the end of its log if it names one."""
    log = getattr(error, "log", None)
    sys.stderr.write(f"vm: {error}\n" + (f"{tail(log)}\n" if log else ""))
    sys.stderr.flush()


def take_precedence():
    """An emulated clock that others' work holds up is one that kernels do not believe in."""
    try:
        os.setpriority(os.PRIO_PROCESS, 0, min(os.getpriority(os.PRIO_PROCESS, 0), NICE))
    except OSError:
        pass  # In a container that may not; then so it is.
    try:
        # With autogroups a session's niceness counts against other sessions', a process's doesn't.
        pathlib.Path("/proc/self/autogroup").write_text(str(NICE))
    except OSError:
        pass  # The kernel has none.


def images_of(kind):
    """The disk that such a machine boots from, and the roots of containers; made if need be."""
    if kind == SELINUX:
        return image.ensure(image.DEBIAN_12_SELINUX), {}
    if kind == DRIVER:
        return image.ensure(image.DEBIAN_12_DRIVER), {}
    if kind == JOIN:
        return image.ensure(image.DEBIAN_12_BARE), {}
    system = image.ensure(image.DEBIAN_12)
    return system, {"debian11": image.ensure(image.DEBIAN_11).disk, "debian12": system.disk}


def set_up(kind, vm):
    seconds = vm.boot()
    if kind == SELINUX:
        node.install(vm)
        node.label(vm)
    elif kind == DRIVER:
        node.set_up_bare(vm)
    elif kind == JOIN:
        node.set_up_seed(vm)
    else:
        node.set_up(vm)
    about = vm.sh("echo $(uname -r), $(systemctl --version | head -1), cgroup"
                  " $(stat -f -c %T /sys/fs/cgroup)").strip()
    say(f"ok     {seconds:6.1f} s  Debian 12 has booted, the machine for {kind} ({about})")


def chosen_checks(only):
    """Machine -> its checks that have these words, both in the order in which they are made."""
    chosen = {}
    for name, function, kind in CHECKS:
        if not only or any(words in name for words in only):
            chosen.setdefault(kind, []).append((name, function))
    if not chosen:
        raise Failed("no check has these words; --list lists them")
    return chosen


class Outcome:
    """What became of checks, by their names. The others held."""

    def __init__(self, failed=(), left_out=()):
        self.failed, self.left_out = list(failed), list(left_out)

    def __iadd__(self, other):
        self.failed += other.failed
        self.left_out += other.left_out
        return self


def make_checks(vm, checks, until=None):
    """Makes the checks, each of which is told of by a line; begins none after `until`."""
    outcome = Outcome()
    for name, function in checks:
        if until is not None and time.time() > until:
            outcome.left_out.append(name)
            say(f"left out         {name} (no time left)")
            continue
        start = time.monotonic()
        try:
            note = function(vm)
            word, more = "ok    ", f" ({note})" if note else ""
        except Lacking as lacking:
            outcome.left_out.append(name)
            say(f"left out         {name} ({lacking})")
            continue
        except Failed as error:
            outcome.failed.append(name)
            word, more = "FAILED", f"\n    {error}"
            if error.log:
                more += "\n" + tail(error.log)
        say(f"{word} {time.monotonic() - start:6.1f} s  {name}{more}")
        if not vm.runs():
            raise Failed("the machine has ended; what was left was not checked", vm.console)
    return outcome


def talk(vm):
    """Commands from the terminal, for a look around after --keep."""
    signal.alarm(0)
    say("vm: kept; each line is a script for its bash; Ctrl-D ends it")
    for line in sys.stdin:
        answer = vm.run(line, timeout=600)
        say(answer.out + answer.err + (f"[{answer.status}]" if answer.status else ""))


def keep_logs(vm, logs):
    logs.mkdir(parents=True)
    if vm.runs():
        try:
            (logs / "journal.log").write_text(
                vm.run("journalctl --no-pager --boot --output short-monotonic", 30).out)
        except (Failed, OSError):
            pass  # It answers no more: its console says what there is to say.
    for path in (vm.console, vm.qemu_log):
        if path.exists():
            shutil.copyfile(path, logs / path.name)
    say(f"vm: logs are in {logs}")


def why_not_here():
    """What this machine lacks, or None."""
    if os.geteuid() != 0:
        return "needs root: its disks hold device nodes and others' files"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"no {', '.join(missing)} here; next: tools/setup vm" if missing else None


def run_machine(kind, checks, directory, logs, arguments):
    """A machine from its first boot to its end. Returns the Outcome of its checks."""
    if arguments.until is not None and time.time() > arguments.until:
        return make_checks(None, checks, arguments.until)  # It need not boot.
    system, roots = images_of(kind)
    (directory / kind).mkdir()
    vm = Machine(system, directory / kind, {"node": directory / node.DISK, **roots})
    vm.programs = node.Build(arguments.build_dir)
    cluster = SeedCluster(vm, directory / kind, logs / kind) if kind == JOIN else None
    try:
        if cluster:
            cluster.start()
        set_up(kind, vm)
        outcome = make_checks(vm, checks, arguments.until)
        if arguments.keep:
            talk(vm)
        return outcome
    finally:
        keep_logs(vm, logs / kind)
        vm.cut_power()
        if cluster:
            cluster.close()


def run_apart(kind, checks, directory, logs, arguments, found):
    """run_machine() in a process of its own, which sends its Outcome to `found`. One that ends
    otherwise, by a signal or an error that it tells of, sends nothing."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # And its own end is the machine's.
    try:
        found.send(run_machine(kind, checks, directory, logs, arguments))
    except (Failed, image.ImageError) as error:
        complain(error)
        sys.exit(1)
    except KeyboardInterrupt:  # The terminal's, and so the parent's: it tells of it.
        sys.exit(1)


class Fleet:
    """Machines in processes of their own, AT_ONCE at a time."""

    def __init__(self, run_one):
        """`run_one(kind, checks, found)` sends an Outcome to `found`."""
        self.run_one = run_one
        self.running = {}  # The end of its pipe -> machine, its checks, process.
        self.outcome = Outcome()

    def run(self, chosen):
        """`chosen`: machine -> checks. Returns their Outcome; where a machine ended before it said
        so, all its checks failed."""
        waiting = sorted(chosen, key=LONGEST_FIRST.index)
        try:
            while waiting or self.running:
                while waiting and len(self.running) < AT_ONCE:
                    kind = waiting.pop(0)
                    self.start(kind, chosen[kind])
                for found in multiprocessing.connection.wait(list(self.running)):
                    self.finish(found)
        finally:
            for _, _, process in self.running.values():
                process.terminate()  # It cuts its machine's power.
            for _, _, process in self.running.values():
                process.join()
        return self.outcome

    def start(self, kind, checks):
        found, end = multiprocessing.Pipe(duplex=False)
        # A run that is ended between a process's start and its entry would forget, and then wait
        # for, that process.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDS_OF_A_RUN)
        try:
            process = multiprocessing.Process(target=self.run_unblocked,
                                              args=(before, kind, checks, end))
            process.start()
            self.running[found] = kind, checks, process
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        end.close()  # So that its end is seen here.

    def run_unblocked(self, mask, kind, checks, found):
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        self.run_one(kind, checks, found)

    def finish(self, found):
        kind, checks, process = self.running.pop(found)
        try:
            self.outcome += found.recv()
        except EOFError:
            self.outcome += Outcome(failed=[name for name, _ in checks])
            say(f"FAILED: the machine for {kind} did not make its checks to the end")
        process.join()


def run(arguments):
    build = node.Build(arguments.build_dir)
    build.check()
    chosen = chosen_checks(arguments.only)
    if arguments.keep and len(chosen) > 1:
        raise Failed("--keep is for one machine; next: --only WORDS that only its checks have")
    begin = time.monotonic()
    kubernetes, lacking = programs_of_kubernetes() if JOIN in chosen else (None, None)
    if lacking:
        say(f"vm: skipped, {len(chosen.pop(JOIN))} checks of a join: {lacking}")
        if not chosen:
            return SKIP
    logs = build.directory / "tests/vm/logs"
    shutil.rmtree(logs, ignore_errors=True)
    directory = RunDirectory()
    try:
        for kind in chosen:
            images_of(kind)
        node.make_node_disk(build, directory.path, kubernetes)
        take_precedence()
        signal.alarm(TIME_LIMIT)
        if arguments.keep:
            outcome = run_machine(*next(iter(chosen.items())), directory.path, logs, arguments)
        else:
            outcome = Fleet(lambda kind, checks, found: run_apart(
                kind, checks, directory.path, logs, arguments, found)).run(chosen)
    finally:
        directory.close()
    minutes = (time.monotonic() - begin) / 60
    count = sum(len(checks) for checks in chosen.values()) - len(outcome.left_out)
    more = f", {len(outcome.left_out)} left out" if outcome.left_out else ""
    if outcome.failed:
        say(f"vm: FAILED in {minutes:.1f} min: {len(outcome.failed)} of {count}{more}: "
            + "; ".join(outcome.failed))
    else:
        say(f"vm: {count} checks passed in {minutes:.1f} min{more}")
    if outcome.failed:
        return 1
    return 0 if count else SKIP  # Nothing made is nothing passed.


def out_of_time(*_):
    raise Failed(f"not done after {TIME_LIMIT} s")


def main(argv):
    arguments = parse(argv)
    if arguments.list:
        for name, *_ in CHECKS:
            say(name)
        return 0
    lacking = why_not_here()
    if lacking:
        say(f"vm: skipped: {lacking}")
        return SKIP
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # So that the cleaning up happens.
    signal.signal(signal.SIGALRM, out_of_time)
    try:
        return run(arguments)
    except (Failed, image.ImageError) as error:
        complain(error)
        return 1
    except KeyboardInterrupt:
        print("vm: interrupted", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
