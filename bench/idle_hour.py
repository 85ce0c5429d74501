#!/usr/bin/env python3
"""What one idle node costs in an hour: ours and NVIDIA's at the same time, each in a mount namespace
with a kubelet of its own, on one real kube-apiserver. Nothing is scaled: an hour takes an hour."""

import argparse
import ctypes
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from fleet import CONFIGS, PLUGINS, Bench, Ours, Theirs
from kube_api import KubeApi
from kubelet_double import KubeletDouble
from process import Failed, tail

CLONE_NEWNS = 0x20000  # <linux/sched.h>
KUBELET = "/var/lib/kubelet"  # NVIDIA's plugin knows no other.
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"


def own_kubelet_directory(directory):
    """This process sees `directory` as /var/lib/kubelet; nobody else does."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        raise Failed(f"unshare: {os.strerror(ctypes.get_errno())}; needs root")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    (directory / "device-plugins").mkdir(parents=True)
    os.makedirs(KUBELET, exist_ok=True)
    subprocess.run(["mount", "--bind", directory, KUBELET], check=True)


def cpu_seconds(side):
    """Of its processes that live, since each one's start."""
    total = 0
    for process in side.processes.all:
        fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])  # utime and stime, in ticks.
    return total / os.sysconf("SC_CLK_TCK")


class Hour(Bench):
    """Both sides' clients are service accounts, as a chart's are."""

    def prepare(self):
        super().prepare()
        for side in self.tokens:
            account = f"idle-{side}"
            self.api.create(ACCOUNTS, {"metadata": {"name": account}})
            # Of a day, so that nothing has to be read anew within the run.
            answer = self.api.create(f"{ACCOUNTS}/{account}/token", {
                "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                "spec": {"expirationSeconds": 86400}})
            self.tokens[side] = answer["status"]["token"]
            self.users[side] = f"system:serviceaccount:default:{account}"
            self.grant(self.users[side])

    def grant(self, user):
        self.api.create("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {
            "metadata": {"name": user.replace(":", "-")},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                        "name": "cluster-admin"},
            "subjects": [{"kind": "User", "name": user}]})

    def one_side(self, kind, name):
        """In a process of its own, since its /var/lib/kubelet is."""
        own_kubelet_directory(self.state / f"kubelet-{name}")
        self.api = KubeApi("127.0.0.1", self.server.port, self.server.certificate,
                           self.server.admin)
        side = kind(name, self)
        kubelet = KubeletDouble(self.build / "tests/doubles/kubelet/kubelet-double", PLUGINS,
                                side.state / "kubelet.log")
        try:
            side.start()
            side.labels_ready()
            kubelet.wait_for(CONFIGS["few"], side.started)
            time.sleep(self.options.rest)
            mark, used, lists = self.audit.mark(), cpu_seconds(side), len(kubelet.lists)
            side.proxy.take()
            time.sleep(self.options.hour)
            side.processes.guard()
            sent, connections = side.proxy.take()
            return {"bytes": sent, "connections": connections,
                    "what": dict(self.audit.requests_of(self.users[name], mark)),
                    "cpu": cpu_seconds(side) - used, "pss": side.pss_mb(),
                    "lists": len(kubelet.lists) - lists}
        finally:
            side.processes.stop()
            kubelet.stop()

    def run(self):
        self.prepare()
        children = {}
        for name, kind in (("theirs", Theirs), ("ours", Ours)):
            if name == "theirs" and not self.peers:
                continue
            child = os.fork()
            if child == 0:
                os._exit(self.child(kind, name))
            children[child] = name
        failed = []
        for child, name in children.items():
            if os.waitpid(child, 0)[1] != 0:
                failed.append(name)
        if failed:
            raise Failed(f"{' and '.join(failed)}: see above")
        self.report({name: json.loads((self.state / f"{name}.json").read_text())
                     for name in children.values()})

    def child(self, kind, name):
        try:
            (self.state / f"{name}.json").write_text(json.dumps(self.one_side(kind, name)))
            return 0
        except (Failed, OSError, subprocess.SubprocessError) as error:
            print(f"idle_hour: {name}: {error}", file=sys.stderr, flush=True)
            return 1

    def report(self, results):
        for result in results.values():
            result["requests"] = sum(result["what"].values())
        ours, theirs = results["ours"], results.get("theirs")
        print(f"In {self.options.hour:.0f} s:\n")
        print("| | NVIDIA's three | gpunode-agent | ratio |\n|---|---|---|---|")
        for key, words, form in (("requests", "API requests", "{}"),
                                 ("bytes", "API bytes, TLS included", "{}"),
                                 ("connections", "connections opened", "{}"),
                                 ("cpu", "CPU seconds", "{:.2f}"),
                                 ("pss", "PSS at the end, MB", "{:.1f}"),
                                 ("lists", "device lists sent", "{}")):
            cells = [form.format(side[key]) if side else "" for side in (theirs, ours)]
            ratio = f"{ours[key] / theirs[key]:.2f}" if theirs and theirs[key] else ""
            print(f"| {words} | {cells[0]} | {cells[1]} | {ratio} |")
        for name, result in results.items():
            print(f"\n{name}:")
            for request, count in sorted(result["what"].items(), key=lambda item: -item[1]):
                print(f"  {count:5} {request}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    root = pathlib.Path(__file__).resolve().parent.parent
    parser.add_argument("--build-dir", type=pathlib.Path, default=root / "build/dev")
    parser.add_argument("--peer", type=pathlib.Path, help="as fleet.py's")
    parser.add_argument("--hour", type=float, default=3600, help="seconds to count")
    parser.add_argument("--rest", type=float, default=60, help="seconds before the count begins")
    options = parser.parse_args()
    options.driver = None
    with tempfile.TemporaryDirectory(prefix="gpunode-hour-") as directory:
        state = pathlib.Path(directory)
        bench = Hour(options, state)
        try:
            bench.run()
            return 0
        except Failed as error:
            print(f"idle_hour: {error}", file=sys.stderr)
            for log in sorted(state.rglob("*.log")):
                print(tail(log), file=sys.stderr)
            return 1
        finally:
            bench.server.processes.stop()


if __name__ == "__main__":
    sys.exit(main())
