"""What a node lives through, between its join (checks_join.py) and its end (checks_leave.py): the kubelet's restart,
another driver, and a roll-out that brings a changed file to it from a Pod, to a real systemd."""

import json
import subprocess

import node
from checks_join import NAME, POD, phase, spec_text
from claim import JOIN, SPEC, check, expect, wait
from process import wait_until

SHARES = 20
SPACE = "gpunode-rollout"
ROLLOUT_LIMIT = 900
MARK = "example.com/rolled-out"


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


class Rollout:
    """`gpunode rollout` of this machine's build over the node in the other one."""

    def __init__(self, vm, directory):
        """`directory` is this machine's, for the file."""
        self.vm, self.file = vm, directory / "rollout.yaml"
        # Again, where the seed's Pod has run: then it costs nothing.
        vm.sh("ctr -n k8s.io images import /disks/node/images/gpunode-host.tar", timeout=300)
        images = vm.sh("ctr -n k8s.io images list -q").split()
        self.image = next(one for one in images if "/gpunode-host:" in one)
        text = spec_text(vm.cluster.ca_hash())
        self.file.write_text(text.replace("labels: {", f"labels: {{{MARK}: \"yes\", "))

    def start(self):
        return subprocess.Popen(
            [str(self.vm.programs.shipped[0]), "rollout", str(self.file), "--yes", "--force",
             "--selector", f"kubernetes.io/hostname={NAME}", "--image", self.image,
             "--kubeconfig", str(self.vm.cluster.kubeconfig("admin"))],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={"PATH": "/usr/bin:/bin"})

    def pods(self):
        return [one["metadata"]["name"] for one in self.vm.cluster.api.get(f"/api/v1/namespaces/{SPACE}/pods")["items"]
                if "deletionTimestamp" not in one["metadata"]]

    def words(self):
        logs = self.vm.run(f"tail -n 40 /var/log/pods/{SPACE}_*/bring/*.log;"
                           " journalctl --quiet --unit gpunode-first --lines 60").out
        return logs[-4000:]


@check("gpunode rollout: a Pod brings the changed file to systemd, which goes on though its Pod is deleted amid the run;"
       " the Node has the new label, its GPUs, and is uncordoned", JOIN)
def rolls_out(vm):
    # As on a host that has no package: all of it comes from the image.
    vm.sh("mv /usr/bin/gpunode /usr/bin/gpunode.away")
    rollout = Rollout(vm, vm.cluster.state)
    process = rollout.start()
    try:
        def state():
            return vm.run("systemctl show -p ActiveState --value gpunode-first.service").out.strip()
        wait_until(lambda: state() == "activating" or process.poll() is not None,
                   lambda: f"the run has begun: {rollout.words()}", 300, vm.cluster.processes)
        first = rollout.pods()
        vm.cluster.kubectl("-n", SPACE, "delete", "pod", *first, "--grace-period=1")
        said, _ = process.communicate(timeout=ROLLOUT_LIMIT)
    finally:
        process.kill()
    expect(process.returncode == 0, f"gpunode rollout: {process.returncode}: {said}\n{rollout.words()}")
    the_node = vm.cluster.node(NAME)
    meta = the_node["metadata"]
    expect(meta["labels"].get(MARK) == "yes", f"labels: {meta['labels']}")
    expect("gpunode.io/rolled-out" in meta["annotations"] and "gpunode.io/rollout" not in meta["annotations"]
           and not the_node["spec"].get("unschedulable"), f"its mark: {meta['annotations']}, {the_node['spec']}")
    vm.sh("test \"$(systemctl show -p ActiveState --value gpunode-first.service)\" = active; test -x /usr/local/bin/gpunode;"
          " test -e /var/lib/gpunode/first-boot-done; grep -q '\"state\":\"done\"' /var/lib/gpunode/bring.json")
    expect(MARK in vm.sh("cat /etc/gpunode/node.yaml"), "the file was not brought")
    runs = vm.sh("journalctl --quiet --unit gpunode-first --output cat | grep -c 'Starting gpunode-first' || true").strip()
    wait_gpus(vm, SHARES, "after the roll-out")
    compute(vm, "after the roll-out")
    vm.sh("systemctl disable --now gpunode-first.service; rm /etc/systemd/system/gpunode-first.service; systemctl daemon-reload;"
          " mv /usr/bin/gpunode.away /usr/bin/gpunode")
    vm.cluster.kubectl("delete", "namespace", SPACE, "--wait=false")
    return f"{len(said.splitlines())} lines told, {runs} start of the unit, the Pods before: {', '.join(first)}"
