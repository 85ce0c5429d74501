"""One Kubernetes node with its control plane: etcd, kube-apiserver, scheduler, controller-manager,
containerd, kubelet and kube-proxy, as processes of the run's namespaces (sandbox.py, machine.py)."""

import json
import pathlib
import re

import images
import machine
from kube_api import KubeApi
from process import Processes, program, run, wait_until

NODE = "gpu-node-1"
API_PORT = 6443
SERVICE_RANGE = "10.202.0.0/16"
POD_RANGE = "10.201.0.0/16"
SANDBOX_IMAGE = "gpunode.test/pause:1"
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
TOKENS = {  # user -> (token, group); the tokens are worth nothing outside these namespaces.
    "admin": ("admin-token", "system:masters"),
    "system:kube-scheduler": ("scheduler-token", ""),
    f"system:node:{NODE}": ("node-token", "system:nodes"),
    "gpunode-agent": ("agent-token", ""),
    "system:kube-proxy": ("proxy-token", ""),
}

CONTAINERD_CONFIG = """\
version = 2
root = "{state}/containerd"
state = "/run/containerd/state"
oom_score = 0
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp"]
[grpc]
  address = "{socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{state}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{sandbox}"
  # Where a container manager lacks CAP_SYS_RESOURCE, runc could not lower oom_score_adj.
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni_plugins}"
    conf_dir = "{state}/cni.d"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{snapshotter}"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
"""

CNI_CONFIG = {
    "cniVersion": "0.4.0", "name": "pods",
    "plugins": [
        {"type": "ptp", "mtu": 1500,
         "ipam": {"type": "host-local", "dataDir": "/run/cni-ipam",
                  "ranges": [[{"subnet": POD_RANGE}]], "routes": [{"dst": "0.0.0.0/0"}]}},
    ],
}


