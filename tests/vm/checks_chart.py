"""The seed's last step on the node that `gpunode apply` has made (checks_join.py): the chart by real helm, with the file's values and
with the seed's own. The agent is a Pod of the image now, and no service of the host."""

import json
import pathlib
import sys

import node
from checks_join import APPLY_LIMIT, NAME, spec_text, write_spec
from checks_live import SHARES, compute, wait_gpus
from checks_provision import SPEC
from claim import JOIN, Lacking, check, expect, wait
from control_plane import POD_RANGE
from process import run, wait_until

sys.path.append(str(node.HERE.parent / "chart"))
import helm as helm_parts  # noqa: E402

MINOR = 25  # The seed's Kubernetes; its helm is 3.11.
CHART = node.HERE.parent.parent / "deploy/helm/gpunode"
SEED_VALUES = node.HERE.parent / "chart/values/seed.yaml"
NAMESPACE, RELEASE = "nvidia-device-plugin", "nvdp"
PROXY = "vm-kube-proxy.service"
PROXY_CONFIG = "/run/vm-kube-proxy.conf"
# The simulated driver's GPUs, in a directory that the Pod has anyway. A real driver knows its own.
PROFILE = "/var/lib/kubelet/device-plugins/simulation/profile.json"


class Release:
    """helm of this machine, with the chart as the project has it, on the cluster that the other machine is a node of."""

    def __init__(self, vm):
        try:
            self.program = helm_parts.ensure(MINOR) / "helm"
        except helm_parts.HelmError as error:
            raise Lacking(str(error)) from error
        self.vm, self.state = vm, vm.cluster.state / "helm"
        self.state.mkdir(exist_ok=True)

    def helm(self, *words):
        return run([str(self.program), *map(str, words)], env={
            "PATH": "/usr/bin:/bin", "HOME": str(self.state), "KUBECONFIG": str(self.vm.cluster.kubeconfig("admin"))}).stdout

    def upgrade(self, values, *more):
        simulation = self.state / "simulation.json"
        simulation.write_text(json.dumps({"extraEnv": [{"name": "GPUNODE_FAKE_NVML", "value": PROFILE}]}))
        return self.helm("upgrade", "-i", RELEASE, CHART, "--namespace", NAMESPACE, "--create-namespace",
                         "--values", values, "--values", simulation, *more)

    def pods(self):
        return self.vm.cluster.api.request("GET", f"/api/v1/namespaces/{NAMESPACE}/pods")[1].get("items", [])

    def running_pod(self, other_than=None):
        """The agent's Pod, whose container runs; not the one with that UID."""
        def running():
            return next((one for one in self.pods() if one["status"].get("phase") == "Running"
                         and one["metadata"]["uid"] != other_than and "deletionTimestamp" not in one["metadata"]), None)
        return wait_until(running, lambda: "the agent's Pod runs: " + self.vm.cluster.kubectl(
            "--namespace", NAMESPACE, "describe", "pods")[-3000:], 300, self.vm.cluster.processes)

    def words_of(self, pod):
        """Its log, read in the machine: the control plane has no way to the kubelet."""
        uid = pod["metadata"]["uid"]
        return self.vm.run(f"cat /var/log/pods/{NAMESPACE}_*_{uid}/*/*.log").out


def start_proxy(vm):
    """What the cluster's own DaemonSet is on each node: Pods reach the API server by its service's address."""
    config = vm.cluster.kubeadm("alpha", "kubeconfig", "user", "--client-name", "system:kube-proxy",
                                "--config", vm.cluster.config(vm.cluster.pki)).stdout
    vm.sh(f"umask 077; cat >{PROXY_CONFIG} <<'YAML'\n{config}\nYAML\n"
          f"systemd-run --quiet --collect --unit {PROXY} /disks/node/kube-proxy --kubeconfig={PROXY_CONFIG}"
          f" --hostname-override={NAME} --proxy-mode=iptables --cluster-cidr={POD_RANGE}"
          # The bridge that stands in for a network plugin hides no Pod's address from the world.
          " --masquerade-all --healthz-bind-address= --metrics-bind-address=127.0.0.1:10249"
          # What counts connections may not be there before the first rule.
          " --conntrack-max-per-core=0 --conntrack-tcp-timeout-established=0 --conntrack-tcp-timeout-close-wait=0")
    wait(vm, f"{{ ! systemctl is-active --quiet {PROXY} || iptables-save -t nat | grep -q default/kubernetes:https; }}",
         "kube-proxy has the rules of the API server's service")
    expect(vm.run(f"systemctl is-active --quiet {PROXY}").status == 0, "kube-proxy has ended: " +
           vm.run(f"journalctl --quiet --unit {PROXY} --lines 20 --output cat").out)


