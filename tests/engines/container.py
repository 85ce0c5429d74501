"""OCI bundles, run as an engine does it: create, start, wait, delete of gpunode-runtime."""

import contextlib
import ctypes
import json
import os
import pathlib
import shutil
import subprocess

import roots

MOUNTS = (
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
     "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
)
CAPABILITIES = ("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL", "CAP_MKNOD")
PR_SET_CHILD_SUBREAPER = 36
# Root of a container with a user namespace, as the host counts.
MAPPED_ROOT = 100000


@contextlib.contextmanager
def having_orphans():
    """Containers' first processes are this one's children meanwhile, to be waited for. Not longer:
    an engine's processes that nobody waits for would not end."""
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


class Ended:
    """What became of a container."""

    def __init__(self, status, output, is_created):
        """`is_created`: the container's own program ran; else the status is the runtime's."""
        self.status, self.output, self.is_created = status, output.strip(), is_created

    def __str__(self):
        who = "container" if self.is_created else "runtime"
        return f"{who} ended with {self.status}: {self.output}"


class Container:
    """A bundle with a root of its own, to be run any number of times."""

    def __init__(self, node, name, make_root, user_namespace=False, read_only=False,
                 runtime=None, mounts=(), hooks=None):
        """`make_root(node, path)`: of roots.py. `runtime`: else gpunode-runtime. `mounts` and
        `hooks`: as config.json has them."""
        self.node, self.name = node, name
        self.runtime = str(runtime or node.build.runtime)
        self.mounts, self.hooks = mounts, hooks or {}
        self.bundle = node.work / "bundles" / name
        self.root = self.bundle / "rootfs"
        self.user_namespace, self.read_only = user_namespace, read_only
        self.bundle.mkdir(parents=True)
        make_root(node, self.root)
        if user_namespace:
            roots.give_to(self.root, MAPPED_ROOT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.bundle)

    def config(self, arguments, environment):
        linux = {
            "cgroupsPath": f"/{self.node.cgroup}/{self.name}",
            "namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")],
            "resources": {"devices": [{"allow": False, "access": "rwm"}]}}
        if self.user_namespace:
            mapping = [{"containerID": 0, "hostID": MAPPED_ROOT, "size": 65536}]
            linux["namespaces"].append({"type": "user"})
            linux |= {"uidMappings": mapping, "gidMappings": mapping}
        return {
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": 0, "gid": 0}, "args": list(arguments), "cwd": "/",
                "env": ["PATH=/usr/bin:/bin", *environment], "noNewPrivileges": True,
                "capabilities": {kind: list(CAPABILITIES)
                                 for kind in ("bounding", "effective", "permitted")}},
            "root": {"path": "rootfs", "readonly": self.read_only},
            "mounts": [*MOUNTS, *self.mounts], "hooks": self.hooks, "linux": linux}

    def call(self, *words, output):
        argv = [self.runtime, "--root", str(self.node.work / "runtime-state"), *map(str, words)]
        with open(output, "ab") as sink:
            return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink,
                                  check=False).returncode

    def run(self, script, environment=()):
        """Runs the shell's script to its end, as an engine would."""
        with having_orphans():
            return self.run_as_parent(script, environment)

    def run_as_parent(self, script, environment):
        output = self.bundle / "output"
        output.unlink(missing_ok=True)
        (self.bundle / "config.json").write_text(
            json.dumps(self.config(["/busybox", "sh", "-c", script], environment)))
        status = self.call("create", "--bundle", self.bundle, "--pid-file", self.bundle / "pid",
                           self.name, output=output)
        is_created = status == 0
        try:
            if is_created:
                pid = int((self.bundle / "pid").read_text())
                status = self.call("start", self.name, output=output)
            if is_created and status == 0:
                status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            said = output.read_text(errors="replace")
        finally:
            self.call("delete", "--force", self.name, output=os.devnull)
            for name in ("output", "pid", "config.json"):
                (self.bundle / name).unlink(missing_ok=True)
        return Ended(status, said, is_created)

    def files(self):
        """Every name in the bundle, with what it is: what a container leaves there."""
        found = {}
        for path in pathlib.Path(self.bundle).rglob("*"):
            kind = os.lstat(path)
            found[str(path)] = (kind.st_mode, kind.st_size if path.is_file() else 0,
                                os.readlink(path) if path.is_symlink() else "")
        return found