class Cluster:
    """Starts and ends the parts. All state is below `state`; logs in state/logs."""

    def __init__(self, kubernetes, state, cgroup):
        self.bin = pathlib.Path(kubernetes)
        self.state = pathlib.Path(state)
        self.cgroup = cgroup
        self.logs = self.state / "logs"
        self.logs.mkdir(exist_ok=True)
        self.processes = Processes()
        self.api = None
        self.kubelet = None
        self.certificate = self.state / "pki/apiserver.crt"
        self.containerd_config = self.state / "containerd.toml"
        self.toolkit_config = self.state / "toolkit.toml"

    # Parts.

    def start(self, before_containerd, before_kubelet):
        """Returns when the node is Ready and Pods can be made.

        before_containerd() changes its configuration, before_kubelet() brings images.
        """
        self.write_files()
        before_containerd()
        self.start_containerd()
        self.start_etcd()
        self.start_api_server()
        before_kubelet()
        self.start_controllers()
        self.start_kubelet()
        self.wait_ready()
        self.start_proxy()
        wait_until(lambda: self.api.request(
            "GET", "/api/v1/namespaces/default/serviceaccounts/default")[1].get("secrets"),
                   "a service account for Pods", 120, self.processes)

    def spawn(self, name, *argv):
        return self.processes.start(name, [str(a) for a in argv], self.logs / f"{name}.log",
                                    env={"PATH": f"{self.bin}:/usr/sbin:/usr/bin:/sbin:/bin",
                                         "HOME": str(self.state), "LC_ALL": "C", "TZ": "UTC",
                                         # For the runtime, containerd's grandchild.
                                         "NVIDIA_CTK_CONFIG_FILE_PATH": str(self.toolkit_config)})

    def write_files(self):
        pki = self.state / "pki"
        pki.mkdir()
        key = pki / "service-accounts.key"
        run([program("openssl"), "genrsa", "-out", str(key), "2048"])
        (pki / "tokens.csv").write_text("".join(
            f'{token},{user},{user},"{group}"\n' for user, (token, group) in TOKENS.items()))
        (self.state / "cni.d").mkdir()
        (self.state / "cni.d/10-pods.conflist").write_text(json.dumps(CNI_CONFIG))
        for user, (token, _) in TOKENS.items():
            name = user.rsplit(":", 1)[-1]
            self.write_kubeconfig(self.kubeconfig(name), token)
        works = machine.overlay_works(self.state)
        self.toolkit_config.write_text("")
        self.containerd_config.write_text(CONTAINERD_CONFIG.format(
            state=self.state, socket=CONTAINERD_SOCKET, sandbox=SANDBOX_IMAGE,
            cni_plugins="/usr/lib/cni", snapshotter="overlayfs" if works else "native"))
        (self.state / "kubelet.json").write_text(json.dumps(self.kubelet_config()))

    def kubeconfig(self, name):
        return self.state / f"{name}.kubeconfig"

    def write_kubeconfig(self, path, token):
        path.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [{"name": "here", "cluster": {
                "server": f"https://{machine.ADDRESS}:{API_PORT}",
                "certificate-authority": str(self.certificate)}}],
            "users": [{"name": "me", "user": {"token": token}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        }))

    def kubelet_config(self):
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "address": "0.0.0.0", "healthzBindAddress": "127.0.0.1", "readOnlyPort": 0,
            # Nobody else is in these namespaces, and the API server has no client certificate.
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"},
            "cgroupDriver": "cgroupfs", "cgroupRoot": f"/{self.cgroup}",
            "failSwapOn": False, "enforceNodeAllocatable": [],
            # A full disk of the machine must not evict Pods or drop images that nobody can pull.
            "evictionHard": {"imagefs.available": "0%", "nodefs.available": "0%",
                             "nodefs.inodesFree": "0%", "memory.available": "1Mi"},
            "imageGCHighThresholdPercent": 100, "imageGCLowThresholdPercent": 99,
            "makeIPTablesUtilChains": False, "resolvConf": "", "oomScoreAdj": 0,
            "maxPods": 250, "kubeAPIQPS": 200, "kubeAPIBurst": 400,
            "eventRecordQPS": 0, "registryPullQPS": 0,
            # How soon a change of a device shows in the Node, 10 s by default. It is also the time
            # limit of the kubelet's request, so not too little.
            "nodeStatusUpdateFrequency": "2s",
        }

    def start_containerd(self):
        self.spawn("containerd", program("containerd"), "--config", self.containerd_config)
        wait_until(lambda: run(self.ctr("version"), check=False).returncode == 0,
                   "containerd answers", 120, self.processes)

    def ctr(self, *arguments):
        return [program("ctr"), "--address", CONTAINERD_SOCKET, "--namespace", "k8s.io", *arguments]

    def start_etcd(self):
        data = pathlib.Path("/run/etcd")  # A tmpfs: nothing here has to survive the run.
        data.mkdir()
        self.spawn("etcd", program("etcd"), "--data-dir", data, "--name", "one",
                   "--listen-client-urls", "http://127.0.0.1:2379",
                   "--advertise-client-urls", "http://127.0.0.1:2379",
                   "--listen-peer-urls", "http://127.0.0.1:2380",
                   "--initial-advertise-peer-urls", "http://127.0.0.1:2380",
                   "--initial-cluster", "one=http://127.0.0.1:2380")

    def start_api_server(self):
        key = self.state / "pki/service-accounts.key"
        self.spawn("kube-apiserver", self.bin / "kube-apiserver",
                   "--etcd-servers=http://127.0.0.1:2379", "--insecure-port=0",
                   f"--secure-port={API_PORT}", f"--bind-address={machine.ADDRESS}",
                   f"--advertise-address={machine.ADDRESS}", f"--cert-dir={self.state}/pki",
                   "--authorization-mode=Node,RBAC",
                   f"--token-auth-file={self.state}/pki/tokens.csv",
                   "--service-account-issuer=https://kubernetes.default.svc",
                   f"--service-account-signing-key-file={key}", f"--service-account-key-file={key}",
                   f"--service-cluster-ip-range={SERVICE_RANGE}", "--allow-privileged=true",
                   "--kubelet-preferred-address-types=InternalIP",
                   "--enable-priority-and-fairness=false")
        # The server writes its certificate first and then, when that file is whole, its key.
        wait_until(self.certificate.with_suffix(".key").exists, "the API server's certificate",
                   120, self.processes)
        self.api = KubeApi(machine.ADDRESS, API_PORT, self.certificate, TOKENS["admin"][0])
        wait_until(self.api.ready, "the API server is ready", 180, self.processes)

    def another_api(self):
        """For another thread."""
        return KubeApi(machine.ADDRESS, API_PORT, self.certificate, TOKENS["admin"][0])

    def start_controllers(self):
        self.spawn("kube-scheduler", self.bin / "kube-scheduler",
                   f"--kubeconfig={self.kubeconfig('kube-scheduler')}", "--leader-elect=false",
                   "--bind-address=127.0.0.1", "--port=0")
        self.spawn("kube-controller-manager", self.bin / "kube-controller-manager",
                   f"--kubeconfig={self.kubeconfig('admin')}", "--leader-elect=false",
                   "--bind-address=127.0.0.1", "--port=0",
                   f"--service-account-private-key-file={self.state}/pki/service-accounts.key",
                   f"--root-ca-file={self.certificate}",
                   # A kubelet that is slow, on a busy machine, is not dead.
                   "--node-monitor-grace-period=5m",
                   "--controllers=serviceaccount,serviceaccount-token,namespace,nodelifecycle,replicaset,"
                   "daemonset,podgc,garbagecollector")

    def start_kubelet(self):
        if self.kubelet is not None:
            self.kubelet.start()
            return
        self.kubelet = self.spawn(
            "kubelet", self.bin / "kubelet", f"--config={self.state}/kubelet.json",
            f"--kubeconfig={self.kubeconfig(NODE)}", f"--hostname-override={NODE}",
            f"--node-ip={machine.ADDRESS}", "--container-runtime=remote",
            f"--container-runtime-endpoint=unix://{CONTAINERD_SOCKET}",
            # As the seed labels its node.
            "--node-labels=nvidia.com/gpu.product=A10G", "--v=2")

    def start_proxy(self):
        """So that Pods reach Services: the API server's is what the agent asks for."""
        self.spawn("kube-proxy", self.bin / "kube-proxy",
                   f"--kubeconfig={self.kubeconfig('kube-proxy')}", f"--hostname-override={NODE}",
                   "--proxy-mode=iptables", f"--cluster-cidr={POD_RANGE}",
                   "--healthz-bind-address=", "--metrics-bind-address=127.0.0.1:10249",
                   # The machine's, and not for a namespace to set.
                   "--conntrack-max-per-core=0", "--conntrack-tcp-timeout-established=0",
                   "--conntrack-tcp-timeout-close-wait=0")

    def wait_ready(self, timeout=180):
        def ready():
            status, node = self.api.request("GET", f"/api/v1/nodes/{NODE}")
            return status == 200 and any(
                c["type"] == "Ready" and c["status"] == "True"
                for c in node["status"].get("conditions", ()))
        wait_until(ready, "the node is Ready", timeout, self.processes)

    def stop(self):
        self.processes.stop()

    # What a person does with it.

    def kubectl(self, *arguments, **how):
        return self.kubectl_ended(*arguments, **how).stdout

    def kubectl_ended(self, *arguments, stdin=None, check=True, timeout=120):
        """As kubectl(), with its exit code and what it wrote on standard error."""
        command = [str(self.bin / "kubectl"), f"--kubeconfig={self.kubeconfig('admin')}"]
        return run([*command, *arguments], env={"PATH": "/usr/bin:/bin", "HOME": str(self.state)},
                   stdin=stdin, check=check, timeout=timeout)

    def apply(self, manifest):
        """kubectl apply -f - of a YAML text, or of a document."""
        text = manifest if isinstance(manifest, str) else json.dumps(manifest)
        return self.kubectl("apply", "-f", "-", stdin=text)

    def logs_of(self, pod):
        return self.kubectl("logs", pod)

    def import_image(self, name, root, entrypoint, environment=()):
        archive = self.state / (re.sub(r"[^a-z0-9]+", "-", name) + ".tar")
        images.write_archive(archive, root.directory, name, entrypoint, environment)
        run(self.ctr("images", "import", str(archive)), timeout=120)
        archive.unlink()

    def container_pid(self, container_id):
        listed = run(self.ctr("tasks", "list")).stdout
        match = re.search(rf"^{re.escape(container_id)}\s+(\d+)\s", listed, re.MULTILINE)
        return int(match.group(1)) if match else None

    def running_tasks(self):
        """Ids of containers, sandboxes too, whose process lives."""
        listed = run(self.ctr("tasks", "list")).stdout
        return [line.split()[0] for line in listed.splitlines() if line.endswith("RUNNING")]

    # What the story looks at.

    def gpus(self, kind="allocatable", resource="nvidia.com/gpu"):
        """The count in the Node's status; None while the resource is not there at all."""
        value = self.api.node(NODE)["status"].get(kind, {}).get(resource)
        return None if value is None else int(value)

    def assigned_devices(self):
        """Pod uid -> device ids, as the kubelet's own checkpoint has them."""
        path = pathlib.Path("/var/lib/kubelet/device-plugins/kubelet_internal_checkpoint")
        entries = json.loads(path.read_text())["Data"]["PodDeviceEntries"] or []
        found = {}
        for entry in entries:
            ids = entry["DeviceIDs"]
            if isinstance(ids, dict):  # By NUMA node since 1.20.
                ids = [one for group in ids.values() for one in group]
            found.setdefault(entry["PodUID"], []).extend(ids)
        return found
