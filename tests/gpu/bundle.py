"""OCI bundles whose root has a C library and nothing of a driver, run through gpunode-runtime."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import uuid

MOUNTS = (
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
     "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
    {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
     "options": ["nosuid", "noexec", "nodev", "mode=1777"]},
    {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["mode=1777"]},
)
CAPABILITIES = ("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL")


def libraries_of(program):
    """The files that the loader maps for a program of this host, the loader among them."""
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return re.findall(r"(/\S+) \(0x", said)


def copy_program(root, program, name):
    """`program` as /usr/bin/`name` of a root, with what it is linked to."""
    for path in libraries_of(program):
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    (root / "usr/bin").mkdir(parents=True, exist_ok=True)
    shutil.copy(program, root / "usr/bin" / name)


class Ended:
    """What became of one container."""

    def __init__(self, status, output):
        self.status, self.output = status, output

    def __repr__(self):
        return f"exit status {self.status}: {self.output.strip()}"


class Bundles:
    """Containers, one after another, under one directory."""

    def __init__(self, directory, runtime, config):
        """`config`: text of the config.toml that the runtime reads."""
        self.directory, self.runtime = pathlib.Path(directory), str(runtime)
        self.directory.mkdir(parents=True, exist_ok=True)
        toml = self.directory / "config.toml"
        toml.write_text(config)
        self.environment = dict(os.environ, NVIDIA_CTK_CONFIG_FILE_PATH=str(toml))

    def run(self, root, arguments, environment=(), is_copy=True):
        """Creates, starts and deletes a container of `root`, or of a copy that nobody has used; its
        end and all it printed. By the verbs that engines call: `run` would pass the shim by."""
        name = f"gpunode-test-{uuid.uuid4().hex[:12]}"
        bundle = self.directory / name
        bundle.mkdir()
        if is_copy:
            root = shutil.copytree(root, bundle / "rootfs", symlinks=True)
        (bundle / "config.json").write_text(json.dumps({
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": 0, "gid": 0}, "args": list(arguments), "cwd": "/",
                "env": ["PATH=/usr/local/nvidia/bin:/usr/local/bin:/usr/bin:/bin", *environment],
                "capabilities": {kind: list(CAPABILITIES)
                                 for kind in ("bounding", "effective", "permitted")},
                "noNewPrivileges": True},
            "root": {"path": str(root)},
            "mounts": list(MOUNTS),
            "linux": {
                "namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")],
                "resources": {"devices": [{"allow": False, "access": "rwm"}]}}}))
        try:
            create = self.call("create", "--bundle", bundle, "--pid-file", bundle / "pid", name,
                               output=bundle / "output")
            if create != 0:
                return Ended(create, (bundle / "output").read_text(errors="replace"))
            pid = int((bundle / "pid").read_text())
            started = self.call("start", name, output=bundle / "output")
            status = self.wait(pid) if started == 0 else started
            return Ended(status, (bundle / "output").read_text(errors="replace"))
        finally:
            self.call("delete", "--force", name, output=bundle / "output")
            shutil.rmtree(bundle)

    def call(self, *words, output):
        with open(output, "ab") as sink:
            return subprocess.run([self.runtime, *map(str, words)], env=self.environment,
                                  stdin=subprocess.DEVNULL, stdout=sink, stderr=sink).returncode

    @staticmethod
    def wait(pid):
        """The container's first process is this one's child: this one asked to have orphans."""
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
