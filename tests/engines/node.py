"""Inside the namespaces: this machine as a GPU node with a simulated driver of four T4.

Its /usr has the parts' podman and C library laid over it, its /etc is a copy on write, and its /dev
and /run are the run's own. All that the tests write is on a tmpfs, which goes with the namespaces.
"""

import os
import pathlib
import re

import machine
import sandbox
from process import Failed, run

HERE = pathlib.Path(__file__).resolve().parent
PROFILE = HERE.parent / "fixtures/profiles/t4-x4.json"
TOOLKIT_CONFIG = pathlib.Path("/etc/nvidia-container-runtime/config.toml")
CDI_SPEC = pathlib.Path("/etc/cdi/nvidia.yaml")
# Where the driver's libraries lie. No loader of Debian or musl looks there by itself.
LIBRARIES = "/usr/lib64"
SIZE = "2g"
KEPT = "/run/gpunode"


class Build:
    """Where a build directory has the programs."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory).resolve()
        self.gpunode = self.directory / "apps/gpunode/gpunode"
        self.runtime = self.directory / "apps/runtime/gpunode-runtime"
        self.vectoradd = self.directory / "apps/vectoradd/gpunode-vectoradd"
        self.fixture = self.directory / "apps/runtime/libgpunode-fixture.so.1"
        self.cuda = self.directory / "tests/doubles/cuda/libcuda.so.1"
        self.nvml = self.directory / "tests/doubles/nvml/libnvidia-ml.so.1"
        self.fake_nvml = self.directory / "tests/doubles/nvml/fake-nvml"
        self.fake_runc = self.directory / "tests/doubles/runc/fake-runc"
        self.musl_probe = self.directory / "tests/engines/musl-probe"
        self.cri_run = self.directory / "tests/engines/cri-run"
        self.image = self.directory / "image/gpunode-agent.tar"
        self.engines_test = self.directory / "src/container/engines/container_engines_test"

    def check(self):
        missing = [str(path) for path in vars(self).values() if not path.exists()]
        if missing:
            raise Failed(f"not built: {', '.join(missing)}; next: ninja -C {self.directory}")


class Node:
    """The node, and where its parts are."""

    def __init__(self, build, parts, versions, state, cgroup):
        """`parts`: the cache's directory; `cgroup`: the run's, below which all containers are."""
        self.build, self.parts, self.versions = build, pathlib.Path(parts), versions
        self.cgroup = cgroup
        self.state = pathlib.Path(state)
        self.work = self.state / "work"
        self.driver = self.work / "driver"
        self.outside = self.work / "outside"
        self.debug = self.work / "debug.log"

    def part(self, name, program):
        """A program of a part."""
        for directory in ("usr/sbin", "usr/bin"):
            path = self.parts / name / directory / program
            if path.exists():
                return path
        raise Failed(f"{self.parts}/{name} has no {program}; next: parts.py --rebuild")

    def version_of(self, part, package):
        """Upstream's version of a package, without Debian's additions."""
        return re.split("[-+~]", self.versions[part][package].split(":")[-1])[0]

    def set_up(self):
        run(["ip", "link", "set", "lo", "up"])
        self.leave_hybrid_cgroups()
        machine.make_dev(self.state / "dev")
        machine.mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
        machine.bind(self.state / "gpunode", "/var/lib/gpunode")
        self.work.mkdir()
        machine.mount("-t", "tmpfs", "-o", f"mode=755,size={SIZE}", "tmpfs", self.work)
        machine.mount("-t", "overlay", "-o", f"ro,lowerdir={self.parts}/usr/usr:/usr",
                      "overlay", "/usr")
        for name in ("etc-upper", "etc-work"):
            (self.work / name).mkdir()
        machine.mount("-t", "overlay", "-o", f"lowerdir=/etc,upperdir={self.work}/etc-upper,"
                      f"workdir={self.work}/etc-work", "overlay", "/etc")
        # A kernel lets user namespaces mount /proc where one is seen whole, unlike that with the
        # simulated driver's files.
        (self.work / "proc").mkdir()
        machine.mount("-t", "proc", "proc", self.work / "proc")
        self.install_driver()
        for path in (TOOLKIT_CONFIG, CDI_SPEC):
            path.parent.mkdir(parents=True, exist_ok=True)

    @staticmethod
    def leave_hybrid_cgroups():
        """crun takes a cgroup2 mount beside version 1 for what systemd calls hybrid, and refuses.
        """
        mounts = sandbox.cgroup_mounts()
        if any(kind == "cgroup" for kind, _ in mounts):
            for kind, path in mounts:
                if kind == "cgroup2":
                    run(["umount", str(path)])

    def install_driver(self):
        run([str(self.build.fake_nvml), "tree", "--profile", str(PROFILE),
             "--root", str(self.driver), "--library", str(self.build.nvml),
             "--copy", str(self.build.cuda), "--copy", str(self.build.fixture)])
        laid = self.driver / "usr/lib/x86_64-linux-gnu"
        laid.rename(self.driver / LIBRARIES.lstrip("/"))
        machine.show_driver(self.driver)
        for node in (self.driver / "dev").iterdir():
            if not node.is_dir():
                machine.make_node(pathlib.Path("/dev") / node.name,
                                  (os.major(node.stat().st_rdev), os.minor(node.stat().st_rdev)))

    def library(self, stem):
        """Where the driver has `stem`.so.<its version>, and so the containers."""
        found = list((self.driver / LIBRARIES.lstrip("/")).glob(f"{stem}.so.*.*"))
        if len(found) != 1:
            raise Failed(f"the driver's root has {found} for {stem}")
        return f"{LIBRARIES}/{found[0].name}"

    def configure(self, low_level):
        """gpunode-runtime's configuration: which low-level runtime it becomes."""
        TOOLKIT_CONFIG.write_text(f"""\
[nvidia-container-cli]
root = "{self.driver}"
[nvidia-container-runtime]
runtimes = ["{low_level}"]
debug = "{self.debug}"
""")
        self.debug.unlink(missing_ok=True)

    def generate_spec(self):
        """As an administrator does it."""
        run([str(self.build.gpunode), "cdi", "generate", "--driver-root", str(self.driver),
             "--dev-root", "/", "--hook-path", str(self.build.runtime), "--output", str(CDI_SPEC)])

    @staticmethod
    def spec_is_gone():
        CDI_SPEC.unlink(missing_ok=True)

    def left(self):
        """What a container could leave behind, but for what is to be kept: engines' state, and what
        the runtime found of the driver. Not in /tmp, which is the machine's and everybody's."""
        names = {f"mount {line.split()[4]}" for line in
                 pathlib.Path("/proc/self/mountinfo").read_text().splitlines()}
        for directory in ("/run", "/dev", "/var/lib/gpunode", "/etc", self.outside):
            for path, directories, files in os.walk(directory):
                # Terminals are the machine's: others open and close them meanwhile.
                if path == "/dev/pts":
                    continue
                names.update(f"file {path}/{name}" for name in directories + files
                             if not f"{path}/{name}".startswith(KEPT))
        for _, mount in sandbox.cgroup_mounts():
            for path, directories, _ in os.walk(mount / self.cgroup):
                names.update(f"cgroup {path}/{name}" for name in directories)
        return names
