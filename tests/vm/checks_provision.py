"""`gpunode apply` on a machine with NVMe disks: storage and preparation, reboots, power cuts, rollback."""

import hashlib

from claim import check, expect, wait

DISK_MIB = 400  # mkfs.xfs takes no less than 300.
MOUNT = "/var/lib/containerd"
SPEC = "/etc/gpunode/node.yaml"
JOURNAL = "/var/lib/gpunode/journal.jsonl"


def spec_text(layout="single", count=1, existing="migrate"):
    return f"""
apiVersion: gpunode.dev/v1alpha1
kind: GPUNode
metadata: {{name: vm}}
spec:
  host:
    expect: {{os: "debian 12", arch: x86_64}}
    reboot: {{mode: auto}}
  storage:
    - id: containerd
      select: {{model: "QEMU NVMe Ctrl", count: {count}}}
      layout: {layout}
      mount: {{path: {MOUNT}}}
      existingData: {existing}
      onBootBlank: reformat
"""


def write_spec(vm, **how):
    vm.sh(f"mkdir -p /etc/gpunode; cat >{SPEC} <<'YAML'{spec_text(**how)}YAML")


# Every file and link below /etc with content, owner and mode; the same for two equal trees.
ETC = r"""
cd /etc
find . -xdev ! -path './gpunode*' -printf '%p %y %m %U:%G %l\n' | sort
find . -xdev -type f ! -path './gpunode*' -print0 | sort -z | xargs -0 sha256sum
"""


def etc_lines(vm):
    return set(vm.sh(ETC).splitlines())


# What images are made of: hard links, attributes, holes, a whiteout, an opaque directory.
POPULATE = f"""
mkdir -p {MOUNT}/vm/lower
echo layer >{MOUNT}/vm/file
ln {MOUNT}/vm/file {MOUNT}/vm/hard-link
ln -s file {MOUNT}/vm/soft-link
mknod {MOUNT}/vm/whiteout c 0 0
truncate -s 100M {MOUNT}/vm/sparse
setfattr -n trusted.overlay.opaque -v y {MOUNT}/vm/lower
chown 1234:5678 {MOUNT}/vm/file; chmod 4711 {MOUNT}/vm/file
"""

EXPECT_POPULATED = f"""
cd {MOUNT}/vm
test "$(cat file)" = layer
test "$(stat -c '%u %g %a %h' file)" = "1234 5678 4711 2"
test file -ef hard-link
test "$(readlink soft-link)" = file
test "$(stat -c '%F %t %T' whiteout)" = "character special file 0 0"
test "$(stat -c %s sparse)" = 104857600
test "$(stat -c %b sparse)" -lt 100
getfattr --absolute-names -n trusted.overlay.opaque --only-values lower | grep -qx y
"""


def expect_mounted(vm, source):
    found = vm.sh(f"findmnt -n -o SOURCE,FSTYPE {MOUNT}").split()
    expect(found == [source, "xfs"], f"{MOUNT} is {found}")
    vm.sh("systemctl is-active containerd.service")
    order = vm.sh("systemctl show -p RequiresMountsFor containerd.service")
    expect(MOUNT in order, f"containerd does not wait for its disk: {order}")


def expect_green(vm):
    plan = vm.run(f"gpunode plan {SPEC}")
    expect(plan.status == 0, f"after apply there is something to do: {plan.words}")


def boot_with(vm, disks):
    vm.nvme = {serial: vm.new_nvme(serial, DISK_MIB) for serial in disks}
    vm.power_cycle()


@check("a blank NVMe disk becomes containerd's, found by its model, with what was there; a second apply changes nothing")
def apply_storage(vm):
    boot_with(vm, ["AWS0001"])
    vm.sh("systemctl enable --now containerd.service")
    vm.etc_before = etc_lines(vm)
    write_spec(vm)
    vm.sh(POPULATE)
    plan = vm.run(f"gpunode plan {SPEC}")
    expect(plan.status == 2 and "AWS0001" in plan.out, f"plan: {plan.status} {plan.words}")
    vm.sh(f"gpunode apply --yes {SPEC}", timeout=300)
    expect_mounted(vm, "/dev/nvme0n1")
    vm.sh(EXPECT_POPULATED)
    expect_green(vm)
    again = vm.sh(f"gpunode apply --yes {SPEC}")
    expect("0 to change" in again, f"a second apply: {again}")
    vm.sh("grep -qx 1 /proc/sys/net/ipv4/ip_forward; lsmod | grep -q br_netfilter")


@check("after a boot with the disks renumbered the same disk is there, before containerd")
def renumbered(vm):
    vm.nvme = {"OTHER": vm.new_nvme("OTHER", DISK_MIB), **vm.nvme}
    vm.power_cycle()
    expect_mounted(vm, "/dev/nvme1n1")
    vm.sh(EXPECT_POPULATED)
    vm.nvme.pop("OTHER")


