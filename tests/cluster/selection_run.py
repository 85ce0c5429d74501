#!/usr/bin/env python3
"""The configuration by the node's label, on a real kube-apiserver with etcd: gpunode-agent, the
kubelet's double and the simulated driver. No node, no root.

    python3 tests/cluster/selection_run.py --build-dir build/dev [--only WORDS]...
"""

import argparse
import http.client
import json
import pathlib
import re
import signal
import sys
import tempfile
import time

import build_kubernetes
import checks_selection
from api_run import ApiServer
from kube_api import KubeApi
from kubelet_double import KubeletDouble
from process import Failed, Processes, run, tail, wait_until

LABEL = "nvidia.com/device-plugin.config"
STATUS = "gpunode.io/device-plugin.config-status"
REPLICAS = {"four": 4, "twenty": 20}
FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures/profiles"


def config(replicas):
    return json.dumps({"version": "v1", "sharing": {"timeSlicing": {"resources": [
        {"name": "nvidia.com/gpu", "replicas": replicas}]}}})


class Station:
    """One Node with its kubelet's double and its agent, gone at the end of the `with`."""

    def __init__(self, run_of, name, user, label, environment):
        self.run_of, self.name, self.environment = run_of, f"gpu-{name}", environment
        self.state = run_of.state / name
        self.processes = Processes()
        self.plugins = self.state / "plugins"
        self.agent = self.kubelet = None
        (self.state / "map").mkdir(parents=True)
        self.plugins.mkdir()
        (self.state / "map/whole").write_text('{"version": "v1"}')
        for key, replicas in REPLICAS.items():
            (self.state / "map" / key).write_text(config(replicas))
        self.kubeconfig = run_of.server.kubeconfig(name, user)
        run_of.api.create("/api/v1/nodes", {"metadata": {
            "name": self.name, "labels": {LABEL: label} if label else {}}})

    def __enter__(self):
        doubles = self.run_of.build / "tests/doubles"
        self.kubelet = KubeletDouble(doubles / "kubelet/kubelet-double", self.plugins,
                                     self.state / "kubelet.log")
        agent = self.run_of.build / "apps/agent/gpunode-agent"
        self.agent = self.processes.start(
            "agent", [str(agent), f"--kubelet-socket={self.plugins}/kubelet.sock",
                      f"--nvml-library={doubles}/nvml/libnvidia-ml.so.1",
                      f"--host-root={self.state}/host", "--listen-address=127.0.0.1:0"],
            self.state / "agent.log", env={
                "PATH": "/usr/bin:/bin", "NODE_NAME": self.name, "KUBECONFIG": self.kubeconfig,
                "GPUNODE_FAKE_NVML": str(FIXTURES / "a10g-x1.json"), "DEFAULT_CONFIG": "whole",
                "CONFIG_FILE_SRCDIR": str(self.state / "map"),
                "GPUNODE_CONFIG_STATE_FILE": str(self.state / "choice"), **self.environment})
        return self

    def __exit__(self, *_):
        self.processes.stop()
        self.kubelet.stop()
        self.run_of.api.delete(f"/api/v1/nodes/{self.name}")

    # What happens.

    def label(self, value):
        """With kubectl; "" takes it away."""
        word = f"{LABEL}={value}" if value else f"{LABEL}-"
        self.run_of.kubectl("label", "--overwrite", "node", self.name, word)

    def stop_in_its_tracks(self):
        self.agent.popen.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.agent.popen.send_signal(signal.SIGCONT)

    # What it shows.

    def says(self, text, timeout=60, since=0):
        """Waits for words in the agent's log; `since` is a length of it."""
        return wait_until(lambda: text in self.log()[since:], f"the agent says {text!r}", timeout,
                          self.processes)

    def log(self):
        return self.agent.log.read_text(errors="replace")

    def page(self, path):
        port = re.search(r"listening on 127\.0\.0\.1:(\d+)", self.log())
        connection = http.client.HTTPConnection("127.0.0.1", int(port[1]), timeout=10)
        connection.request("GET", path)
        return connection.getresponse().read().decode()

    def metric(self, name, **labels):
        """Of the one sample that has these labels; None: there is none."""
        for line in self.page("/metrics").splitlines():
            if re.match(rf"{name}[{{ ]", line) and all(
                    f'{key}="{value}"' in line for key, value in labels.items()):
                return float(line.rsplit(" ", 1)[1])
        return None

    def annotation(self):
        """By kubectl, as a person sees it; None while it is not there."""
        path = STATUS.replace(".", "\\.")
        said = self.run_of.kubectl("get", "node", self.name, "-o",
                                   f"jsonpath={{.metadata.annotations.{path}}}")
        return json.loads(said) if said else None

    def stands(self, timeout=60, **wanted):
        """Waits until the annotation has these values."""
        def same():
            found = self.annotation() or {}
            return all(found.get(key) == value for key, value in wanted.items())
        wait_until(same, lambda: f"the annotation is {wanted}; it is {self.annotation()}", timeout,
                   self.processes)

    def events(self):
        """(type, reason, message) of the Node's, by kubectl."""
        listed = json.loads(self.run_of.kubectl(
            "get", "events", "--field-selector", f"involvedObject.name={self.name}", "-o", "json"))
        return [(one["type"], one["reason"], one["message"]) for one in listed["items"]]

    def told(self, kind, reason, words):
        def found():
            return any(one[:2] == (kind, reason) and words in one[2] for one in self.events())
        wait_until(found, lambda: f"an Event {reason} with {words!r}; there are {self.events()}",
                   60, self.processes)


