"""The units and udev rules, as they are installed: what makes the spec anew, and when."""

import node
from claim import REFRESH, SPEC, check, expect, expect_refreshed, wait


def without_spec(vm, change):
    """Takes the spec away, makes the change, and waits until the units have made it again."""
    vm.sh(f"rm -f {SPEC}\n{change}")
    wait(vm, f"test -e {SPEC}", f"the spec is made again after: {change}")


@check("systemd has nothing to say against the units, and the service makes the spec and the links")
def refresh_service(vm):
    node.remove_links(vm)
    units = vm.sh("cd /usr/lib/systemd/system && ls gpunode-*").split()
    said = vm.run(f"systemd-analyze verify --man=no {' '.join(units)}")
    ours = [line for line in said.err.splitlines() if "gpunode" in line]
    expect(said.status == 0 and not ours, f"systemd-analyze verify: {said.words}")
    vm.sh(f"rm -f {SPEC}; systemctl start {REFRESH}.service")
    expect_refreshed(vm, "after the service has run")
    return f"{len(units)} units"


@check("a change of the kernel's modules starts the service: the path unit sees it")
def path_unit(vm):
    vm.sh(f"systemctl start {REFRESH}.path; systemctl stop {REFRESH}.service")
    without_spec(vm, "depmod")
    expect_refreshed(vm, "after depmod")


HOLD = f"/run/systemd/system/{REFRESH}.service.d/hold.conf"


@check("a change while the service runs starts it once more")
def change_during_a_run(vm):
    vm.sh(f"""
systemctl start {REFRESH}.path
touch /run/vm-hold
mkdir -p {HOLD.rpartition("/")[0]}
cat >{HOLD} <<'UNIT'
[Service]
TimeoutStartSec=infinity
ExecStartPost=/bin/sh -c 'while test -e /run/vm-hold; do sleep 0.2; done'
UNIT
systemctl daemon-reload
systemctl --no-block restart {REFRESH}.service
""")
    try:
        wait(vm, f"systemctl show --property SubState {REFRESH}.service | grep -q start-post",
             "the service has done its work and is held up")
        without_spec(vm, "mknod /dev/nvidia-caps/nvidia-cap9999 c 237 9999")
    finally:
        vm.sh(f"rm -f /run/vm-hold {HOLD} /dev/nvidia-caps/nvidia-cap9999 /dev/char/237:9999;"
              f" systemctl daemon-reload; systemctl start {REFRESH}.service")


def current(vm, device):
    """The spec has the device, and is what a look at the machine says now."""
    wait(vm, f"gpunode cdi generate 2>/dev/null | cmp {SPEC} - && gpunode cdi list | grep -qx {device}",
         f"the spec is what the driver offers, {device} included")


@check("another driver, then MIG devices, node after node: the spec and the links follow")
def driver_and_mig(vm):
    try:
        node.use_driver(vm, "a100-x8-mig-empty")
        vm.sh("depmod")  # As its installation does.
        current(vm, "nvidia.com/gpu=1:0")
        spec = vm.sh(f"cat {SPEC}")
        expect("550.163.01" in spec and "535.183.01" not in spec, f"the spec is of another driver: {spec}")
        expect("nvidia.com/gpu=0:0" not in vm.sh("gpunode cdi list").split(), "GPU 0 has MIG already")
        node.change_mig(vm, "a100-x8-mig-mixed")
        current(vm, "nvidia.com/gpu=0:0")
        vm.sh("""
for node in /dev/nvidia-caps/*; do
  test "/dev/char/$((16#$(stat -c %t "$node"))):$((16#$(stat -c %T "$node")))" -ef "$node"
done
""")
        devices = vm.sh("gpunode cdi list").count(":")
    finally:
        node.use_driver(vm, node.DRIVER)
        vm.sh("depmod")
    current(vm, "nvidia.com/gpu=3")
    return f"{devices} MIG devices"


# A module that loads under another name is the cheapest driver of PCI devices there is: one of the
# kernel's own that does nothing, with our names in the place of its own, and without the signature.
MODULE = r"""
perl -0777 -pe 's/\0pci_pf_stub\0/\0nvidia_uvm\0\0/g == 2 or die "no module name";
  s/\0pci-pf-stub\0/\0nvidia\0\0\0\0\0\0/ or die "no driver name"; s/~Module signature appended~\n$//' \
  "$(modinfo --field filename pci-pf-stub)" >/run/nvidia-uvm.ko
"""


@check("udev starts the service when nvidia-uvm is loaded, a GPU bound to nvidia, nvidia-uvm unloaded")
def udev_rules(vm):
    vm.sh(f"systemctl stop {REFRESH}.path\n{MODULE}")
    device = vm.sh("grep -l 0x1b36 $(dirname $(grep -l 0x0005 /sys/devices/pci*/*/device))/vendor")
    try:
        without_spec(vm, "insmod /run/nvidia-uvm.ko")
        without_spec(vm, "echo 1b36 0005 >/sys/bus/pci/drivers/nvidia/new_id")
        vm.sh(f"test -e {device.rpartition('/')[0]}/driver")
        without_spec(vm, "rmmod nvidia_uvm")
    finally:
        vm.run("rmmod nvidia_uvm")
        vm.sh(f"systemctl start {REFRESH}.path")