@check("a disk that comes back blank, another serial too, is made anew at boot, before containerd")
def came_back_blank(vm):
    boot_with(vm, ["AWS0002"])
    expect_mounted(vm, "/dev/nvme0n1")
    expect_green(vm)
    begun = vm.sh("systemctl show -p ActiveEnterTimestampMonotonic --value"
                  " var-lib-containerd.mount containerd.service").split()
    expect(int(begun[0]) < int(begun[1]), f"containerd was first: {begun}")


@check("a disk of somebody else's that comes instead is left alone, and containerd does not start")
def foreign_disk(vm):
    disk = vm.new_nvme("AWS0003", DISK_MIB)
    with open(disk, "r+b") as file:
        file.seek(DISK_MIB << 19)  # In the middle.
        file.write(b"somebody's data" * 4096)
    was = hashlib.sha256(disk.read_bytes()).hexdigest()
    mine, vm.nvme = vm.nvme, {"AWS0003": disk}
    vm.sh("sync")
    vm.cut_power()
    try:
        vm.boot()
    except Exception as error:  # systemd says "degraded", and should.
        expect("degraded" in str(error), f"the machine did not boot: {error}")
    expect(vm.run("systemctl is-active containerd.service").status != 0, "containerd runs without its disk")
    vm.sh(f"! findmnt {MOUNT}")
    vm.cut_power()
    expect(hashlib.sha256(disk.read_bytes()).hexdigest() == was, "the disk was written to")
    vm.nvme = mine
    vm.boot()
    expect_mounted(vm, "/dev/nvme0n1")


@check("rollback brings /etc, units and mounts back byte for byte, and wipes the disk by its serial alone")
def rollback(vm):
    vm.sh("gpunode rollback --yes", timeout=300)
    after = etc_lines(vm)
    expect(after == vm.etc_before, f"/etc is another: {sorted(after ^ vm.etc_before)[:20]}")
    vm.sh(f"! findmnt {MOUNT}; systemctl is-active containerd.service")
    vm.sh(EXPECT_POPULATED)
    vm.sh("blkid -p /dev/nvme0n1 | grep -q xfs")
    refused = vm.run("gpunode rollback --yes --confirm-wipe=WRONG")
    vm.sh("blkid -p /dev/nvme0n1 | grep -q xfs")
    vm.sh("gpunode rollback --yes --confirm-wipe=AWS0001 --confirm-wipe=AWS0002", timeout=300)
    expect(vm.run("blkid -p /dev/nvme0n1").status == 2, "the disk is not blank")
    return f"with a wrong serial: exit code {refused.status}"


@check("power cuts amid apply, one after the other: the run goes on by itself after each boot and ends as one that was not cut")
def power_cuts(vm):
    cuts = 0
    for seconds in (0.5, 1.5):
        boot_with(vm, [f"CUT{cuts}"])
        vm.sh(f"rm -rf {JOURNAL} /var/lib/gpunode/pending")
        vm.sh(POPULATE.replace(f"mkdir -p {MOUNT}/vm", f"rm -rf {MOUNT}/vm; mkdir -p {MOUNT}/vm") + "sync\n")
        vm.sh(f"systemd-run --quiet --unit vm-apply{cuts} gpunode apply --yes {SPEC}; sleep {seconds}")
        vm.cut_power()
        vm.boot()
        wait(vm, "! systemctl show -p ActiveState gpunode-resume.service | grep -q activating",
             "the run has gone on")
        vm.sh(f"gpunode apply --yes {SPEC}", timeout=300)
        expect_mounted(vm, "/dev/nvme0n1")
        vm.sh(EXPECT_POPULATED)
        expect_green(vm)
        vm.sh(f"gpunode rollback --yes --confirm-wipe=CUT{cuts}", timeout=300)
        cuts += 1
    return f"{cuts} cuts"


@check("two disks as RAID 0 and as LVM: made, mounted, there after a boot, and taken apart again")
def several_disks(vm):
    for layout in ("raid0", "lvm"):
        boot_with(vm, ["A1", "A2"])
        write_spec(vm, layout=layout, count=2)
        vm.sh(f"gpunode apply --yes {SPEC}", timeout=300)
        source = vm.sh(f"findmnt -n -o SOURCE {MOUNT}").strip()
        vm.power_cycle()
        expect(vm.sh(f"findmnt -n -o FSTYPE {MOUNT}").strip() == "xfs", f"{layout} is not mounted")
        expect_green(vm)
        vm.sh("gpunode rollback --yes --confirm-wipe=A1 --confirm-wipe=A2", timeout=300)
        vm.sh("! blkid -p /dev/nvme0n1; ! blkid -p /dev/nvme1n1")
    return f"the last was {source}"
