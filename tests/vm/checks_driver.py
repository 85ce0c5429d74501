"""`gpunode apply` brings NVIDIA's driver to a machine whose package manager, DKMS, kernels and boot
loader are Debian's own, over an update of its kernel. The modules are real ones of our own, with
nothing behind them (driver/)."""

import json

from checks_provision import SPEC, etc_lines
from claim import DRIVER, check, expect
from driver_repository import GOOD, HIDES
from node import RECORDED_HOST

NVIDIAS = "https://developer.download.nvidia.com/compute/cuda/repos"
MODULES = ("nvidia", "nvidia_uvm", "nvidia_modeset")
APPLY_LIMIT = 600  # Compilers are slow in emulation.


def spec_text(fingerprint, version):
    return f"""
apiVersion: gpunode.dev/v1alpha1
kind: GPUNode
metadata: {{name: vm}}
spec:
  host:
    expect: {{os: "debian 12", arch: x86_64}}
    kernel: {{policy: adoptNewest}}
    reboot: {{mode: auto}}
    extraRepositories: false
  driver: {{version: "{version}"}}
  mirrors: {{"{NVIDIAS}": "file:///disks/node/cuda"}}
  distributions:
    - {{id: debian, version: "12", keyFingerprint: {fingerprint}}}
"""


def write_spec(vm, version=GOOD):
    fingerprint = vm.sh("cat /disks/node/cuda/fingerprint").strip()
    vm.sh(f"mkdir -p /etc/gpunode; cat >{SPEC} <<'YAML'{spec_text(fingerprint, version)}YAML")


def kernels(vm):
    return sorted(vm.sh("cd /boot; ls vmlinuz-*").replace("vmlinuz-", "").split())


def expect_built(vm, release, version=GOOD):
    for name in MODULES:
        told = vm.sh(f"modinfo -k {release} -F version {name}; modinfo -k {release} -F vermagic {name}").split()
        expect(told[:2] == [version, release], f"{name} of {release} is {told}")


def expect_loaded(vm, version=GOOD):
    release = vm.sh("uname -r").strip()
    expect_built(vm, release, version)
    vm.sh("; ".join(f"test -d /sys/module/{name}" for name in MODULES))
    told = vm.sh("cat /proc/driver/nvidia/version; cat /sys/module/nvidia/version")
    expect(told.count(version) == 2, f"another driver is loaded: {told}")


def expect_whole(vm):
    again = vm.sh(f"gpunode apply --yes {SPEC}")
    expect("0 to change" in again, f"a second apply: {again}")


WORKS = {"module.loaded", "module.file", "module.library", "nvml.start", "nvml.count", "nvml.answers",
         "nvml.version"}


def expect_verified(vm):
    """The driver is whole up to what NVML says; nothing binds to a GPU that is a mount."""
    said = vm.run("gpunode verify --level 2 --json").out
    passed = {one["id"] for one in json.loads(said)["checks"] if one["verdict"] == "pass"}
    failed = {one["id"] for one in json.loads(said)["checks"] if one["verdict"] == "fail"}
    expect(WORKS <= passed and failed <= {"module.bound"}, f"verify: {said}")


@check("a bare machine gets NVIDIA's driver: repository, packages, hold, modules that its DKMS builds, loaded", DRIVER)
def installs(vm):
    vm.etc_before = etc_lines(vm)
    write_spec(vm)
    vm.sh(f"gpunode apply --yes {SPEC}", timeout=APPLY_LIMIT)
    expect_loaded(vm)
    held = set(vm.sh("apt-mark showhold").split())
    expect({"nvidia-driver-cuda", "nvidia-kernel-open-dkms"} <= held, f"held are {held}")
    vm.sh("systemctl is-active nvidia-persistenced.service; test -c /dev/nvidia0")
    expect_whole(vm)
    return f"nvidia {GOOD} for {kernels(vm)}"


UPDATE = """
cp /srv/updates/updates.list /etc/apt/sources.list.d/vm-updates.list
apt-get -q update
DEBIAN_FRONTEND=noninteractive apt-get -q -y --with-new-pkgs upgrade
"""


@check("an update of Debian's kernel: check tells of it and of the module that DKMS has built or has"
       " not; apply reboots into it, goes on by itself and ends well", DRIVER)
def kernel_update(vm):
    old = vm.sh("uname -r").strip()
    vm.sh(UPDATE, timeout=2 * APPLY_LIMIT)
    [new] = set(kernels(vm)) - {old}
    expect_built(vm, new)
    told = vm.run(f"gpunode check {SPEC}")
    expect(told.status == 2 and f"{new} is next" in told.out and "with an nvidia module" in told.out,
           f"with a module, check says {told.status}: {told.words}")
    vm.sh(f"dkms uninstall nvidia/{GOOD} -k {new}")
    without = vm.run(f"gpunode check {SPEC}")
    vm.sh(f"dkms install nvidia/{GOOD} -k {new}")
    expect(without.status == 2 and f"the kernel {new} has no module nvidia" in without.out,
           f"without a module, check says {without.status}: {without.words}")

    begin = vm.console_size()
    vm.sh(f"systemd-run --quiet --unit vm-apply gpunode apply --yes {SPEC}")
    vm.reboots(begin, APPLY_LIMIT)
    expect(vm.sh("uname -r").strip() == new, "another kernel runs after the reboot")
    status = vm.run(f"gpunode status {SPEC}")
    expect("last run: apply" in status.out and "done" in status.out, f"the run has not gone on: {status.words}")
    expect_loaded(vm)
    expect_verified(vm)
    expect_whole(vm)
    return f"{old} to {new}"


@check("a package whose script hides that DKMS could not build: apply says what the compiler said, the version"
       " before comes back with its module, and the driver that works stays loaded", DRIVER)
def hidden_failure(vm):
    release = vm.sh("uname -r").strip()
    write_spec(vm, HIDES)
    failed = vm.run(f"gpunode apply --yes {SPEC}", timeout=APPLY_LIMIT)
    expect(failed.status != 0 and f"cannot be built for the kernel {release}" in failed.out + failed.err
           and "this kernel is newer than the driver" in failed.out + failed.err, f"apply: {failed.words}")
    expect("the driver that was there is back, with its modules" in failed.out + failed.err, f"apply: {failed.words}")
    vm.sh(f"dpkg-query -W -f '${{Status}} ${{Version}}' nvidia-kernel-open-dkms | grep -q 'ok installed {GOOD}'")
    vm.sh(f"grep -q {GOOD} /proc/driver/nvidia/version")
    write_spec(vm, GOOD)
    vm.sh(f"gpunode apply --yes {SPEC}", timeout=APPLY_LIMIT)
    expect_loaded(vm)
    expect_whole(vm)


@check("rollback takes the driver away: modules, packages, and /etc byte for byte", DRIVER)
def rolls_back(vm):
    said = vm.sh("gpunode rollback --yes", timeout=APPLY_LIMIT)
    expect("driver.packages" in said and "(compensated)" in said, f"rollback: {said}")
    vm.sh("rm -f /etc/apt/sources.list.d/vm-updates.list")
    after = etc_lines(vm)
    expect(after == vm.etc_before, f"/etc is another: {sorted(after ^ vm.etc_before)[:20]}")
    left = vm.sh("dpkg-query -W -f '${Package} ${Status}\\n' | grep -E 'nvidia|libcuda' || :")
    expect(not left, f"packages are left: {left}")
    vm.sh("! ls -d /sys/module/nvidia /proc/driver/nvidia /lib/modules/*/updates/dkms/nvidia.ko* 2>/dev/null")
