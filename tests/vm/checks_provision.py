"""`gpunode apply` on a machine with NVMe disks: storage and preparation, reboots, power cuts, rollback."""

import hashlib
import pathlib

from claim import check, expect, wait

DISK_MIB = 400  # mkfs.xfs takes no less than 300.
MOUNT = "/var/lib/containerd"
SPEC = "/etc/gpunode/node.yaml"
JOURNAL = "/var/lib/gpunode/journal.jsonl"


EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "examples" / "trial-disk.yaml"


def spec_text(layout="single", count=1, existing="migrate", via="unit"):
    """The example as it is, or with other words in the place of its own."""
    text = EXAMPLE.read_text()
    for ours, word in (("layout: single", f"layout: {layout}"), ("count: 1}", f"count: {count}}}"),
                       ("existingData: migrate", f"existingData: {existing}"), ("via: unit}", f"via: {via}}}")):
        expect(text.count(ours) == 1, f"{EXAMPLE} has no {ours}, or more than one")
        text = text.replace(ours, word)
    return "\n" + text


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
    status = vm.run(f"gpunode status {SPEC}")
    expect(status.status == 0 and "Nothing is wrong." in status.out, f"status: {status.words}")


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


# The units and drop-ins below /etc that gpunode wrote, each by the unit that it is of. A unit that is
# not installed yet has a drop-in too, and is one that does nothing for as long as systemd is asked.
UNITS = """
cd /etc/systemd/system
for file in $(grep -rl '^# Written by gpunode' .); do
  case $file in *.d/*) file=${file%.d/*} ;; esac
  echo "${file#./}"
done | sort -u
"""
STAND_IN = "/run/systemd/system/{unit}"


def words_of_verify(vm, units):
    """All that `systemd-analyze verify` says of them, and of what they depend on."""
    for unit in units:
        vm.sh(f"""
if ! systemctl cat {unit} 2>/dev/null | grep -q ExecStart= && [[ {unit} == *.service ]]; then
  printf '[Service]\\nExecStart=/bin/true\\n' >{STAND_IN.format(unit=unit)}
fi""")
    said = vm.run(f"systemd-analyze verify --man=no --recursive-errors=yes {' '.join(units)} 2>&1 | cat")
    vm.sh("rm -f " + " ".join(STAND_IN.format(unit=unit) for unit in units))
    return said.out.strip()


@check("systemd has nothing to say against any unit or drop-in that apply wrote")
def verified_units(vm):
    units = vm.sh(UNITS).split()
    for unit in ("containerd.service", "gpunode-check.timer", "gpunode-resume.service", "kubelet.service",
                 "gpunode-storage-containerd.service", "var-lib-containerd.mount"):
        expect(unit in units, f"{unit} is not among what apply wrote: {units}")
    expect(not words_of_verify(vm, units), f"systemd-analyze verify: {words_of_verify(vm, units)}")
    drop_in = "/etc/systemd/system/kubelet.service.d/10-gpunode-containerd.conf"
    vm.sh(f"cp -a {drop_in} /run/vm-drop-in; echo RequireMountsFor=/x >>{drop_in}")
    said = words_of_verify(vm, units)
    vm.sh(f"mv /run/vm-drop-in {drop_in}; systemctl daemon-reload")
    expect("RequireMountsFor" in said, f"a key that there is not is not found: {said}")
    return f"{len(units)} units"


# A recorded host's GPU and machine over this one's own /sys, and its /proc/driver, which has no
# driver; for what runs in this mount namespace alone.
ON_G5 = """
mkdir -p /run/vm-no-driver
unshare --mount --propagation private bash -c '
  set -eu
  for place in bus/pci/devices class/dmi/id; do
    mount --bind /disks/node/hosts/g5-rocky8/sys/$place /sys/$place
  done
  mount --bind /run/vm-no-driver /proc/driver
  "$@"' sh """


@check("a recorded GPU over the machine's own /sys and /proc is the one that facts and plan tell of")
def recorded_gpu(vm):
    facts = vm.sh(f"{ON_G5} gpunode facts")
    expect("NVIDIA A10G  10de:2237  no driver" in facts, f"facts: {facts}")
    expect("Amazon EC2, g5.4xlarge" in facts and "Tesla T4" not in facts, f"facts: {facts}")
    plan = vm.run(f"{ON_G5} gpunode plan {SPEC}")
    expect("with 1 NVIDIA A10G (10de:2237)" in plan.out, f"plan: {plan.words}")
    own = vm.run(f"gpunode facts; gpunode plan {SPEC}").out
    expect("A10G" not in own and own.count("Tesla T4") > 1, f"the machine's own is another: {own}")


