"""`gpunode apply` makes a bare Debian a node of a cluster: one file, one command, with the real kubelet and kubeadm. The control
plane beside the machine is a real one, made by kubeadm (tests/cluster/control_plane.py)."""

import json
import textwrap

import node
from checks_provision import SPEC
from claim import JOIN, check, expect
from process import wait_until
from seed_cluster import ENDPOINT

NAME = "gpu-1"
DISK_MIB = 2048
TOKEN = "/etc/gpunode/join-token"
APPLY_LIMIT = 900  # Packages unpack slowly in emulation, and so the kubelet starts.
POD = (node.HERE.parent / "cluster/seed/gpu-pod.yaml").read_text()
SEED_CONFIG = node.HERE.parent / "cluster/seed/config.map.default"
TRACES = "/etc/kubernetes/kubelet.conf /etc/kubernetes/bootstrap-kubelet.conf /etc/kubernetes/pki/ca.crt"


def spec_text(ca_hash):
    return f"""\
apiVersion: gpunode.dev/v1alpha1
kind: GPUNode
metadata: {{name: {NAME}}}
spec:
  host:
    expect: {{os: "debian 12", arch: x86_64}}
    swap: off
    extraRepositories: false
    reboot: {{mode: auto}}
  gpu: {{expect: [{{product: A10G, pciId: "10de:2237", count: 1}}]}}
  storage:
    - id: containerd
      select: {{model: "QEMU NVMe Ctrl", count: 1}}
      mount: {{path: /var/lib/containerd}}
      existingData: migrate
      onBootBlank: reformat
  runtime:
    engine: containerd
    install: {{source: distribution}}
  kubernetes:
    version: "1.20"
    source: distribution
    labels: {{nvidia.com/gpu.product: A10G}}
    taints: ["nvidia.com/gpu=present:NoSchedule"]
    join:
      endpoint: {ENDPOINT}
      tokenFrom: {{file: {TOKEN}}}
      caCertHashes: ["{ca_hash}"]
  verify: {{level: 4}}
  devicePlugin:
    as: service
    config:
{textwrap.indent(SEED_CONFIG.read_text(), "      ")}
"""


def write_spec(vm, ca_hash=None, ignored=None):
    """`ignored`: a check of kubeadm's that is not made, so that the kubelet meets what it is for."""
    text = spec_text(ca_hash or vm.cluster.ca_hash())
    if ignored:
        text = text.replace("    join:\n", f"    join:\n      ignorePreflight: [{ignored}]\n")
    if ignored == "Swap":
        text = text.replace("swap: off", "swap: keep")
    vm.sh(f"mkdir -p /etc/gpunode; cat >{SPEC} <<'YAML'\n{text}YAML")


def write_token(vm, token):
    vm.sh(f"umask 077; mkdir -p /etc/gpunode; echo {token} >{TOKEN}")


def packages(vm):
    installed = vm.sh("dpkg-query -W -f '${Package} ${db:Status-Status}\\n'").splitlines()
    return {line.split()[0] for line in installed if line.endswith(" installed")}


# What a cluster's network plugin does on a node that has joined.
NETWORK_PLUGIN = """\
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.201.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
"""


def wait_ready(vm, words="the Node is Ready"):
    vm.sh(f"mkdir -p /etc/cni/net.d; cat >/etc/cni/net.d/10-pods.conflist <<'JSON'\n{NETWORK_PLUGIN}JSON")
    wait_until(lambda: vm.cluster.is_ready(NAME), lambda: f"{words}: {json.dumps(vm.cluster.node(NAME))[:3000]}", 300,
               vm.cluster.processes)


def expect_none(vm, when):
    """The host is no node, nor half of one, and the token is in its file alone."""
    vm.sh(f"for file in {TRACES} /run/gpunode/kubeadm-join.yaml; do if [ -e $file ]; then echo $file >&2; exit 1; fi; done")
    state = vm.run("systemctl is-active kubelet.service").out.strip()
    expect(state not in ("active", "activating"), f"{when} the kubelet is {state}")


