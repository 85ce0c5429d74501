"""The power fails while gpunode writes. Last, for it is also the only boot of a node that was set up."""

from claim import REFRESH, SPEC, check, expect, expect_refreshed, wait
from checks_devices import BY_GPUNODE, over_daemon_reload
from checks_engine import CONFIGURE, FILE

REFRESHERS = 3  # So that the cut comes in different places of theirs.
PLACE = "/var/lib/vm-cut"
CONTROL_BYTES = 65536

# The filesystem is told not to guess that a rename wants its file written first (auto_da_alloc). So
# a file that is replaced without being synced is empty after the cut: `control` shows it.
LOOPS = f"""
mount -o remount,noauto_da_alloc /
rm -rf {PLACE} /run/vm-rounds; mkdir -p {PLACE} /run/vm-rounds
cat >/run/vm-loop <<'LOOP'
set -eu
n=0
round() {{ n=$((n + 1)); echo $n >/run/vm-rounds/$1; }}
case $1 in
  configure)
    while :; do
      {CONFIGURE} --set-as-default; {CONFIGURE} --undo; round $1
    done ;;
  control)
    while :; do
      head -c {CONTROL_BYTES} /dev/zero >{PLACE}/new; mv {PLACE}/new {PLACE}/control; round $1; sleep 0.1
    done ;;
  *)
    while :; do
      for names in index uuid; do
        gpunode cdi refresh --output {PLACE}/spec$1.yaml --inventory {PLACE}/inventory$1 \\
          --device-name-strategy $names
      done
      round $1
    done ;;
esac
LOOP
for loop in configure control {{1..{REFRESHERS}}}; do
  systemd-run --quiet --unit vm-loop-$loop bash /run/vm-loop $loop
done
"""


def specs(vm):
    """The two texts that a spec may have."""
    return [vm.sh(f"gpunode cdi refresh --output /run/vm-spec.yaml --inventory /run/vm-inventory"
                  f" --device-name-strategy {names} >/dev/null; cat /run/vm-spec.yaml")
            for names in ("index", "uuid")]


def configs(vm):
    """The two that the engine's file may have."""
    before = vm.sh(f"cat {FILE}")
    after = vm.sh(f"{CONFIGURE} --set-as-default >/dev/null; cat {FILE}")
    vm.sh(f"{CONFIGURE} --undo")
    return [before, after]


def cut(vm):
    vm.sh(LOOPS)
    loops = ("configure", "control", *map(str, range(1, REFRESHERS + 1)))
    for loop in loops:
        wait(vm, f"test -e /run/vm-rounds/{loop}", f"the loop {loop} has done a round")
    for loop in loops:
        vm.sh(f"systemctl is-active vm-loop-{loop}")
    vm.cut_power()
    vm.boot()


def expect_whole(vm, files, texts):
    for path in files:
        text = vm.sh(f"cat {path}")
        expect(text in texts, f"after the power cut {path} is neither the one nor the other:\n{text[:2000]}")


@check("a power cut amid refreshes and configurations leaves every file whole, and they go on from there")
def power_cut(vm):
    may_be, engine = specs(vm), configs(vm)
    cut(vm)
    expect_whole(vm, [f"{PLACE}/spec{n}.yaml" for n in range(1, REFRESHERS + 1)], may_be)
    expect_whole(vm, [FILE], engine)
    vm.sh(f"{CONFIGURE} --set-as-default; {CONFIGURE} --undo")
    expect_whole(vm, [FILE], engine[:1])
    size = int(vm.sh(f"stat -c %s {PLACE}/control"))
    expect(size < CONTROL_BYTES, "the control, a file replaced without a sync, is whole")
    return f"a file replaced without a sync has {size} of its {CONTROL_BYTES} bytes"


@check("after the boot the spec and the links are there by themselves, and so is a container's GPU")
def boot(vm):
    wait(vm, f"test -e {SPEC}", "the service has run")
    vm.sh(f"systemctl is-active {REFRESH}.path")
    expect_refreshed(vm, "after the boot")
    over_daemon_reload(vm, before=[0], after=[0], **BY_GPUNODE)
