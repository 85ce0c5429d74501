"""`gpunode apply` where SELinux enforces: what is on the new disk, and what is written below /etc, has
the labels that the policy has for it."""

from checks_provision import EXPECT_POPULATED, MOUNT, POPULATE, SPEC, UNITS, boot_with, etc_lines, \
    expect_green, expect_mounted, words_of_verify, write_spec
from claim import SELINUX, check, expect

LABEL_UNIT = "gpunode-label-containerd.service"
POPULATED = [MOUNT, *(f"{MOUNT}/vm{name}" for name in ("", "/file", "/lower", "/soft-link", "/sparse"))]

# All below /etc by name and label, for two equal trees.
LABELS = "cd /etc; find . -xdev ! -path './gpunode*' -printf '%p %Z\\n' | sort"


def differ_from_policy(vm, paths):
    """What matchpathcon, the policy's own word, finds fault with. It may write to a pipe alone."""
    said = vm.run(f"set -o pipefail; matchpathcon -V {' '.join(paths)} 2>&1 | cat")
    faults = [line for line in said.out.splitlines() if not line.endswith(" verified.")]
    expect(bool(faults) == (said.status != 0), f"matchpathcon: {said.status} {said.words}")
    return faults


def expect_labelled(vm, paths):
    faults = differ_from_policy(vm, paths)
    expect(not faults, f"not as the policy labels them: {faults}")


def labels_of_etc(vm):
    return set(vm.sh(LABELS).splitlines())


def expect_labelled_before_containerd(vm):
    at = vm.sh(f"systemctl show -p ExecMainExitTimestampMonotonic --value {LABEL_UNIT};"
               " systemctl show -p ExecMainStartTimestampMonotonic --value containerd.service").split()
    expect(0 < int(at[0]) < int(at[1]), f"{LABEL_UNIT} has ended at, and containerd begun at {at} µs")


@check("where SELinux enforces, a new disk, what moved to it and what is written below /etc have the policy's labels", SELINUX)
def labels(vm):
    expect(vm.sh("getenforce").strip() == "Enforcing", "SELinux does not enforce")
    boot_with(vm, ["SEL0001"])
    vm.sh("systemctl enable --now containerd.service")
    vm.sh(POPULATE + f"chcon -t etc_t {MOUNT}/vm/file")
    faults = differ_from_policy(vm, POPULATED)
    expect(len(faults) == len(POPULATED), f"the control, a tree with other labels, is labelled: {faults}")
    vm.etc_before, vm.labels_before = etc_lines(vm), labels_of_etc(vm)
    write_spec(vm)
    vm.sh(f"gpunode apply --yes {SPEC}", timeout=300)
    expect_mounted(vm, "/dev/nvme0n1")
    vm.sh(EXPECT_POPULATED)
    expect_labelled(vm, POPULATED)
    written = sorted({line.split()[0] for line in etc_lines(vm) - vm.etc_before if line.startswith("./")})
    written = [name.replace(".", "/etc", 1) for name in written]
    expect(len(written) > 8, f"too little is written: {written}")
    expect_labelled(vm, written)
    expect(LABEL_UNIT in vm.sh(UNITS).split(), f"{LABEL_UNIT} is not among what apply wrote")
    expect(not words_of_verify(vm, [LABEL_UNIT]), f"systemd-analyze verify: {words_of_verify(vm, [LABEL_UNIT])}")
    expect_green(vm)
    again = vm.sh(f"gpunode apply --yes {SPEC}")
    expect("0 to change" in again, f"a second apply: {again}")
    return f"{len(written)} names below /etc"


@check("a disk that comes back blank has the policy's label when containerd starts, SELinux enforcing", SELINUX)
def labelled_at_boot(vm):
    boot_with(vm, ["SEL0002"])
    expect(vm.sh("getenforce").strip() == "Enforcing", "SELinux does not enforce")
    expect_mounted(vm, "/dev/nvme0n1")
    expect_labelled(vm, [MOUNT])
    expect_labelled_before_containerd(vm)
    expect_green(vm)
    vm.sh(f"systemctl stop containerd.service; chcon -t var_lib_t {MOUNT}")
    drift = vm.run(f"gpunode plan {SPEC}")
    expect(drift.status == 2 and "virt_var_lib_t" in drift.out, f"another label is not found: {drift.words}")
    vm.sh(f"gpunode apply --yes {SPEC}; systemctl start containerd.service", timeout=300)
    expect_labelled(vm, [MOUNT])


@check("rollback, SELinux enforcing, brings every label below /etc and what had moved back", SELINUX)
def labels_after_rollback(vm):
    vm.sh("gpunode rollback --yes", timeout=300)
    after = etc_lines(vm)
    expect(after == vm.etc_before, f"/etc is another: {sorted(after ^ vm.etc_before)[:20]}")
    was, now = vm.labels_before, labels_of_etc(vm)
    expect(now == was, f"the labels are others: {sorted(now ^ was)[:20]}")
    vm.sh(EXPECT_POPULATED)
    expect(vm.sh(f"stat -c %C {MOUNT}/vm/file").split(":")[2] == "etc_t", "a file's own label is lost")
