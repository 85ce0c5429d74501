"""Containers and their GPUs, by the runtime alone: what they may open, and what they leave behind."""

import node
from claim import REFRESH, check, expect, expect_gpus
from container import BUNDLES, Container

CYCLES = 10


def over_daemon_reload(vm, before, after, **how):
    """Which GPUs a container may open before and after systemd reads its units again."""
    with Container(vm, "reload", **how) as container:
        expect_gpus(container, before, "before the daemon-reload")
        vm.sh("systemctl daemon-reload")
        expect_gpus(container, after, "after the daemon-reload")


BY_RUNC = {"runtime": "runc", "devices": {"/dev/nvidia0": (195, 0)}}
BY_GPUNODE = {"environment": ["NVIDIA_VISIBLE_DEVICES=0"]}


# The complaint that every cluster knows, as "Failed to initialize NVML: Unknown Error". runc 1.1.3
# to 1.1.6 tells systemd of a device only if /dev/char has a link for it, and afterwards replaces
# systemd's device program by its own, which has them all. A daemon-reload brings systemd's back.
# The first checks show it: so the ones about gpunode can fail, and this is what they depend on.

@check("control: without links in /dev/char a daemon-reload takes the GPU, whoever asked runc for it")
def without_links(vm):
    node.remove_links(vm)
    over_daemon_reload(vm, before=[0], after=[], **BY_RUNC)
    over_daemon_reload(vm, before=[0], after=[], **BY_GPUNODE)
    return vm.sh("runc --version").split("\n", 1)[0].replace("version ", "")


@check("control: with a link in /dev/char it stays")
def with_links(vm):
    node.remove_links(vm)
    vm.sh("ln -s ../nvidia0 /dev/char/195:0")
    over_daemon_reload(vm, before=[0], after=[0], **BY_RUNC)


@check("control: a link that is made when the container runs already comes too late for this runc")
def links_too_late(vm):
    node.remove_links(vm)
    with Container(vm, "late", **BY_RUNC) as container:
        vm.sh("gpunode runtime device-links; systemctl daemon-reload")
        expect_gpus(container, [], "with a link that was made after its start")


@check("by gpunode-runtime a container gets the GPU that it was granted, no other,"
       " and keeps it over a daemon-reload")
def daemon_reload(vm):
    vm.sh(f"systemctl restart {REFRESH}.service")  # As at boot.
    over_daemon_reload(vm, before=[0], after=[0], **BY_GPUNODE)
    two = ["NVIDIA_VISIBLE_DEVICES=GPU-86ff78b8-629b-5929-a300-7005ecfcee9f,3"]
    over_daemon_reload(vm, before=[1, 3], after=[1, 3], environment=two)
    over_daemon_reload(vm, before=[], after=[])


@check("the node's driver computes in a container of Debian 12")
def computes(vm):
    with Container(vm, "vectoradd", root="debian12", args=["/opt/vectoradd"],
                   environment=BY_GPUNODE["environment"],
                   files={"/usr/bin/gpunode-vectoradd": "/opt/vectoradd"}) as container:
        said = container.output()
    expect("Test PASSED" in said, f"it says: {said}")


VERIFY = "gpunode verify --from 4 --level 4"


@check("gpunode verify: the driver computes in a container of containerd's, and what is missing is told")
def verifies(vm):
    vm.sh("systemctl start containerd.service")
    said = vm.sh(VERIFY)
    expect("pass  container.vectoradd" in said, f"it says: {said}")
    left = vm.sh("ls /var/lib/gpunode | grep verify || :; ctr --namespace gpunode-verify containers ls -q")
    expect(not left.strip(), f"it leaves: {left}")
    vm.sh("systemctl stop containerd.service")
    try:
        said = vm.run(VERIFY)
        expect(said.status == 7 and "systemctl status containerd" in said.out,
               f"without containerd it says: {said.words}")
    finally:
        vm.sh("systemctl start containerd.service")


# What may differ between two looks at the same machine is not looked at.
LOOK = f"""
systemctl list-units --all --no-legend --plain | awk '{{print "unit " $1}}'
find /sys/fs/cgroup -type d -printf 'cgroup %p\n'
findmnt --raw --noheadings --output TARGET | sed 's/^/mount /'
find /run /dev /tmp /var/lib /var/tmp /var/cache /etc /usr /opt {BUNDLES} \
  -path '/run/vm-agent.*' -prune -o -path /run/udev -prune -o -path /run/log -prune \
  -o -printf 'file %p\n'
grep -l -E 'runc|gpunode|sleep' /proc/[0-9]*/comm 2>/dev/null | sed 's/^/process /' || :
"""


@check(f"{CYCLES} stops and starts leave no unit, cgroup, mount, file or process behind")
def cycles(vm):
    with Container(vm, "cycles", **BY_GPUNODE) as container:
        container.stop()  # The first start lays mount points into the root, and may fill caches.
        before = look(vm)
        expect(f"file {container.bundle}/config.json" in before, "the look sees no files")
        again = container.start_script() + container.stop_script()
        vm.sh(f"for cycle in {{1..{CYCLES}}}; do {again} done", timeout=900)
        after = look(vm)
        expect(after == before, f"left behind: {sorted(after - before)};"
               f" gone: {sorted(before - after)}")
        container.start()
        seen = look(vm) - before
        for kind in ("unit", "cgroup", "file", "process"):  # Its mounts are in its namespace.
            expect(any(line.startswith(kind) for line in seen),
                   f"the look does not see a running container's {kind}")
    return f"{len(before)} names before and after"


def look(vm):
    return set(vm.sh(LOOK).splitlines())


@check("gpunode and gpunode-runtime start in an empty root")
def empty_root(vm):
    vm.sh("mkdir -p /opt/empty; cp /usr/bin/gpunode /usr/bin/gpunode-runtime /opt/empty")
    try:
        expect("cdi" in vm.sh("chroot /opt/empty /gpunode --help"), "gpunode --help has no cdi")
        expect("found 0 CDI devices" in vm.run("chroot /opt/empty /gpunode cdi list").err,
               "gpunode cdi list does not say that there are none")
        expect("apply" in vm.sh("chroot /opt/empty /gpunode-runtime hook --help"),
               "gpunode-runtime hook --help has no apply")
        state = vm.run("chroot /opt/empty /gpunode-runtime state x")
        expect(state.status == 1 and "no runtime binary found" in state.err,
               f"gpunode-runtime state: {state}")
    finally:
        vm.sh("rm -r /opt/empty")


@check("gpunode-vectoradd starts in a root of Debian 11 and says that there is no driver")
def debian_11(vm):
    with Container(vm, "bullseye", args=["/opt/vectoradd"],
                   files={"/usr/bin/gpunode-vectoradd": "/opt/vectoradd"}) as container:
        said = container.output()
        expect("libcuda.so.1" in said and "GLIBC" not in said, f"it says: {said}")
        version = vm.sh("cat /disks/debian11/etc/debian_version").strip()
    return f"Debian {version}"
