"""What a node lives through, between its join (checks_join.py) and its end (checks_leave.py): the kubelet's restart
and another driver."""

import json

import node
from checks_join import NAME, POD, phase
from claim import JOIN, SPEC, check, expect, wait
from process import wait_until

SHARES = 20


def gpus(vm):
    return int(vm.cluster.node(NAME)["status"].get("allocatable", {}).get("nvidia.com/gpu", "0"))


def wait_gpus(vm, count, when):
    wait_until(lambda: gpus(vm) == count, lambda: f"{count} shares of a GPU {when}, there are {gpus(vm)}", 300,
               vm.cluster.processes)


def compute(vm, when):
    """The seed's Pod once more."""
    vm.cluster.kubectl("delete", "pod", "gpu-pod", "--ignore-not-found", "--grace-period=0", "--force")
    vm.cluster.apply(POD)
    wait_until(lambda: phase(vm) in ("Succeeded", "Failed"), lambda: f"the Pod has ended {when}: " + json.dumps(
        vm.cluster.api.get("/api/v1/namespaces/default/events"))[-3000:], 300, vm.cluster.processes)
    uid = vm.cluster.api.get("/api/v1/namespaces/default/pods/gpu-pod")["metadata"]["uid"]
    log = vm.run(f"cat /var/log/pods/default_gpu-pod_{uid}/cuda-container/0.log").out
    expect(phase(vm) == "Succeeded" and "Test PASSED" in log, f"{when} the Pod is {phase(vm)}: {log}")


@check("the kubelet is restarted: the agent registers again, and the seed's Pod prints Test PASSED", JOIN)
def kubelet_restart(vm):
    before = vm.sh("systemctl show -p MainPID --value kubelet.service gpunode-agent.service").split()
    since = vm.sh("date +%s").strip()
    vm.sh("systemctl restart kubelet.service")
    wait(vm, f"journalctl --quiet --unit gpunode-agent --since @{since} --output cat | grep -q 'registering again'",
         "the agent registers again")
    wait_gpus(vm, SHARES, "after the kubelet's restart")
    compute(vm, "after the kubelet's restart")
    after = vm.sh("systemctl show -p MainPID --value kubelet.service gpunode-agent.service").split()
    expect(after[0] != before[0] and after[1] == before[1], f"the kubelet and the agent were {before} and are {after}")


@check("another driver: spec, agent and the seed's Pod follow", JOIN)
def driver_update(vm):
    # As `apply` does it: who holds the driver stops before it is unloaded, and starts again.
    vm.sh("systemctl stop gpunode-agent.service")
    old = json.loads((node.PROFILES / f"{node.SEED_DRIVER}.json").read_text())["driverVersion"]
    expect(old in vm.sh(f"cat {SPEC}"), "the spec is not of the driver that is there")
    node.use_driver(vm, node.NEXT_DRIVER)
    vm.sh("depmod; systemctl start gpunode-agent.service")
    wait(vm, f"grep -q {node.NEXT_VERSION} {SPEC} && ! grep -q {old} {SPEC}", "the spec is of the new driver")
    wait_gpus(vm, SHARES, "of the new driver")
    compute(vm, "with the new driver")
    told = vm.sh("gpunode facts --json")
    expect(node.NEXT_VERSION in told, f"facts tell of no driver {node.NEXT_VERSION}")
