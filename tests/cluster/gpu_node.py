"""The node's GPUs, simulated, and the agent that offers them: NVML double, /dev/nvidia* nodes and
gpunode-agent with the seed's configuration."""

import json
import pathlib
import signal

import images
import machine
from cluster import SANDBOX_IMAGE
from process import Failed, run

HERE = pathlib.Path(__file__).resolve().parent
FIXTURES = HERE.parent / "fixtures/profiles"
SEED_CONFIG = HERE / "seed/config.map.default"
SEED_IMAGE = "nvcr.io/nvidia/k8s/cuda-sample:vectoradd-cuda10.2"
HOLDER_IMAGE = "gpunode.test/holder:1"
GREEDY_IMAGE = "gpunode.test/greedy:1"
TAKER_IMAGE = "gpunode.test/cuda-taker:1"
BROKEN_IMAGE = "gpunode.test/vectoradd-broken-gpu:1"
PLUGIN_DIRECTORY = pathlib.Path("/var/lib/kubelet/device-plugins")


class Profile:
    """A simulated machine: its profile, and what a node of it offers with the seed's config."""

    def __init__(self, name, gpus, replicas=20):
        self.name, self.gpus = name, gpus
        self.file = FIXTURES / f"{name}.json"
        self.shares = gpus * replicas


# The runtime's. Images get from it what they were granted and nothing else; the agent's own Pod
# (checks_helm.py) watches over every GPU and is granted none.
TOOLKIT_CONFIG = """\
[nvidia-container-cli]
root = "{root}"
[gpunode]
require-allocation = true
exempt-namespaces = ["nvidia-device-plugin"]
"""

A10G = Profile("a10g-x1", 1)
T4 = Profile("t4-x4", 4)


class Build:
    """Where a build directory has the programs."""

    def __init__(self, directory, agent=None, other=None):
        self.directory = pathlib.Path(directory).resolve()
        self.agent = pathlib.Path(agent or self.directory / "apps/agent/gpunode-agent")
        self.has_shares = not agent
        self.vectoradd = self.directory / "apps/vectoradd/gpunode-vectoradd"
        self.holder = self.directory / "tests/cluster/gpunode-cluster-holder"
        self.cuda = self.directory / "tests/doubles/cuda/libcuda.so.1"
        self.nvml = self.directory / "tests/doubles/nvml/libnvidia-ml.so.1"
        self.fake_nvml = self.directory / "tests/doubles/nvml/fake-nvml"
        self.gpunode = self.directory / "apps/gpunode/gpunode"
        self.runtime = self.directory / "apps/runtime/gpunode-runtime"
        self.share_library = self.directory / "src/share/intercept/libgpunode-cuda.so"
        self.taker = self.directory / "tests/share/cuda_taker"
        self.image = self.directory / "image/gpunode-agent.tar"
        self.host_image = self.directory / "image/gpunode-host.tar"
        self.other_plugin = self.directory / "tests/cluster/gpunode-cluster-other-plugin"
        self.other = pathlib.Path(other) if other else None  # NVIDIA's own, in its place.

    def check(self):
        paths = [path for path in vars(self).values() if isinstance(path, pathlib.Path)]
        missing = [str(path) for path in paths if not path.exists()]
        if missing:
            raise Failed(f"not built: {', '.join(missing)}; next: ninja -C {self.directory}")