METRICS = "/run/gpunode-check/gpunode.prom"


def metrics_of_check(vm):
    vm.sh("systemctl start gpunode-check.service", timeout=120)
    return vm.sh(f"cat {METRICS}").splitlines()


@check("the timer's check, which may write one directory, finds all as declared, and what was changed since")
def timer_check(vm):
    vm.sh("systemctl is-active gpunode-check.timer && systemctl is-enabled gpunode-check.timer")
    fine = metrics_of_check(vm)
    steps = [line for line in fine if line.startswith("gpunode_step_as_declared{")]
    other = [line for line in steps if not line.endswith(" 1")]
    expect(len(steps) > 8 and not other, f"of {len(steps)} Steps not as declared: {other}")
    expect('gpunode_check_findings{gravity="warning"} 0' in fine, f"the check finds something: {fine}")
    expect(any("storage.containerd.mount" in line for line in steps), f"no Step of the disk: {steps}")
    vm.sh("echo 0 >/proc/sys/net/ipv4/ip_forward")
    changed = metrics_of_check(vm)
    expect('gpunode_step_as_declared{step="prep.sysctl"} 0' in changed, f"a change is not found: {changed}")
    vm.sh("grep -qx 0 /proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv4/ip_forward")
    return f"{len(steps)} steps"


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
    vm.sh(f"if findmnt {MOUNT}; then exit 1; fi; systemctl is-active containerd.service")
    vm.sh(EXPECT_POPULATED)
    vm.sh("blkid -p /dev/nvme0n1 | grep -q xfs")
    refused = vm.run("gpunode rollback --yes --confirm-wipe=WRONG")
    vm.sh("blkid -p /dev/nvme0n1 | grep -q xfs")
    vm.sh("gpunode rollback --yes --confirm-wipe=AWS0001 --confirm-wipe=AWS0002", timeout=300)
    expect(vm.run("blkid -p /dev/nvme0n1").status == 2, "the disk is not blank")
    expect(refused.status == 1 and "WRONG" in refused.words, f"a wrong serial: {refused.words}")


def cut_apply(vm, serial, until, more=""):
    """Cuts the power of an apply when the script `until` has ended, and sees it end well by itself. The script
    `more` adds to what is to move."""
    vm.sh(f"rm -rf {JOURNAL} /var/lib/gpunode/pending")
    vm.sh(POPULATE.replace(f"mkdir -p {MOUNT}/vm", f"rm -rf {MOUNT}/vm; mkdir -p {MOUNT}/vm") + f"{more}\nsync\n")
    vm.sh(f"systemd-run --quiet --unit vm-apply-{serial} gpunode apply --yes {SPEC}\n{until}")
    vm.cut_power()
    vm.nvme_write_limit = None
    vm.boot()
    wait(vm, "! systemctl show -p ActiveState gpunode-resume.service | grep -q activating",
         "the run has gone on")
    vm.sh(f"gpunode apply --yes {SPEC}", timeout=300)
    expect_mounted(vm, "/dev/nvme0n1")
    vm.sh(EXPECT_POPULATED)
    expect_green(vm)


def undo(vm, serial):
    vm.sh(f"gpunode rollback --yes --confirm-wipe={serial}", timeout=300)


@check("power cuts amid apply, one after the other: the run goes on by itself after each boot and ends as one that was not cut")
def power_cuts(vm):
    cuts = 0
    for seconds in (0.5, 1.5):
        boot_with(vm, [f"CUT{cuts}"])
        write_spec(vm)
        cut_apply(vm, f"CUT{cuts}", f"sleep {seconds}")
        undo(vm, f"CUT{cuts}")
        cuts += 1
    return f"{cuts} cuts"


# mkfs.xfs zeroes a log of 64 MiB, so that it is at work for 16 s; what waits for the disk longer than 30 s, Linux aborts.
SLOW = 4 << 20
MKFS_AT_WORK = """
mkfs_runs() { grep -qsx mkfs.xfs /proc/[0-9]*/comm; }
for _ in $(seq 300); do if mkfs_runs; then break; fi; sleep 0.1; done
sleep 2
mkfs_runs || { echo "mkfs.xfs does not run" >&2; exit 1; }
"""


