"""Processes that the test owns by pid, and waiting for conditions without sleeping blindly."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time


class Failed(Exception):
    """A claim does not hold. The text is for a person; `log` is the file to look into, if any."""

    def __init__(self, text, log=None):
        super().__init__(text)
        self.log = log


def tail(path, lines=15):
    """A log's last lines under its name, for a person; or a word about why there are none."""
    try:
        text = pathlib.Path(path).read_text(errors="replace")
        last = text.splitlines()[-lines:] or ["(empty)"]
    except OSError as error:
        last = [f"({error.strerror})"]
    return "\n".join([f"    the end of {path}:", *("      " + line[:300] for line in last)])


def program(name):
    """Its path."""
    path = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if path is None:
        raise Failed(f"{name} is missing; next: tools/setup cluster")
    return path


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A long-running program with its output in a log file; restarted, it appends to it."""

    def __init__(self, name, argv, log, env=None, cwd=None):
        self.name, self.argv, self.log, self.env, self.cwd = name, argv, pathlib.Path(log), env, cwd
        self.popen = None
        self.log_start = 0
        self.expected = False  # True while it ought to be alive: guard() looks at it.

    def start(self):
        with open(self.log, "ab") as log:
            self.log_start = log.tell()
            try:
                # A process group of its own: a Ctrl-C at the terminal is ours to act on.
                self.popen = subprocess.Popen(
                    self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env,
                    cwd=self.cwd, process_group=0)
            except OSError as error:
                raise Failed(
                    f"{self.name}: cannot start {self.argv[0]}: {error.strerror}") from error
        self.expected = True
        return self

    @property
    def pid(self):
        return self.popen.pid

    def log_since_start(self):
        """What this incarnation has said so far."""
        with open(self.log, "rb") as log:
            log.seek(self.log_start)
            return log.read().decode(errors="replace")

    def alive(self):
        return self.popen is not None and self.popen.poll() is None

    def kill(self):
        """SIGKILL, and waits for the end: what a crash looks like to everyone else."""
        self.expected = False
        if self.alive():
            self.popen.kill()
            self.popen.wait(timeout=30)

    def stop(self, timeout=20):
        """SIGTERM, waits, SIGKILL if need be. Returns the seconds that the end took."""
        self.expected = False
        start = time.monotonic()
        if self.alive():
            self.popen.send_signal(signal.SIGTERM)
            try:
                self.popen.wait(timeout=timeout)
            except subprocess.TimeoutExpired:
                self.kill()
        return time.monotonic() - start


class Processes:
    """Those of one cluster; a wait that can't come true since one died ends at once."""

    def __init__(self):
        self.all = []

    def start(self, *arguments, **keywords):
        process = Process(*arguments, **keywords).start()
        self.all.append(process)
        return process

    def guard(self):
        for process in self.all:
            if process.expected and not process.alive():
                process.expected = False  # Said once.
                raise Failed(f"{process.name} ended by itself with {process.popen.returncode}",
                             process.log)

    def stop(self):
        for process in reversed(self.all):
            process.stop(timeout=5)


def wait_until(condition, what, timeout, processes=None):
    """Polls until condition() is true and returns its value.

    `what` is words for the message, or a function that makes them when the time is over.
    """
    deadline = time.monotonic() + timeout
    pause = 0.02
    while True:
        value = condition()
        if value:
            return value
        if processes is not None:
            processes.guard()
        if time.monotonic() > deadline:
            raise Failed(f"not within {timeout} s: {what() if callable(what) else what}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.3)


def run(argv, timeout=120, env=None, stdin=None, check=True):
    """Runs a short command to its end; its output is in the error when it fails."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, env=env,
                              input=stdin or "", errors="replace", check=False)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{os.path.basename(argv[0])}: not done within {timeout} s") from error
    except OSError as error:
        raise Failed(f"cannot start {argv[0]}: {error.strerror}") from error
    if check and done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise Failed(f"{' '.join(map(str, argv))}: ended with {done.returncode}: {said}")
    return done
