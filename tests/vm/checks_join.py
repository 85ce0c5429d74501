"""`gpunode apply` makes a bare Debian a node of a cluster: one file, one command, with the real kubelet and kubeadm. The control
plane beside the machine is a real one, made by kubeadm (tests/cluster/control_plane.py)."""

import json
import textwrap

import node
from checks_provision import SPEC
from claim import JOIN, check, expect, wait
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


def write_spec(vm, ca_hash=None, with_swap=False):
    text = spec_text(ca_hash or vm.cluster.ca_hash())
    if with_swap:
        text = text.replace("swap: off", "swap: keep").replace("    join:\n", "    join:\n      ignorePreflight: [Swap]\n")
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


@check("leave: Pods end, the kubelet stops, no file of kubeadm's is left; the host may not take the name of its own Node while"
       " that is Ready", JOIN)
def leaves(vm):
    pods = vm.sh("crictl pods -q").split()
    expect(pods, "there is no Pod whose end could be seen")
    said = vm.sh("gpunode leave --yes", timeout=300)
    expect_none(vm, "after leave")
    expect(not vm.sh("crictl pods -q").split(), f"Pods are left: {said}")
    expect(vm.cluster.is_ready(NAME), "the Node is not Ready any more")
    taken = vm.run(f"gpunode apply --yes {SPEC}", timeout=300)
    expect(taken.status != 0 and f"has a Node {NAME} already, and it is Ready" in taken.out + taken.err, f"apply: {taken.words}")
    expect_none(vm, "with a name that is taken")
    vm.cluster.kubectl("delete", "node", NAME)


@check("a wrong CA hash, a token that is not the cluster's, one that was deleted: each told before anything is begun", JOIN)
def refused(vm):
    write_spec(vm, "sha256:" + "0" * 64)
    told = vm.run(f"gpunode apply --yes {SPEC}", timeout=300)
    expect(told.status != 0 and "none of spec.kubernetes.join.caCertHashes" in told.out + told.err, f"another CA: {told.words}")
    write_spec(vm)
    deleted = vm.cluster.create_token()
    vm.cluster.delete_token(deleted)
    write_token(vm, deleted)
    told = vm.run(f"gpunode apply --yes {SPEC}", timeout=300)
    expect(told.status != 0 and "expired" in told.out + told.err, f"a token that was deleted: {told.words}")
    write_token(vm, vm.cluster.token[:7] + "0" * 16)
    told = vm.run(f"gpunode apply --yes {SPEC}", timeout=300)
    expect(told.status != 0 and "token" in told.out + told.err, f"a wrong token: {told.words}")
    expect_none(vm, "after tokens that are not taken")


@check("a kubelet that ends once kubeadm has started it: the join is taken back, and told with the kubelet's own last word", JOIN)
def kubelet_ends(vm):
    write_token(vm, vm.cluster.token)
    vm.sh("fallocate -l 64M /swap; chmod 600 /swap; mkswap /swap; swapon /swap")
    write_spec(vm, with_swap=True)
    told = vm.run(f"gpunode apply --yes {SPEC}", timeout=APPLY_LIMIT)
    vm.sh("swapoff /swap; rm /swap")
    write_spec(vm)
    expect(told.status != 0 and "running with swap on is not supported" in told.out + told.err
           and "taken back" in told.out + told.err, f"apply: {told.words}")
    expect_none(vm, "after a join that was taken back")
    expect(vm.cluster.node(NAME) is None, "the cluster has a Node of it")


@check("a power cut while kubeadm joins: after the boot the run goes on by itself, and the host is a node", JOIN)
def cut_amid_join(vm):
    write_token(vm, vm.cluster.token)
    vm.sh(f"systemd-run --quiet --collect --unit vm-apply gpunode apply --yes {SPEC}")
    wait(vm, "test -e /etc/kubernetes/pki/ca.crt", "kubeadm has begun")
    vm.sh("sync")
    vm.cut_power()
    vm.boot()
    wait(vm, "! systemctl show -p ActiveState gpunode-resume.service | grep -q activating", "the run has gone on")
    wait_ready(vm, "the Node is Ready after the run has gone on")
    again = vm.sh(f"gpunode apply --yes {SPEC}")
    expect("0 to change" in again, f"a further apply: {again}")


@check("rollback: no node, no package more than before, no file of gpunode's in /etc, and a blank disk", JOIN)
def bare_again(vm):
    vm.sh("systemctl disable --now gpunode-agent.service")
    vm.sh("gpunode rollback --yes --confirm-wipe=AWS0001", timeout=APPLY_LIMIT)
    expect_none(vm, "after rollback")
    now = packages(vm)
    expect(now == vm.packages_before, f"packages are others: {sorted(now ^ vm.packages_before)}")
    left = vm.run("grep -rl '^# Written by gpunode' /etc --exclude-dir=gpunode").out
    expect(not left, f"files are left: {left}")
    vm.sh("! findmnt /var/lib/containerd")
    expect(vm.run("blkid -p /dev/nvme0n1").status == 2, "the disk is not blank")
