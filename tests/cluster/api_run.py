#!/usr/bin/env python3
"""The contract of src/k8s/api on a real kube-apiserver: etcd and the API server on free ports, no
node. Seconds, once Kubernetes is built (build_kubernetes.py); needs no root."""

import argparse
import json
import os
import pathlib
import secrets
import sys
import tempfile
import threading

import build_kubernetes
import node_feature_crd
from kube_api import KubeApi
from process import Failed, Processes, free_port, program, run, tail, wait_until


class ApiServer:
    """etcd and kube-apiserver in one directory."""

    def __init__(self, kubernetes, state, arguments=()):
        self.bin, self.state, self.arguments = pathlib.Path(kubernetes), state, arguments
        self.processes = Processes()
        self.port = free_port()
        self.certificate = state / "apiserver.crt"
        self.account_key = state / "service-accounts.key"
        # The tokens are worth nothing once this run has ended.
        self.admin, self.nobody, self.rotated, self.kubelet = (secrets.token_hex() for _ in range(4))
        self.server = self.etcd = None
        self.etcd_port = free_port()

    def start(self):
        client, peer = self.etcd_port, free_port()
        self.etcd = self.spawn(
            "etcd", program("etcd"), "--data-dir", self.state / "etcd", "--name", "one",
            "--listen-client-urls", f"http://127.0.0.1:{client}",
            "--advertise-client-urls", f"http://127.0.0.1:{client}",
            "--listen-peer-urls", f"http://127.0.0.1:{peer}",
            "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}",
            "--initial-cluster", f"one=http://127.0.0.1:{peer}")
        key = self.account_key
        run([program("openssl"), "genrsa", "-out", str(key), "2048"])
        tokens = self.state / "tokens.csv"
        tokens.write_text(f'{self.admin},admin,1,"system:masters"\n{self.nobody},nobody,2,""\n'
                          f'{self.rotated},rotated,3,"system:masters"\n'
                          f'{self.kubelet},system:node:contract,4,"system:nodes"\n')
        self.server = self.spawn(
            "kube-apiserver", self.bin / "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{client}", "--insecure-port=0",
            f"--secure-port={self.port}", "--bind-address=127.0.0.1", f"--cert-dir={self.state}",
            "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
            f"--token-auth-file={tokens}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-signing-key-file={key}", f"--service-account-key-file={key}",
            "--service-cluster-ip-range=10.202.0.0/16", "--enable-priority-and-fairness=false",
            # Admission would want a namespace's service account, which no controller makes here.
            "--disable-admission-plugins=ServiceAccount", *self.arguments)
        self.wait_ready()

    def spawn(self, name, *argv):
        return self.processes.start(name, [str(a) for a in argv], self.state / f"{name}.log",
                                    env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C",
                                         "HOME": str(self.state)})

    def api(self):
        return KubeApi("127.0.0.1", self.port, self.certificate, self.admin)

    def wait_ready(self):
        wait_until(self.certificate.with_suffix(".key").exists, "the API server's certificate",
                   180, self.processes)
        wait_until(self.api().ready, "the API server is ready", 240, self.processes)

    def restart(self):
        self.server.expected = False
        self.server.stop(timeout=1)  # Its orderly end waits a minute for watches.
        self.server.start()

    def kubeconfig(self, name, user, authority=None):
        path = self.state / f"{name}.kubeconfig"
        path.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [{"name": "here", "cluster": {
                "server": f"https://127.0.0.1:{self.port}",
                "certificate-authority": str(authority or self.certificate)}}],
            "users": [{"name": "me", "user": user}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}]}))
        return str(path)


def restart_on_request(server, fifo):
    """Restarts the server each time somebody writes a line to `fifo`; ends with an empty one."""
    while True:
        with open(fifo, encoding="ascii") as lines:
            for line in lines:
                if not line.strip():
                    return
                server.restart()


def run_contract(server, test, arguments):
    state = server.state
    fifo, token_file, other = state / "restart", state / "token", state / "other.crt"
    os.mkfifo(fifo)
    token_file.write_text("never-known")
    run([program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
         "-subj", "/CN=another authority", "-keyout", str(state / "other.key"), "-out", str(other)])
    environment = {
        "PATH": "/usr/bin:/bin",
        "GPUNODE_TEST_KUBECONFIG": server.kubeconfig("admin", {"token": server.admin}),
        "GPUNODE_TEST_KUBECONFIG_LIMITED": server.kubeconfig("nobody", {"token": server.nobody}),
        "GPUNODE_TEST_KUBECONFIG_KUBELET": server.kubeconfig("kubelet", {"token": server.kubelet}),
        "GPUNODE_TEST_KUBECONFIG_ROTATED":
            server.kubeconfig("rotated", {"tokenFile": str(token_file)}),
        "GPUNODE_TEST_KUBECONFIG_UNTRUSTED":
            server.kubeconfig("untrusted", {"token": server.admin}, other),
        "GPUNODE_TEST_TOKEN_FILE": str(token_file), "GPUNODE_TEST_TOKEN": server.rotated,
        "GPUNODE_TEST_RESTART": str(fifo)}
    restarter = threading.Thread(target=restart_on_request, args=(server, fifo), daemon=True)
    restarter.start()
    done = run([str(test), *arguments], timeout=900, env=environment, check=False)
    fifo.write_text("\n")
    restarter.join(timeout=60)
    print(done.stdout + done.stderr, end="")
    return done.returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build-dir", required=True, type=pathlib.Path)
    options, arguments = parser.parse_known_args()
    test = options.build_dir / "tests/integration/api_contract_test"
    kubernetes = build_kubernetes.ensure()
    with tempfile.TemporaryDirectory(prefix="gpunode-api-") as directory:
        server = ApiServer(kubernetes, pathlib.Path(directory))
        try:
            server.start()
            node_feature_crd.install(server.api(), server.processes)
            return run_contract(server, test, arguments)
        except Failed as error:
            print(f"api_run: {error}", file=sys.stderr)
            for log in sorted(pathlib.Path(directory).glob("*.log")):
                print(tail(log), file=sys.stderr)
            return 1
        finally:
            server.processes.stop()


if __name__ == "__main__":
    sys.exit(main())