@check("a power cut while mkfs writes to a slow disk, for a line of fstab: the run ends well, and the line mounts nothing that is marked unfinished")
def cut_amid_mkfs(vm):
    vm.nvme_write_limit = SLOW
    boot_with(vm, ["SLOW1"])
    write_spec(vm, via="fstab")
    cut_apply(vm, "SLOW1", MKFS_AT_WORK)
    vm.sh(f"grep -q ' {MOUNT} xfs ' /etc/fstab; ! test -e /etc/systemd/system/var-lib-containerd.mount")
    # systemd has made a unit of the line, and has our assertions for it.
    vm.sh(f"""
mark=$(systemctl cat var-lib-containerd.mount | sed -n 's/^AssertPathExists=!//p' | head -1)
systemctl stop containerd.service var-lib-containerd.mount
echo {MOUNT} >$mark
if systemctl start var-lib-containerd.mount; then exit 1; fi
if systemctl start containerd.service; then exit 1; fi
if findmnt {MOUNT}; then exit 1; fi
rm $mark
systemctl start containerd.service
""")
    expect_mounted(vm, "/dev/nvme0n1")
    undo(vm, "SLOW1")


# Files that are all different, so that each byte that is lost shows.
BULK_FILES = 48
BULK = f"""
mkdir {MOUNT}/vm/bulk
head -c {BULK_FILES}M /dev/urandom | split -b 1M - {MOUNT}/vm/bulk/
cd {MOUNT}; find vm -type f ! -name sparse -print0 | sort -z | xargs -0 sha256sum >/root/vm-tree.sums
cd /
"""
EXPECT_EVERY_BYTE = "cd {0}; sha256sum --quiet --check /root/vm-tree.sums >&2"
# How many of them the copy has, and whether it is one that is not called whole yet.
COPY = """
stage=/run/gpunode-stage-*
copied() { ls $stage/vm/bulk 2>/dev/null | wc -l; }
cp_runs() { grep -qsx cp /proc/[0-9]*/comm; }
is_half() { test -e /var/lib/gpunode/copying-var-lib-containerd.mount; }
"""
# Little may wait in memory, so that cp is as slow as the disk.
SMALL_CACHE = f"echo {1 << 20} >/proc/sys/vm/dirty_background_bytes; echo {1 << 22} >/proc/sys/vm/dirty_bytes"
CP_AT_WORK = f"""{COPY}
for _ in $(seq 450); do if [ $(copied) -ge 12 ]; then break; fi; sleep 0.1; done
is_half && cp_runs && [ $(copied) -ge 12 ] && [ $(copied) -lt {BULK_FILES} ] ||
  {{ echo "not amid cp: $(copied) files" >&2; exit 1; }}
"""
# All is copied, and most of it is on its way to the disk.
SYNC_AT_WORK = f"""{COPY}
for _ in $(seq 450); do if [ $(copied) -eq {BULK_FILES} ] && ! cp_runs; then break; fi; sleep 0.1; done
is_half && ! cp_runs && [ $(copied) -eq {BULK_FILES} ] || {{ echo "not amid the sync: $(copied) files" >&2; exit 1; }}
"""


@check("power cuts amid the copy of what was there, and while the copy is written: the run ends well and no byte is lost")
def cut_amid_migration(vm):
    for serial, cache, until in (("COPY1", SMALL_CACHE, CP_AT_WORK), ("COPY2", "", SYNC_AT_WORK)):
        vm.nvme_write_limit = SLOW
        boot_with(vm, [serial])
        vm.sh("systemctl enable --now containerd.service")
        write_spec(vm)
        cut_apply(vm, serial, f"{cache}\n{until}", BULK)
        for tree in (MOUNT, f"{MOUNT}.before-gpunode"):
            vm.sh(EXPECT_EVERY_BYTE.format(tree))
        undo(vm, serial)
        vm.sh(EXPECT_EVERY_BYTE.format(MOUNT))
        vm.sh(f"rm -rf {MOUNT}/vm/bulk")


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
        vm.sh("for disk in nvme0n1 nvme1n1; do if blkid -p /dev/$disk; then exit 1; fi; done")
    return f"the last was {source}"
