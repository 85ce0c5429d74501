"""What must hold on a real machine with systemd and cgroup v2, in this order. Each check is a claim;
its function returns a note for its line, or nothing."""

import node
from container import BUNDLES, Container
from machine import Failed

CHECKS = []  # (name, function)
CYCLES = 20

SPEC = "/run/cdi/nvidia.yaml"
REFRESH = "gpunode-cdi-refresh"


def check(name):
    def register(function):
        CHECKS.append((name, function))
        return function
    return register


def expect(condition, text):
    if not condition:
        raise Failed(text)


def expect_gpus(container, wanted, when):
    may = container.may_open(node.GPUS)
    expect(may == wanted, f"{when} {container.name} may open GPUs {may}, not {wanted}")


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
# The first two checks show it: so the ones about gpunode can fail, and this is what they depend on.

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


@check("systemd has nothing to say against the units, and the service makes the spec and the links")
def refresh_service(vm):
    node.remove_links(vm)
    said = vm.run(f"systemd-analyze verify --man=no {REFRESH}.service {REFRESH}.path")
    ours = [line for line in said.err.splitlines() if "gpunode" in line]
    expect(said.status == 0 and not ours, f"systemd-analyze verify: {said.words}")
    vm.sh(f"rm -f {SPEC}; systemctl start {REFRESH}.service")
    expect_refreshed(vm, "after the service has run")


def expect_refreshed(vm, when):
    devices = vm.sh("gpunode cdi list").split()
    expect("nvidia.com/gpu=0" in devices and "nvidia.com/gpu=3" in devices,
           f"{when} the CDI devices are {devices}")
    vm.sh(f"test -e {SPEC}")
    for gpu in range(node.GPUS):
        vm.sh(f"test /dev/char/195:{gpu} -ef /dev/nvidia{gpu}")


@check("a change of the kernel's modules starts the service: the path unit sees it")
def path_unit(vm):
    vm.sh(f"systemctl start {REFRESH}.path; systemctl stop {REFRESH}.service; rm {SPEC}; depmod")
    wait(vm, f"test -e {SPEC}", "the spec is made again")
    expect_refreshed(vm, "after depmod")


def wait(vm, condition, what):
    """Until the condition holds there; how long that takes is the machine's affair."""
    done = vm.run(f"for n in {{1..300}}; do {condition} && exit; sleep 0.2; done; exit 1")
    expect(done.status == 0, f"in vain waited until {what}")


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


@check("after a reboot the spec and the links are there by themselves, and so is a container's GPU")
def reboot(vm):
    vm.reboot()
    wait(vm, f"test -e {SPEC}", "the service has run")
    expect_refreshed(vm, "after a reboot")
    over_daemon_reload(vm, before=[0], after=[0], **BY_GPUNODE)