class Run:
    def __init__(self, build, state, kubernetes):
        self.build, self.state = build.resolve(), state
        self.server = ApiServer(kubernetes, state)
        self.api = None
        self.kubernetes = kubernetes

    def start(self):
        self.server.start()
        self.api = KubeApi("127.0.0.1", self.server.port, self.server.certificate,
                           self.server.admin)
        self.server.kubeconfig("admin", {"token": self.server.admin})

    def kubectl(self, *words):
        return run([str(self.kubernetes / "kubectl"), "--kubeconfig",
                    str(self.state / "admin.kubeconfig"), *words],
                   env={"PATH": "/usr/bin:/bin", "HOME": str(self.state)}).stdout

    def station(self, name, label=None, user=None, **environment):
        return Station(self, name, user or {"token": self.server.rotated}, label, environment)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build-dir", required=True, type=pathlib.Path)
    parser.add_argument("--only", action="append", default=[], metavar="WORDS")
    options = parser.parse_args()
    checks = [one for one in checks_selection.CHECKS
              if not options.only or any(word in one[0] for word in options.only)]
    failed = 0
    with tempfile.TemporaryDirectory(prefix="gpunode-sel-") as directory:
        here = Run(options.build_dir, pathlib.Path(directory), build_kubernetes.ensure())
        try:
            here.start()
            for name, function in checks:
                begin = time.monotonic()
                try:
                    note = function(here)
                    word = "ok    "
                except Failed as error:
                    note, word = error, "FAILED"
                    failed += 1
                print(f"{word} {time.monotonic() - begin:6.1f} s  {name}"
                      + (f": {note}" if note else ""), flush=True)
                if word == "FAILED":
                    logs = here.state.glob("*/agent.log")
                    print(tail(max(logs, key=lambda log: log.stat().st_mtime)), flush=True)
        except Failed as error:
            print(f"selection_run: {error}", file=sys.stderr)
            for log in sorted(here.state.glob("*.log")):
                print(tail(log), file=sys.stderr)
            return 1
        finally:
            here.server.processes.stop()
    return 1 if failed or not checks else 0


if __name__ == "__main__":
    sys.exit(main())
