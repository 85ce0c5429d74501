"""A control plane as `kubeadm init` makes one, without a node of its own: etcd, kube-apiserver, controller-manager and scheduler
on free ports of the loopback, with kubeadm's certificates, its ConfigMaps, its roles and a bootstrap token that it signs.

Hosts that join reach it at `endpoint`, which need not be one of this machine's: a virtual machine's way to this one, for instance.
"""

import base64
import hashlib
import json
import pathlib
import re
import secrets

from kube_api import KubeApi
from process import Failed, Processes, free_port, program, run, wait_until

NAME = "control-plane"  # Its Node, which no kubelet stands behind.
ADDRESS = "10.0.2.100"  # What it says of itself, which must not be a loopback's; nobody goes there by that.
SERVICE_RANGE = "10.202.0.0/16"
POD_RANGE = "10.201.0.0/16"
VERSION = "v1.20.2"
CLUSTER_INFO = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
CONTROLLERS = ("bootstrapsigner", "tokencleaner", "csrsigning", "csrapproving", "csrcleaner", "serviceaccount",
               "serviceaccount-token", "namespace", "nodelifecycle", "podgc", "garbagecollector", "root-ca-cert-publisher", "daemonset")

CONFIG = """\
apiVersion: kubeadm.k8s.io/v1beta2
kind: InitConfiguration
bootstrapTokens:
- token: {token}
  ttl: 24h0m0s
localAPIEndpoint: {{advertiseAddress: {address}, bindPort: 6443}}
nodeRegistration: {{name: {name}, criSocket: /run/containerd/containerd.sock}}
---
apiVersion: kubeadm.k8s.io/v1beta2
kind: ClusterConfiguration
kubernetesVersion: {version}
certificatesDir: {certificates}
controlPlaneEndpoint: "{endpoint}"
apiServer: {{certSANs: [127.0.0.1]}}
networking: {{serviceSubnet: {services}, podSubnet: {pods}}}
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: systemd
{kubelet}"""


def new_token():
    """Of a bootstrap token's form."""
    return f"{secrets.token_hex(3)}.{secrets.token_hex(8)}"


