#!/usr/bin/env python3
"""One node's part in a cluster: plugin, labels and choice of config, ours in one process and
NVIDIA's in three, in turn on one simulated node with a real kube-apiserver."""

import argparse
import contextlib
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests/cluster"), str(ROOT / "bench")]

# pylint: disable=wrong-import-position
import build_kubernetes
import node_feature_crd
from api_run import ApiServer
from api_traffic import AuditLog, CountingProxy
from kube_api import KubeApi
from kubelet_double import KubeletDouble
from process import Failed, Processes, tail, wait_until

PLUGINS = "/var/lib/kubelet/device-plugins"
CONFIG_LABEL = "nvidia.com/device-plugin.config"
NAMESPACE = "default"
SWITCHES = 10  # Changes of the label that are timed.
STARTS = 9


def config(replicas):
    return json.dumps({"version": "v1", "sharing": {"timeSlicing": {"resources": [
        {"name": "nvidia.com/gpu", "replicas": replicas}]}}})


CONFIGS = {"few": 4, "many": 20}


class Side:
    """One of the two: its processes, its Node and what is measured of them."""

    def __init__(self, name, bench):
        self.name, self.node, self.bench = name, f"node-{name}", bench
        self.state = bench.state / name
        self.state.mkdir()
        self.configs = self.state / "configs"
        self.configs.mkdir()
        for key, replicas in CONFIGS.items():
            (self.configs / key).write_text(config(replicas))
        # Its threads share Python's lock with whoever watches the clock: times are taken without it.
        self.proxy = CountingProxy(bench.server.port)
        self.direct = pathlib.Path(bench.server.kubeconfig(name, {"token": bench.tokens[name]}))
        self.counted = self.state / "kubeconfig"
        self.kubeconfig = self.counted
        document = json.loads(self.direct.read_text())
        document["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{self.proxy.port}"
        self.counted.write_text(json.dumps(document))
        self.processes = Processes()
        self.started = 0
        bench.api.request("POST", "/api/v1/nodes", {
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": self.node, "labels": {CONFIG_LABEL: "few"}}})

    def environment(self, **more):
        nvml = self.bench.options.driver or self.bench.build / "tests/doubles/nvml"
        return {"PATH": "/usr/bin:/bin", "LD_LIBRARY_PATH": str(nvml), "HOME": str(self.state),
                "GPUNODE_FAKE_NVML": str(ROOT / "tests/fixtures/profiles/a10g-x1.json"),
                "NODE_NAME": self.node, "NAMESPACE": NAMESPACE, "POD_NAMESPACE": NAMESPACE,
                "KUBECONFIG": str(self.kubeconfig), "CONFIG_FILE_SRCDIR": str(self.configs),
                "MIG_STRATEGY": "single", **more}

    def spawn(self, name, *argv, **environment):
        return self.processes.start(name, [str(a) for a in argv], self.state / f"{name}.log",
                                    env=self.environment(**environment))

    def start(self):
        raise NotImplementedError

    def label(self, value):
        """Sets the Node's config label; returns when that was."""
        before = time.monotonic()
        status, answer = self.bench.api.request(
            "PATCH", f"/api/v1/nodes/{self.node}",
            {"metadata": {"labels": {CONFIG_LABEL: value}}}, "application/merge-patch+json")
        if status != 200:
            raise Failed(f"the label: {status} {answer}")
        return before

    def pss_mb(self):
        total = 0
        for process in self.processes.all:
            rollup = pathlib.Path(f"/proc/{process.pid}/smaps_rollup").read_text()
            total += int(re.search(r"^Pss:\s+(\d+)", rollup, re.M)[1]) * 1024 / 1e6
        return total

    def labels_ready(self):
        """Seconds from the start to the labels in the API, to a question's two milliseconds."""
        while not self.has_labels():
            self.processes.guard()
            if time.monotonic() - self.started > 60:
                raise Failed(f"{self.name}: no labels within 60 s")
            time.sleep(0.001)
        return time.monotonic() - self.started

    def has_labels(self):
        raise NotImplementedError

    def take_labels_away(self):
        raise NotImplementedError

    def start_and_stop(self, kubelet):
        """Milliseconds from the start to the labels in the API."""
        self.kubeconfig = self.direct
        self.start()
        ready = self.labels_ready() * 1000
        kubelet.wait_for(CONFIGS["few"], self.started)
        self.processes.stop()
        self.processes = Processes()
        self.kubeconfig = self.counted
        self.take_labels_away()
        return ready


class Theirs(Side):
    def feature(self):
        """From there Node Feature Discovery's master has yet to bring the labels to the Node."""
        return (f"/apis/nfd.k8s-sigs.io/v1alpha1/namespaces/{NAMESPACE}/nodefeatures/"
                f"nvidia-features-for-{self.node}")

    def has_labels(self):
        return self.bench.api.request("GET", self.feature())[0] == 200

    def take_labels_away(self):
        self.bench.api.delete(self.feature())

    def start(self):
        peers = self.bench.peers
        chosen = self.state / "config.yaml"
        flags = {"CONFIG_FILE_DST": str(chosen), "DEFAULT_CONFIG": "few"}
        self.started = time.monotonic()
        # As the chart does: once before the plugin starts, then beside it.
        once = subprocess.run([peers / "config-manager"], timeout=60, check=False,
                              env=self.environment(ONESHOT="true", SEND_SIGNAL="false", **flags),
                              stderr=open(self.state / "init.log", "wb"))
        if once.returncode != 0:
            raise Failed("config-manager: " + tail(self.state / "init.log"))
        plugin = peers / "nvidia-device-plugin"
        self.spawn("plugin", plugin, CONFIG_FILE=str(chosen))
        self.spawn("discovery", peers / "gpu-feature-discovery", CONFIG_FILE=str(chosen),
                   GFD_USE_NODE_FEATURE_API="true")
        self.spawn("config-manager", peers / "config-manager", SEND_SIGNAL="true", SIGNAL="1",
                   PROCESS_TO_SIGNAL=str(plugin), **flags)


class Ours(Side):
    def labels(self):
        return self.bench.api.node(self.node)["metadata"].get("labels", {})

    def has_labels(self):
        return "nvidia.com/gpu.count" in self.labels()

    def take_labels_away(self):
        gone = {name: None for name in self.labels() if name != CONFIG_LABEL}
        self.bench.api.request("PATCH", f"/api/v1/nodes/{self.node}",
                               {"metadata": {"labels": gone}}, "application/merge-patch+json")
        (self.bench.state / "choice").unlink(missing_ok=True)

    def start(self):
        self.started = time.monotonic()
        self.spawn("agent", self.bench.agent, DEFAULT_CONFIG="few", **self.bench.our_settings)


class Bench:
    def __init__(self, options, state):
        self.options, self.state = options, state
        self.build = options.build_dir.resolve()
        self.peers = options.peer and options.peer.resolve()
        self.agent = state / "gpunode-agent"
        subprocess.run(["strip", "-o", self.agent, self.build / "apps/agent/gpunode-agent"],
                       check=True)
        os.sync()  # Pages not yet on disk would count as private.
        self.our_settings = {"GPUNODE_LABELS": "node", "GPUNODE_CONFIG_STATE_FILE": str(state / "choice")}
        self.audit = AuditLog(state)
        self.server = ApiServer(build_kubernetes.ensure(), state, self.audit.arguments())
        self.tokens = {"theirs": self.server.nobody, "ours": self.server.rotated}
        self.users = {"theirs": "nobody", "ours": "rotated"}
        self.api = None

    def prepare(self):
        self.server.start()
        self.api = KubeApi("127.0.0.1", self.server.port, self.server.certificate,
                           self.server.admin)
        self.api.request("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": "bench"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                        "name": "cluster-admin"},
            "subjects": [{"kind": "User", "name": user} for user in self.users.values()]})
        node_feature_crd.install(self.api)
        self.api.request("POST", "/api/v1/namespaces",
                         {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})

    def measure(self, side, kubelet):
        side.start()
        side.labels_ready()
        kubelet.wait_for(CONFIGS["few"], side.started)
        result = {}
        switches = []
        for number in range(SWITCHES):
            time.sleep(0.5)  # Both have to be at rest again.
            to = "many" if number % 2 == 0 else "few"
            switches.append(kubelet.wait_for(CONFIGS[to], side.label(to)) * 1000)
        result["switch"] = statistics.median(switches)
        time.sleep(self.options.rest)
        result["pss"] = side.pss_mb()
        mark = self.audit.mark()
        side.proxy.take()
        time.sleep(self.options.hour)
        sent, _ = side.proxy.take()
        scale = 3600 / self.options.hour
        requests = self.audit.requests_of(self.users[side.name], mark)
        result["requests"] = sum(requests.values()) * scale
        result["bytes"] = sent * scale
        result["what"] = requests
        side.processes.stop()
        return result

    def run(self):
        self.prepare()
        sides = [Ours("ours", self)]
        if self.peers:
            sides.append(Theirs("theirs", self))
        if self.options.only:
            sides = [side for side in sides if side.name == self.options.only]
        starts = {side.name: [] for side in sides}
        with self.kubelet() as kubelet:
            for _ in range(STARTS):  # In turn, so that what else the machine does falls on both.
                for side in sides:
                    starts[side.name].append(side.start_and_stop(kubelet))
        results = {}
        for side in sides:
            with self.kubelet() as kubelet:
                results[side.name] = self.measure(side, kubelet)
            results[side.name]["starts"] = sorted(starts[side.name])
            results[side.name]["labels"] = statistics.median(starts[side.name])
        self.report(results)

    @contextlib.contextmanager
    def kubelet(self):
        kubelet = KubeletDouble(self.build / "tests/doubles/kubelet/kubelet-double", PLUGINS,
                                self.state / "kubelet.log")
        try:
            yield kubelet
        finally:
            kubelet.stop()

    def report(self, results):
        ours, theirs = results.get("ours"), results.get("theirs")
        print("| | NVIDIA's three | gpunode-agent | ratio |\n|---|---|---|---|")
        for key, words, form in (
                ("pss", "PSS, plugin + labels + config, MB", "{:.1f}"),
                ("labels", "start to labels in the API, ms", "{:.0f}"),
                ("switch", "config label changed to new device list, ms", "{:.0f}"),
                ("requests", "API requests an hour", "{:.0f}"),
                ("bytes", "API bytes an hour, TLS included", "{:.0f}")):
            cells = [form.format(side[key]) if side else "" for side in (theirs, ours)]
            ratio = f"{ours[key] / theirs[key]:.2f}" if ours and theirs and theirs[key] else ""
            print(f"| {words} | {cells[0]} | {cells[1]} | {ratio} |")
        for name, result in results.items():
            print(f"\n{name}, starts, ms: " + " ".join(f"{one:.0f}" for one in result["starts"]))
            print(f"{name}, in {self.options.hour} s:")
            for request, count in result["what"].most_common():
                print(f"  {count:5} {request}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build-dir", type=pathlib.Path, default=ROOT / "build/dev")
    parser.add_argument("--peer", type=pathlib.Path,
                        help="where nvidia-device-plugin, gpu-feature-discovery and config-manager "
                             "are")
    parser.add_argument("--hour", type=float, default=600,
                        help="seconds of API traffic to count, scaled to an hour")
    parser.add_argument("--rest", type=float, default=20, help="seconds before memory is read")
    parser.add_argument("--only", choices=["ours", "theirs"])
    parser.add_argument("--driver", type=pathlib.Path,
                        help="directory of a real libnvidia-ml.so.1; one GPU. Default: simulated")
    options = parser.parse_args()
    if "GPUNODE_BENCH_NAMESPACE" not in os.environ:
        # /var/lib/kubelet is to be the benchmark's own: NVIDIA's plugin knows no other.
        os.environ["GPUNODE_BENCH_NAMESPACE"] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable,
                              *sys.argv])
    with tempfile.TemporaryDirectory(prefix="gpunode-fleet-") as directory:
        state = pathlib.Path(directory)
        (state / "kubelet/device-plugins").mkdir(parents=True)
        os.makedirs("/var/lib/kubelet", exist_ok=True)
        subprocess.run(["mount", "--bind", state / "kubelet", "/var/lib/kubelet"], check=True)
        bench = Bench(options, state)
        try:
            bench.run()
            return 0
        except Failed as error:
            print(f"fleet: {error}", file=sys.stderr)
            for log in sorted(state.rglob("*.log")):
                print(tail(log), file=sys.stderr)
            return 1
        finally:
            bench.server.processes.stop()
            subprocess.run(["umount", "/var/lib/kubelet"], check=False)


if __name__ == "__main__":
    sys.exit(main())