class GpuNode:
    """Owns the agent's process and the simulated driver."""

    def __init__(self, cluster, build):
        self.cluster, self.build = cluster, build
        self.profile = None
        self.agent = None
        self.config = cluster.state / "config.yaml"
        self.config.write_bytes(SEED_CONFIG.read_bytes())
        self.control = cluster.state / "nvml.control"

    # The agent.

    def run_agent(self, profile):
        """Makes this a machine with the profile's GPUs, with the agent running."""
        if self.profile is profile and self.agent is not None and self.agent.alive():
            return
        if self.agent is not None:
            self.agent.stop()
            self.cluster.processes.all.remove(self.agent)
        self.install_driver(profile)
        self.start_agent()

    def agent_argv(self, *flags):
        return [str(self.build.agent), "--config-file", str(self.config),
                "--driver-root-ctr-path", str(self.driver_root()), *self.share_flags(), *flags]

    def share_flags(self):
        # NVIDIA's plugin, in the agent's place, has no such thing.
        return [f"--share-library={self.build.share_library}"] if self.build.has_shares else []

    def start_agent(self):
        argv = self.agent_argv()
        name = f"{self.build.agent.name}-{self.profile.name}"
        self.agent = self.cluster.processes.start(
            name, argv, self.cluster.logs / f"{name}.log",
            env={"PATH": "/usr/bin:/bin", "GPUNODE_FAKE_NVML_CONTROL": str(self.control)})

    def restart_agent(self, *flags):
        """Once more, with these flags besides its usual ones."""
        self.agent.stop()
        self.agent.argv = self.agent_argv(*flags)
        self.agent.start()

    def ids(self, replicas):
        """The ids of NVIDIA's plugin and of ours for so many replicas of each GPU."""
        gpus = json.loads(self.profile.file.read_text())["gpus"]
        return [f"{gpu['uuid']}::{n}" for gpu in gpus for n in range(replicas)]

    def start_other_plugin(self, replicas):
        """Another device plugin, with the ids that the agent has for so many replicas of each GPU."""
        # Called so, it is NVIDIA's plugin to whoever looks at the process.
        program = self.cluster.state / "nvidia-device-plugin"
        program.unlink(missing_ok=True)
        program.symlink_to(self.build.other or self.build.other_plugin)
        environment = {"PATH": "/usr/bin:/bin", "GPUNODE_FAKE_NVML_CONTROL": str(self.control)}
        if self.build.other:
            argv = ["--config-file", str(self.config), "--driver-root-ctr-path",
                    str(self.driver_root())]
            environment["LD_LIBRARY_PATH"] = str(self.build.nvml.parent)
        else:
            argv = self.ids(replicas)
        return self.cluster.processes.start(
            "other-plugin", [str(program), *argv], self.cluster.logs / "other-plugin.log",
            env=environment)

    def status(self):
        """What `gpunode status --json` says, with its exit code as "code"."""
        ended = run([str(self.build.gpunode), "status", "--json"], timeout=20, check=False)
        return json.loads(ended.stdout) | {"code": ended.returncode}

    def verify(self, *flags):
        """What levels 5 and 6 of `gpunode verify` say, with the exit code as "code"."""
        ended = run([str(self.build.gpunode), "verify", "--from", "5", "--level", "6", "--json",
                     *map(str, flags)], timeout=360, check=False)
        return json.loads(ended.stdout) | {"code": ended.returncode}

    def configure(self, old="", new=""):
        """The seed's configuration with `old` replaced, as an edit does it; then SIGHUP."""
        text = SEED_CONFIG.read_text()
        if old not in text:
            raise Failed(f"the seed's configuration has no {old}")
        half = self.config.with_suffix(".new")
        half.write_text(text.replace(old, new))
        half.rename(self.config)
        self.agent.popen.send_signal(signal.SIGHUP)

    def reset(self):
        """After a failed check: the seed's config, a driver without faults and a new agent."""
        self.fake_nvml("reset")
        self.config.write_bytes(SEED_CONFIG.read_bytes())
        if self.agent is not None:
            self.restart_agent()

    # The simulated driver.

    def driver_root(self):
        return self.cluster.state / f"driver-root-{self.profile.name}"

    def install_driver(self, profile):
        """The files and nodes of a driver below its root, and what its modules show."""
        self.profile = profile
        self.fake_nvml("reset")
        self.fake_nvml("tree", "--profile", str(profile.file), "--root", str(self.driver_root()),
                       "--library", str(self.build.nvml), "--copy", str(self.build.cuda))
        machine.show_driver(self.driver_root())
        self.cluster.toolkit_config.write_text(TOOLKIT_CONFIG.format(root=self.driver_root()))

    def fake_nvml(self, *arguments):
        run([str(self.build.fake_nvml), "--control", str(self.control), *arguments], timeout=20)

    def driver_down(self):
        self.fake_nvml("driver", "down")

    def driver_up(self):
        self.fake_nvml("driver", "up")

    def xid(self, gpu, number):
        self.fake_nvml("xid", str(gpu), str(number))


def configure_runtime(cluster, build):
    """Makes ours the default runtime, as an operator would: the seed's section on containerd."""
    # Called so, it is NVIDIA's runtime to whoever looks at the configuration.
    runtime = cluster.state / "nvidia-container-runtime"
    runtime.symlink_to(build.runtime)
    run([str(build.gpunode), "runtime", "configure", "--runtime", "containerd",
         "--config", str(cluster.containerd_config), "--drop-in-config", "none",
         "--set-as-default",
         "--runtime-path", str(runtime)], timeout=60)


def import_images(cluster, build):
    """The sandbox, the seed's image, holders, a GPU that computes wrongly, the agent, and what
    brings gpunode to hosts.

    There is nothing of a driver in them: it comes from the node.
    """
    root = images.RootDirectory(cluster.state / "image-holder")
    root.add(build.holder, "/holder")
    # A static program alone could not be held to a share, and would be refused (docs/adr/0027).
    for path, file in images.needed_libraries(build.vectoradd).items():
        if "/ld-linux" in path:
            root.add(file, path)
    cluster.import_image(SANDBOX_IMAGE, root, ["/holder"])
    cluster.import_image(HOLDER_IMAGE, root, ["/holder"])
    # As every CUDA image has it.
    cluster.import_image(GREEDY_IMAGE, root, ["/holder"], ["NVIDIA_VISIBLE_DEVICES=all"])

    run(cluster.ctr("images", "import", str(build.image)), timeout=120)
    run(cluster.ctr("images", "import", str(build.host_image)), timeout=120)

    root = images.RootDirectory(cluster.state / "image-vectoradd")
    root.add_program(build.vectoradd, "/usr/bin/vectoradd")
    root.add_libraries_of(build.cuda)
    cluster.import_image(SEED_IMAGE, root, ["/usr/bin/vectoradd"])
    root_of_taker = images.RootDirectory(cluster.state / "image-taker")
    root_of_taker.add(build.taker, "/usr/bin/cuda_taker")
    # But the driver that it is linked with: that comes from the node.
    for path, file in images.needed_libraries(build.taker).items():
        if not path.endswith("libcuda.so.1"):
            root_of_taker.add(file, path)
    for profile in (A10G, T4):  # Which GPUs the driver's double has, by their UUIDs.
        root_of_taker.add(profile.file, f"/profiles/{profile.name}.json", 0o644)
    cluster.import_image(TAKER_IMAGE, root_of_taker, ["/usr/bin/cuda_taker"])
    cluster.import_image(BROKEN_IMAGE, root, ["/usr/bin/vectoradd"],
                         ["GPUNODE_FAKE_CUDA_MUTATE=add.f32=sub.f32"])