def stop_proxy(vm):
    # Its own --cleanup ends with an error where there is no ipset.
    vm.sh(f"systemctl stop {PROXY}; iptables-save | grep -v KUBE- | iptables-restore; rm {PROXY_CONFIG}")


@check("the plugin by the chart: with `as: cluster` apply takes the service away, and helm with the values that `gpunode device-plugin`"
       " prints of the file brings the agent as a Pod of our image: 20 shares, and the seed's Pod prints Test PASSED", JOIN)
def chart(vm):
    release = Release(vm)
    write_spec(vm)
    vm.sh(f"sed -i 's/as: service/as: cluster/' {SPEC}; for image in /disks/node/images/*.tar; do"
          " ctr -n k8s.io images import $image; done", timeout=300)
    vm.sh(f"gpunode apply --yes {SPEC}", timeout=APPLY_LIMIT)
    state = vm.run("systemctl is-active gpunode-agent.service").out.strip()
    expect(state == "inactive", f"gpunode-agent.service is {state}")
    wait_gpus(vm, 0, "without the service")
    vm.sh(f"install -D -m 644 $(find /etc/vm-driver/ -name profile.json) {PROFILE}")
    values = release.state / "values.yaml"
    values.write_text(vm.sh(f"gpunode device-plugin --as values {SPEC}"))
    release.upgrade(values)
    pod = release.running_pod()
    wait_gpus(vm, SHARES, f"by the chart; the agent says: {release.words_of(pod)[-2000:]}")
    compute(vm, "with the chart's agent")
    return pod["spec"]["containers"][0]["image"]


@check("helm upgrade to the seed's own values and labels by the agent: its Pod asks the API server by the service's address, the Node"
       " has the GPU's labels beside the file's, and helm rollback brings the Pod of before", JOIN)
def upgrade(vm):
    release = Release(vm)
    start_proxy(vm)
    before = release.running_pod()
    release.upgrade(SEED_VALUES, "--set", "labels=node")
    pod = release.running_pod(other_than=before["metadata"]["uid"])

    def labels():
        return vm.cluster.node(NAME)["metadata"]["labels"]
    wait_until(lambda: labels().get("nvidia.com/gpu.replicas") == str(SHARES),
               lambda: f"the agent labels the Node: {labels()}; it says: {release.words_of(pod)[-3000:]}", 300,
               vm.cluster.processes)
    expect(labels()["nvidia.com/gpu.product"] == "A10G", f"the file's label was overwritten: {labels()}")
    wait_gpus(vm, SHARES, "with the seed's values")
    compute(vm, "with the seed's values")
    release.helm("rollback", RELEASE, "--namespace", NAMESPACE)
    release.running_pod(other_than=pod["metadata"]["uid"])
    stop_proxy(vm)
    wait_gpus(vm, SHARES, "after helm rollback")
    return ", ".join(f"{key}={value}" for key, value in sorted(labels().items()) if key.startswith("nvidia.com/"))


@check("helm uninstall: no share is left; with `as: service` again apply brings the service back, and its 20", JOIN)
def uninstall(vm):
    release = Release(vm)
    release.helm("uninstall", RELEASE, "--namespace", NAMESPACE)
    wait_until(lambda: not release.pods(), lambda: f"the agent's Pod is gone: {json.dumps(release.pods())[-2000:]}", 300,
               vm.cluster.processes)
    wait_gpus(vm, 0, "without the chart")
    vm.cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")
    vm.sh(f"rm -r {pathlib.Path(PROFILE).parent}")
    write_spec(vm)
    vm.sh(f"gpunode apply --yes {SPEC}", timeout=APPLY_LIMIT)
    wait_gpus(vm, SHARES, "by the service again")
    compute(vm, "by the service again")