class ControlPlane:
    """In one directory, which is its own and there already."""

    def __init__(self, programs, state, endpoint=None, kubelet=""):
        """`endpoint`: "ADDRESS:PORT", default this machine's own; `kubelet`: lines for the configuration of all kubelets."""
        self.bin, self.state, self.kubelet = pathlib.Path(programs), pathlib.Path(state), kubelet
        self.pki = self.state / "pki"
        self.port = free_port()
        self.endpoint = endpoint or f"127.0.0.1:{self.port}"
        self.token = new_token()
        self.processes = Processes()
        self.server = self.api = None

    @property
    def authority(self):
        return self.pki / "ca.crt"

    def start(self):
        """Returns when a host can join."""
        client = free_port()
        peer = free_port()
        self.spawn("etcd", program("etcd"), "--data-dir", self.state / "etcd", "--name", "one",
                   "--listen-client-urls", f"http://127.0.0.1:{client}",
                   "--advertise-client-urls", f"http://127.0.0.1:{client}",
                   "--listen-peer-urls", f"http://127.0.0.1:{peer}",
                   "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}",
                   "--initial-cluster", f"one=http://127.0.0.1:{peer}")
        self.write_files()
        self.start_server(client)
        self.start_controllers()
        self.let_hosts_join()

    def spawn(self, name, *argv):
        # A killed run takes them with it.
        argv = [program("setpriv"), "--pdeathsig", "KILL", *argv]
        return self.processes.start(name, [str(a) for a in argv], self.state / f"{name}.log", env=self.environment())

    def environment(self):
        return {"PATH": f"{self.bin}:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": str(self.state)}

    def kubeadm(self, *arguments, check=True):
        return run([str(self.bin / "kubeadm"), *map(str, arguments)], env=self.environment(), timeout=180, check=check)

    def kubeconfig(self, name):
        return self.state / f"{name}.conf"

    def config(self, certificates):
        """A file for kubeadm; by the directory `certificates` kubelets know the CA's file, too."""
        path = self.state / "kubeadm.yaml"
        path.write_text(CONFIG.format(token=self.token, address=ADDRESS, endpoint=self.endpoint, name=NAME,
                                      version=VERSION, certificates=certificates, services=SERVICE_RANGE,
                                      pods=POD_RANGE, kubelet=self.kubelet))
        return path

    def write_files(self):
        config = self.config(self.pki)
        self.kubeadm("init", "phase", "certs", "all", "--config", config)
        for name in ("admin", "controller-manager", "scheduler"):
            self.kubeadm("init", "phase", "kubeconfig", name, "--config", config, "--kubeconfig-dir", self.state)
            path = self.kubeconfig(name)
            path.write_text(re.sub(r"server: \S+", f"server: https://127.0.0.1:{self.port}", path.read_text()))

    def start_server(self, etcd_port):
        pki = self.pki
        self.server = self.spawn(
            "kube-apiserver", self.bin / "kube-apiserver", f"--etcd-servers=http://127.0.0.1:{etcd_port}",
            "--insecure-port=0", f"--secure-port={self.port}", "--bind-address=127.0.0.1",
            f"--advertise-address={ADDRESS}",
            "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
            "--enable-bootstrap-token-auth=true", "--allow-privileged=true", f"--client-ca-file={pki}/ca.crt",
            f"--tls-cert-file={pki}/apiserver.crt", f"--tls-private-key-file={pki}/apiserver.key",
            f"--kubelet-client-certificate={pki}/apiserver-kubelet-client.crt",
            f"--kubelet-client-key={pki}/apiserver-kubelet-client.key",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={pki}/sa.pub", f"--service-account-signing-key-file={pki}/sa.key",
            f"--service-cluster-ip-range={SERVICE_RANGE}", "--enable-priority-and-fairness=false")
        self.api = KubeApi("127.0.0.1", self.port, self.authority, "")
        self.api.context.load_cert_chain(*self.client_pair("admin"))
        wait_until(self.api.ready, "the API server is ready", 240, self.processes)

    def client_pair(self, name):
        """Files of the client's certificate and key that kubeadm put into a kubeconfig."""
        text = self.kubeconfig(name).read_text()
        files = []
        for what in ("certificate", "key"):
            [data] = re.findall(rf"client-{what}-data: (\S+)", text)
            file = self.state / f"{name}-{what}.pem"
            file.write_bytes(base64.b64decode(data))
            files.append(str(file))
        return files

    def start_controllers(self):
        self.spawn("kube-scheduler", self.bin / "kube-scheduler", f"--kubeconfig={self.kubeconfig('scheduler')}",
                   "--leader-elect=false", "--port=0", "--secure-port=0")
        self.spawn("kube-controller-manager", self.bin / "kube-controller-manager",
                   f"--kubeconfig={self.kubeconfig('controller-manager')}", "--leader-elect=false", "--port=0",
                   "--secure-port=0", "--use-service-account-credentials=true",
                   f"--cluster-signing-cert-file={self.pki}/ca.crt", f"--cluster-signing-key-file={self.pki}/ca.key",
                   f"--service-account-private-key-file={self.pki}/sa.key", f"--root-ca-file={self.pki}/ca.crt",
                   # A kubelet that is slow, on a busy machine, is not dead.
                   "--node-monitor-grace-period=5m", f"--controllers={','.join(CONTROLLERS)}")

    def let_hosts_join(self):
        """What `kubeadm init` does once its API server runs."""
        # With the configuration of kubelets kubeadm marks the Node of its own host.
        self.api.create("/api/v1/nodes", {"metadata": {"name": NAME, "labels": {"kubernetes.io/hostname": NAME}},
                                          "spec": {"unschedulable": True}})
        config, admin = self.config("/etc/kubernetes/pki"), self.kubeconfig("admin")
        self.kubeadm("init", "phase", "upload-config", "all", "--config", config, "--kubeconfig", admin)
        self.kubeadm("init", "phase", "bootstrap-token", "--config", config, "--kubeconfig", admin,
                     "--skip-token-print")
        # It has the address at which kubeadm itself reached the server.
        info = self.api.get(CLUSTER_INFO)
        info["data"]["kubeconfig"] = re.sub(r"server: \S+", f"server: https://{self.endpoint}",
                                            info["data"]["kubeconfig"])
        status, answer = self.api.request("PUT", CLUSTER_INFO, info)
        if status != 200:
            raise Failed(f"PUT {CLUSTER_INFO}: {status} {answer.get('message', '')}")
        self.wait_signed(self.token)

    def wait_signed(self, token):
        def signed():
            data = self.api.get(CLUSTER_INFO)["data"]
            return f"jws-kubeconfig-{token.split('.')[0]}" in data
        wait_until(signed, "cluster-info is signed by the token", 120, self.processes)

    def create_token(self, lifetime="24h"):
        token = new_token()
        self.kubeadm("token", "create", token, "--ttl", lifetime, "--kubeconfig", self.kubeconfig("admin"))
        self.wait_signed(token)
        return token

    def delete_token(self, token):
        self.kubeadm("token", "delete", token, "--kubeconfig", self.kubeconfig("admin"))
        part = f"jws-kubeconfig-{token.split('.')[0]}"
        wait_until(lambda: part not in self.api.get(CLUSTER_INFO)["data"], "the token's signature is gone", 120,
                   self.processes)

    def ca_hash(self):
        """What `kubeadm token create --print-join-command` prints of the CA."""
        key = run([program("openssl"), "x509", "-in", str(self.authority), "-pubkey", "-noout"]).stdout
        der = base64.b64decode("".join(line for line in key.splitlines() if not line.startswith("-")))
        return "sha256:" + hashlib.sha256(der).hexdigest()

    def node(self, name):
        """The Node, or None."""
        status, node = self.api.request("GET", f"/api/v1/nodes/{name}")
        return node if status == 200 else None

    def is_ready(self, name):
        node = self.node(name)
        return node is not None and any(c["type"] == "Ready" and c["status"] == "True"
                                        for c in node["status"].get("conditions", ()))

    def kubectl(self, *arguments, stdin=None, check=True):
        return run([str(self.bin / "kubectl"), f"--kubeconfig={self.kubeconfig('admin')}", *arguments],
                   env=self.environment(), stdin=stdin, check=check).stdout

    def apply(self, document):
        return self.kubectl("apply", "-f", "-", stdin=document if isinstance(document, str) else json.dumps(document))

    def stop(self):
        self.processes.stop()
