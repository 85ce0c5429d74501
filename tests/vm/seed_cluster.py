"""The cluster that the machine for joins joins: a control plane of real programs beside it, on this machine's loopback, and the
machine's only way out leads to it."""

import pathlib
import shutil
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "cluster"))
import build_kubernetes  # noqa: E402
import control_plane  # noqa: E402
from control_plane import ControlPlane  # noqa: E402
from process import tail  # noqa: E402

ENDPOINT = "10.0.2.100:6443"  # In the machine.
MEMORY_MIB = 2048
NEEDED = ("etcd", "openssl")


def programs_of_kubernetes():
    """The directory that has them, made if need be, and None; or None and why there is none."""
    missing = [name for name in NEEDED if shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin") is None]
    if missing:
        return None, f"no {', '.join(missing)} here; next: tools/setup cluster"
    try:
        return build_kubernetes.ensure(), None
    except build_kubernetes.BuildError as error:
        return None, str(error)


class SeedCluster:
    """A control plane for one machine, `vm.cluster`."""

    def __init__(self, vm, directory, logs):
        self.state, self.logs = directory / "control-plane", logs
        self.state.mkdir()
        self.plane = ControlPlane(build_kubernetes.ensure(quiet=True), self.state, ENDPOINT)
        vm.cluster = self.plane
        # By the second one it is reached as the service `kubernetes`: its own port is what the server says of itself.
        vm.reaches = {ENDPOINT: self.plane.port, f"{control_plane.ADDRESS}:{self.plane.port}": self.plane.port}
        vm.memory_mib = MEMORY_MIB

    def start(self):
        self.plane.start()

    def close(self):
        self.plane.stop()
        self.logs.mkdir(parents=True, exist_ok=True)
        for log in self.state.glob("*.log"):
            shutil.copyfile(log, self.logs / log.name)

    def words(self):
        return "\n".join(tail(log) for log in sorted(self.state.glob("*.log")))
