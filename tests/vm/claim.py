"""What the checks are made of. A check is a claim and a function of the machine, which raises
Failed where the claim does not hold and else returns a note for its line, or nothing."""

import node
from machine import Failed

NODE, SELINUX, DRIVER, JOIN = "node", "selinux", "driver", "join"  # The machines that there are: run.py.
CHECKS = []  # (name, function, machine), in the order in which they are made.

SPEC = "/run/cdi/nvidia.yaml"
REFRESH = "gpunode-cdi-refresh"


def check(name, machine=NODE):
    def register(function):
        CHECKS.append((name, function, machine))
        return function
    return register


class Lacking(Exception):
    """A check cannot be made here; its text says for want of what."""


def expect(condition, text):
    if not condition:
        raise Failed(text)


def wait(vm, condition, what):
    """Until the condition holds there; how long that takes is the machine's affair."""
    done = vm.run(f"for n in {{1..300}}; do {condition} && exit; sleep 0.2; done; exit 1")
    expect(done.status == 0, f"in vain waited until {what}; it said last: {done.words[-500:]}")


def expect_gpus(container, wanted, when):
    may = container.may_open(node.GPUS)
    expect(may == wanted, f"{when} {container.name} may open GPUs {may}, not {wanted}")


def expect_refreshed(vm, when):
    """The service has run for the driver of four T4, and has made the spec and the links."""
    devices = vm.sh("gpunode cdi list").split()
    expect("nvidia.com/gpu=0" in devices and "nvidia.com/gpu=3" in devices,
           f"{when} the CDI devices are {devices}")
    vm.sh(f"test -e {SPEC}")
    for gpu in range(node.GPUS):
        vm.sh(f"test /dev/char/195:{gpu} -ef /dev/nvidia{gpu}")
