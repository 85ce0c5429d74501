"""podman: by its own CDI with a spec that `gpunode cdi generate` made, and by gpunode-runtime."""

import pathlib
import shutil

import roots
from claims import check, expect, expect_nothing_left
from process import Failed, run, wait_until
from runtime_checks import COMPUTES, script_for

# Not by variables: podman starts itself again without them, to clean up.
CONFIG = pathlib.Path("/etc/containers")
STORAGE_CONF = """\
[storage]
driver = "overlay"
runroot = "/run/podman-storage"
graphroot = "{state}/storage"
"""
# What this machine, as a container of somebody's, may not have is not asked for.
CONTAINERS_CONF = """\
[containers]
seccomp_profile = "unconfined"
apparmor_profile = "unconfined"
log_driver = "k8s-file"
default_sysctls = []
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[network]
network_config_dir = "{state}/networks"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "{crun}"
tmp_dir = "/run/podman-libpod"
volume_path = "{state}/volumes"
"""


class Podman:
    """podman 4.3 with all its state below the run's directory."""

    def __init__(self, node):
        self.node = node
        self.state = node.work / "podman"
        self.state.mkdir(exist_ok=True)
        self.root = self.state / "root"
        crun = node.part("crun-1.8", "crun")
        node.configure(crun)
        CONFIG.mkdir(exist_ok=True)
        for name, text in (("storage", STORAGE_CONF), ("containers", CONTAINERS_CONF)):
            (CONFIG / f"{name}.conf").write_text(text.format(state=self.state, crun=crun))
        (CONFIG / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        self.environment = {"PATH": f"{crun.parent}:/usr/sbin:/usr/bin:/sbin:/bin",
                            "HOME": str(self.state)}

    def run(self, script, *options, before=(), make_root=roots.make_debian):
        """What a container of a fresh root prints; Failed if it ends otherwise than with 0."""
        shutil.rmtree(self.root, ignore_errors=True)
        make_root(self.node, self.root)
        return run(["/usr/bin/podman", *before, "run", "--rm", "--network=none",
                    "--cgroup-parent", f"/{self.node.cgroup}", *options,
                    "--rootfs", str(self.root), "/busybox", "sh", "-c", script],
                   env=self.environment).stdout


def version_of(node):
    return f"podman {node.version_of('usr', 'podman')}"


def expect_computes(node, podman, *options, before=()):
    said = podman.run(script_for(node, COMPUTES), *options, before=before)
    expect("Test PASSED" in said, said)


def expect_cleaned_up(node, before, what):
    """podman's own process that cleans up may still be at it."""
    try:
        wait_until(lambda: node.left() == before, "podman cleans up", 20)
    except Failed:
        expect_nothing_left(before, node.left(), what)


@check("podman --device nvidia.com/gpu=0, by a generated spec: the GPU, and vectoradd")
def by_cdi(node):
    node.generate_spec()
    podman = Podman(node)
    expect_computes(node, podman, "--device", "nvidia.com/gpu=0")  # And makes podman's own state.
    before = node.left()
    expect_computes(node, podman, "--device", "nvidia.com/gpu=0")
    expect_cleaned_up(node, before, "podman with CDI")
    return version_of(node)


@check("podman --device of all, of a UUID and of none that there is")
def by_other_names(node):
    node.generate_spec()
    podman = Podman(node)
    said = podman.run("/busybox ls /dev", "--device", "nvidia.com/gpu=all")
    expect(all(f"nvidia{gpu}\n" in said for gpu in range(4)), f"all: {said}")
    names = run([str(node.build.gpunode), "cdi", "list"]).stdout.split()
    uuid = next(name for name in names if "=GPU-" in name)
    said = podman.run("/busybox ls /dev", "--device", uuid)
    expect("nvidia" in said, f"{uuid}: {said}")
    try:
        said = podman.run("/busybox ls /dev", "--device", "nvidia.com/gpu=7")
    except Failed as error:
        expect("nvidia.com/gpu=7" in str(error), error)
    else:
        raise Failed(f"nvidia.com/gpu=7 was given: {said}")


@check("podman --runtime gpunode-runtime -e NVIDIA_VISIBLE_DEVICES=0: the GPU, and vectoradd")
def by_runtime(node):
    node.spec_is_gone()
    podman = Podman(node)
    options = ("-e", "NVIDIA_VISIBLE_DEVICES=0")
    before = ("--runtime", str(node.build.runtime))
    expect_computes(node, podman, *options, before=before)
    left = node.left()
    expect_computes(node, podman, *options, before=before)
    expect_cleaned_up(node, left, "podman with gpunode-runtime")
    said = podman.run("/busybox ls /dev", before=before)
    expect("nvidia" not in said, f"who asks for none has {said}")
    return version_of(node)