@check("one file, one command: a bare Debian with a blank disk becomes a node with containerd, kubelet and kubeadm, label and"
       " taint, whose container adds vectors on the GPU, and is Ready; a second apply changes nothing", JOIN)
def joins(vm):
    vm.nvme = {"AWS0001": vm.new_nvme("AWS0001", DISK_MIB)}
    vm.power_cycle()
    vm.packages_before = packages(vm)
    for name in ("containerd", "kubelet", "kubeadm", "xfsprogs"):
        expect(name not in vm.packages_before, f"{name} is installed before")
    write_spec(vm)
    write_token(vm, vm.cluster.token)
    vm.story = vm.sh(f"gpunode apply --yes {SPEC} 2>&1", timeout=APPLY_LIMIT)
    expect("pass  container.vectoradd" in vm.story, f"apply has not verified the node: {vm.story[-3000:]}")
    wait_ready(vm)
    the_node = vm.cluster.node(NAME)
    expect(the_node["metadata"]["labels"].get("nvidia.com/gpu.product") == "A10G", f"labels: {the_node['metadata']['labels']}")
    expect({"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"} in the_node["spec"].get("taints", ()),
           f"taints: {the_node['spec'].get('taints')}")
    info = the_node["status"]["nodeInfo"]
    expect(info["kubeletVersion"] == "v1.20.2", f"the kubelet is {info['kubeletVersion']}")
    vm.sh("findmnt -n -o FSTYPE /var/lib/containerd | grep -qx xfs")
    again = vm.sh(f"gpunode apply --yes {SPEC}")
    expect("0 to change" in again, f"a second apply: {again}")
    return f"{info['containerRuntimeVersion']}, {info['osImage']}"


def phase(vm):
    return vm.cluster.api.request("GET", "/api/v1/namespaces/default/pods/gpu-pod")[1].get("status", {}).get("phase")


@check("the agent that the file asks for as a service offers the GPU in 20 shares, and the seed's Pod prints Test PASSED; verify to level 5 has nothing against it", JOIN)
def runs_the_pod(vm):
    vm.sh("for image in /disks/node/images/*.tar; do ctr -n k8s.io images import $image; done", timeout=300)

    def gpus():
        return int(vm.cluster.node(NAME)["status"].get("allocatable", {}).get("nvidia.com/gpu", "0"))
    wait_until(lambda: gpus() == 20, lambda: f"20 shares of a GPU, there are {gpus()}", 180, vm.cluster.processes)
    vm.cluster.apply(POD)
    wait_until(lambda: phase(vm) in ("Succeeded", "Failed"), lambda: "the Pod has ended: " + json.dumps(
        vm.cluster.api.get("/api/v1/namespaces/default/events"))[-3000:], 300, vm.cluster.processes)
    log = vm.sh("cat /var/log/pods/default_gpu-pod_*/cuda-container/0.log")
    expect(phase(vm) == "Succeeded" and "Test PASSED" in log, f"the Pod is {phase(vm)}: {log}")
    verified = vm.run("gpunode verify --from 4 --level 5 --kubeconfig /etc/kubernetes/kubelet.conf --json", timeout=300)
    told = {one["id"]: one["verdict"] for one in json.loads(verified.out)["checks"]}
    expect("fail" not in told.values(), f"verify: {verified.words}")
    return f"verify: {told}"


@check("after a power cut it is a node again by itself, with its GPU", JOIN)
def power_cut(vm):
    vm.sh("sync")
    vm.cut_power()
    since = vm.cluster.node(NAME)["status"]["nodeInfo"]["bootID"]
    vm.boot()
    wait_until(lambda: vm.cluster.node(NAME)["status"]["nodeInfo"]["bootID"] != since and vm.cluster.is_ready(NAME),
               "the Node is Ready after the boot", 300, vm.cluster.processes)
    again = vm.sh(f"gpunode apply --yes {SPEC}")
    expect("0 to change" in again, f"an apply after the boot: {again}")
