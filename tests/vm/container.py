"""A container in a test machine, with the systemd cgroup driver. One is made as an engine makes it: a
bundle, then `create` and `start` of the runtime, then `kill` and `delete`; the other by containerd."""

import json
import shlex

from machine import Failed

BUNDLES = "/run/vm-containers"
STATE = f"{BUNDLES}/state"

NAMESPACES = ("pid", "ipc", "uts", "mount", "network", "cgroup")
# containerd's, as far as these containers need them; MKNOD lets them try any device.
CAPABILITIES = ("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL", "CAP_MKNOD")
MOUNTS = (
    {"destination": "/proc", "type": "proc", "source": "proc",
     "options": ["nosuid", "noexec", "nodev"]},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
     "options": ["nosuid", "strictatime", "mode=755", "size=64k"]},
    {"destination": "/sys", "type": "sysfs", "source": "sysfs",
     "options": ["nosuid", "noexec", "nodev", "ro"]},
)
NVIDIA_MAJOR = 195
SEARCH_PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"


def config(name, args, environment, devices):
    """config.json: what an engine writes, with `devices` as its own --device does it."""
    nodes = [{"path": path, "type": "c", "major": major, "minor": minor, "fileMode": 0o666,
              "uid": 0, "gid": 0} for path, (major, minor) in devices.items()]
    rules = [{"allow": True, "type": "c", "major": major, "minor": minor, "access": "rw"}
             for major, minor in devices.values()]
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False, "user": {"uid": 0, "gid": 0}, "args": list(args), "cwd": "/",
            "env": [SEARCH_PATH, *environment],
            "capabilities": {kind: list(CAPABILITIES)
                             for kind in ("bounding", "effective", "permitted")},
            "noNewPrivileges": True},
        "root": {"path": "rootfs"},
        "hostname": name,
        "mounts": list(MOUNTS),
        "linux": {
            "cgroupsPath": f"system.slice:vm:{name}",
            "namespaces": [{"type": kind} for kind in NAMESPACES],
            "devices": nodes,
            "resources": {"devices": [{"allow": False, "access": "rwm"}, *rules]}},
    }


class Container:
    """`root` is the name of a machine's disk: its files are the container's, in an overlay."""

    def __init__(self, vm, name, runtime="gpunode-runtime", root="debian11",
                 args=("sleep", "infinity"), environment=(), devices=None, files=None):
        """`files`: the machine's file -> where its root has a copy."""
        self.vm, self.name, self.runtime, self.root = vm, name, runtime, root
        self.files = dict(files or {})
        self.bundle = f"{BUNDLES}/{name}"
        self.unit = f"vm-{name}.scope"
        self.config = json.dumps(config(name, args, environment, devices or {}))

    def __enter__(self):
        self.make_root()
        try:
            self.start()
        except Failed:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def make_root(self):
        self.vm.sh(f"""
mkdir -p {self.bundle}/upper {self.bundle}/work {self.bundle}/rootfs {STATE}
mount -t overlay overlay {self.bundle}/rootfs -o \
lowerdir=/disks/{self.root},upperdir={self.bundle}/upper,workdir={self.bundle}/work
""")
        for source, inside in self.files.items():
            self.vm.sh(f"install -D {source} {self.bundle}/rootfs{inside}")

    def call(self, *words):
        """A call of the runtime, as a line for the shell."""
        return (f"{self.runtime} --root {STATE} --log {self.bundle}/log.json --log-format json"
                f" --systemd-cgroup {shlex.join(words)}")

    def inside(self, *words):
        """A program in it, as a line for the shell."""
        return self.call("exec", self.name, *words)

    def start_script(self):
        """`create` and `start`; the container's output goes to a file."""
        return f"""
cat >{self.bundle}/config.json <<'JSON'
{self.config}
JSON
{self.call("create", "--bundle", self.bundle, self.name)} >{self.bundle}/out 2>&1 \
  || {{ cat {self.bundle}/out {self.bundle}/log.json >&2; exit 1; }}
{self.call("start", self.name)}
"""

    def stop_script(self):
        return f"""
{self.call("kill", self.name, "KILL")} 2>/dev/null || :
for n in {{1..200}}; do
  case $({self.call("state", self.name)}) in *'"status": "stopped"'*) break ;; esac
  sleep 0.1
done
{self.call("delete", self.name)}
"""

    def start(self):
        self.vm.sh(self.start_script())

    def stop(self):
        self.vm.sh(self.stop_script())

    def output(self):
        """All that it printed, once it has ended by itself."""
        return self.vm.sh(f"""
for n in {{1..600}}; do
  case $({self.call("state", self.name)}) in *'"status": "stopped"'*) break ;; esac
  sleep 0.1
done
cat {self.bundle}/out
""")

    def close(self):
        self.vm.run(self.call("delete", "--force", self.name))
        self.vm.sh(f"umount {self.bundle}/rootfs; rm -rf {self.bundle}")

    def may_open(self, count):
        """Which of the first `count` GPUs' nodes the kernel lets it open; it makes those it lacks.
        """
        script = f"""
for gpu in $(seq 0 {count - 1}); do
  test -e /dev/nvidia$gpu || mknod -m 666 /dev/nvidia$gpu c {NVIDIA_MAJOR} $gpu
  echo "$gpu: $( (exec 3<>/dev/nvidia$gpu) 2>&1)"
done
"""
        said = self.vm.sh(self.inside("sh", "-c", script))
        allowed = []
        for gpu, line in enumerate(said.splitlines()):
            if "No such device or address" in line:
                allowed.append(gpu)
            elif "Operation not permitted" not in line:
                raise Failed(f"{self.name}: an open of GPU {line}")
        return allowed


class EngineContainer(Container):
    """By containerd and its shim, in a cgroup as its CRI part names them. It needs no image."""

    def __init__(self, vm, name, root="debian11", args=("sleep", "infinity"), environment=()):
        super().__init__(vm, name, root=root)
        self.args, self.environment = args, environment

    def start_script(self):
        environment = " ".join(f"--env {shlex.quote(setting)}"
                               for setting in (SEARCH_PATH, *self.environment))
        return (f"ctr run --detach --runc-binary /usr/bin/gpunode-runtime --runc-systemd-cgroup"
                f" --cgroup system.slice:cri-containerd:{self.name} {environment}"
                f" --rootfs {self.bundle}/rootfs {self.name} {shlex.join(self.args)}")

    def inside(self, *words):
        return f"ctr task exec --exec-id vm {self.name} {shlex.join(words)}"

    def close(self):
        self.vm.run(f"ctr task kill --signal KILL {self.name}; ctr task delete {self.name};"
                    f" ctr container delete {self.name}")
        self.vm.sh(f"umount {self.bundle}/rootfs; rm -rf {self.bundle}")
