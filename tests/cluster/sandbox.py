"""The machine inside the machine in which a cluster runs, and its end. tests/engines has its own.

The cluster lives in PID, mount, network, IPC and UTS namespaces of its own. So its ports are free,
its /dev, /run and /var/lib/kubelet are not the machine's, and its end is the kernel's work: when
the namespaces' first process is gone, for whatever reason, so is every process, shim, container,
mount and interface. What the kernel does not take away is a run's directory and its cgroups; the
run itself removes them, or, when it was killed, the next one: a run holds a lock while it lives.
"""

import fcntl
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from process import Failed, wait_until

BASE = "gpunode-cluster"

# Directories that the kubelet, CNI and gpunode have built in: mount points for the run's own.
FIXED_DIRECTORIES = ("/var/lib/kubelet", "/var/lib/cni", "/var/lib/gpunode")


def cgroup_mounts():
    """Where cgroup hierarchies are mounted: one in version 2, one a controller in version 1."""
    found = []
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        left, right = line.split(" - ", 1)
        kind = right.split()[0]
        if kind in ("cgroup", "cgroup2"):
            found.append((kind, pathlib.Path(left.split()[4])))
    return found


def hierarchies():
    """The mounts that a kubelet uses. With version 1 a bare cgroup2 mount beside it is not one."""
    mounts = cgroup_mounts()
    version1 = [path for kind, path in mounts if kind == "cgroup"]
    return version1 or [path for _, path in mounts]


def make_cgroup(name):
    for mount in hierarchies():
        group = mount / name
        group.mkdir(exist_ok=True)
        for knob in ("cpuset.cpus", "cpuset.mems"):  # Version 1: a new cpuset is empty.
            parent = mount / knob
            if parent.exists() and (group / knob).exists():
                (group / knob).write_text(parent.read_text())


def remove_cgroup(name):
    """Removes the group with all below it, once the kernel has let its dead go.

    From every mount: runc makes it in a bare cgroup2 mount too.
    """
    for _, mount in cgroup_mounts():
        top = mount / name
        deadline = time.monotonic() + 10
        while top.exists():
            busy = None
            for directory, _, _ in os.walk(top, topdown=False):
                try:
                    os.rmdir(directory)
                except OSError as error:
                    busy = error
            if busy is not None and time.monotonic() > deadline:
                print(f"cluster: {top} could not be removed: {busy}", file=sys.stderr)
                break
            if top.exists():
                time.sleep(0.02)


class Run:
    """One run's directory, lock and cgroup, outside the namespaces."""

    def __init__(self, base=None, name=BASE):
        """`name`: of what runs; its runs, living and killed, are nobody else's business."""
        base = base or os.environ.get("GPUNODE_CLUSTER_DIR") or "/var/tmp"
        self.base = pathlib.Path(base) / name
        try:
            self.base.mkdir(mode=0o755, parents=True, exist_ok=True)
        except OSError as error:
            raise Failed(f"{self.base}: {error.strerror}; next: set GPUNODE_CLUSTER_DIR") from error
        self.sweep()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="run-", dir=self.base))
        self.directory.chmod(0o755)
        self.lock = self.take_lock(self.directory)
        self.cgroup = self.cgroup_of(self.directory)
        self.child = None

    @staticmethod
    def take_lock(directory):
        lock = open(directory / "lock", "w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return None
        return lock

    def sweep(self):
        """Removes what killed runs have left."""
        for directory in self.base.glob("run-*"):
            lock = self.take_lock(directory)
            if lock is not None:  # Else it is somebody's living run.
                with lock:
                    self.remove(directory)

    @staticmethod
    def cgroup_of(directory):
        return f"{directory.parent.name}-{directory.name}"

    @staticmethod
    def remove(directory):
        """Removes a run's cgroup, its mount points and its directory, which knows both."""
        remove_cgroup(Run.cgroup_of(directory))
        for path in FIXED_DIRECTORIES:
            if (directory / "made" / pathlib.Path(path).name).exists():
                try:
                    os.rmdir(path)
                except OSError:
                    pass  # Somebody uses it by now.
        shutil.rmtree(directory, ignore_errors=True)

    def prepare(self):
        make_cgroup(self.cgroup)
        (self.directory / "made").mkdir()
        for path in map(pathlib.Path, FIXED_DIRECTORIES):
            if not path.exists():
                (self.directory / "made" / path.name).touch()
                path.mkdir(parents=True)

    def inside_pid(self):
        """The pid of the namespaces' process 1 as this side counts, for nsenter; None before it is.
        """
        for status in pathlib.Path("/proc").glob("[0-9]*/status"):
            try:
                text = status.read_text()
            except OSError:
                continue  # It has ended meanwhile.
            if f"\nPPid:\t{self.child.pid}\n" in text:
                return int(status.parent.name)
        return None

    def enter(self, argv, timeout, when_inside=None):
        """Runs argv as the child of the namespaces' first process; returns its exit code.

        when_inside(pid) is called with that first process's pid once it is there.
        """
        self.prepare()
        command = [
            # Killed runs take their namespaces with them: setpriv ties unshare to this process,
            # unshare its child to itself.
            "setpriv", "--pdeathsig", "KILL",
            "unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork",
            "--kill-child=KILL", "--mount-proc", "--propagation", "private",
            sys.executable, str(pathlib.Path(__file__).resolve()), *argv,
        ]
        self.child = subprocess.Popen(command, process_group=0, stdin=subprocess.DEVNULL)
        if when_inside is not None:
            when_inside(wait_until(self.inside_pid, "the namespaces are made", 30))
        try:
            return self.child.wait(timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise Failed(f"the run was not over after {timeout} s") from error

    def close(self):
        if self.child is not None and self.child.poll() is None:
            self.child.kill()  # --kill-child: the namespaces' first process goes with it.
            self.child.wait()
        self.remove(self.directory)
        self.lock.close()


def first_process(argv):
    """Process 1 of the namespaces: reaps whoever is orphaned, ends with its own child."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # The run ends by its parent's SIGKILL.
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.execv(argv[0], argv)
    while True:
        try:
            pid, status = os.wait()
        except InterruptedError:
            continue
        if pid == child:
            # The kernel now kills everybody else in the namespace.
            return os.waitstatus_to_exitcode(status) & 0xff


if __name__ == "__main__":
    sys.exit(first_process(sys.argv[1:]))
