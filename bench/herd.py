#!/usr/bin/env python3
"""Two thousand nodes' agents, in a few processes, against one real kube-apiserver: what a roll-out,
a change of every node's config and a restart of the API server make of its load."""

import argparse
import collections
import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests/cluster"), str(ROOT / "bench")]

# pylint: disable=wrong-import-position
import build_kubernetes
from api_run import ApiServer
from api_traffic import AuditLog
from kube_api import KubeApi
from process import Failed, tail

CONFIG_LABEL = "nvidia.com/device-plugin.config"


class Herd:
    """The processes that play the nodes."""

    def __init__(self, program, kubeconfig, nodes, processes):
        self.nodes, share = nodes, -(-nodes // processes)
        self.parts = [subprocess.Popen(
            [program, kubeconfig, str(first), str(min(share, nodes - first))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for first in range(0, nodes, share)]

    def status(self):
        """(nodes whose wish is fulfilled, {value: nodes})"""
        current, values = 0, collections.Counter()
        for part in self.parts:
            part.stdin.write("status\n")
            part.stdin.flush()
        for part in self.parts:
            words = part.stdout.readline().split()
            current += int(words[0])
            for word in words[1:]:
                value, count = word.rsplit("=", 1)
                values[value] += int(count)
        return current, values

    def wait(self, what, good, timeout=600):
        start = time.monotonic()
        while True:
            if good(*self.status()):
                return time.monotonic() - start
            if time.monotonic() - start > timeout:
                raise Failed(f"{what}: {self.status()} after {timeout} s")
            time.sleep(0.25)

    def stop(self):
        for part in self.parts:
            part.stdin.close()
            part.wait(timeout=60)


def load(lines):
    """Requests, those of the busiest second, and what was refused, of audit lines."""
    seconds, kinds, refused = collections.Counter(), collections.Counter(), collections.Counter()
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if entry["user"]["username"] != "rotated":
            continue
        if entry["stage"] != "RequestReceived":
            code = entry.get("responseStatus", {}).get("code", 0)
            if code >= 400:
                refused[code] += 1
            continue
        seconds[entry["requestReceivedTimestamp"][:19]] += 1
        kinds[entry["verb"] + " " + entry.get("objectRef", {}).get("resource", "")] += 1
    return sum(seconds.values()), max(seconds.values(), default=0), kinds, refused


class Story:
    def __init__(self, options, state):
        self.options, self.state = options, state
        self.audit = AuditLog(state)
        self.server = ApiServer(build_kubernetes.ensure(), state, [
            *self.audit.arguments(), "--max-requests-inflight=400",
            "--max-mutating-requests-inflight=200"])
        self.api = None
        self.herd = None

    def connect(self):
        self.api = KubeApi("127.0.0.1", self.server.port, self.server.certificate,
                           self.server.admin)

    def patch(self, node, value):
        status, answer = self.api.request(
            "PATCH", f"/api/v1/nodes/node-{node}",
            {"metadata": {"labels": {CONFIG_LABEL: value}}}, "application/merge-patch+json")
        if status != 200:
            raise Failed(f"node-{node}: {status} {answer}")

    def tell(self, what, seconds, mark):
        with open(self.audit.path, "rb") as log:
            log.seek(mark)
            total, peak, kinds, refused = load(log)
        words = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(5))
        nodes = self.options.nodes
        no = ", ".join(f"{count} by {code}" for code, count in sorted(refused.items())) or "none"
        print(f"| {what} | {seconds:.0f} | {total} | {total / nodes:.1f} | {peak} | {words} | {no} |",
              flush=True)

    def expect_events(self, wanted):
        """That so many Events are there: what an agent records is not only sent."""
        events = self.api.get("/apis/events.k8s.io/v1/namespaces/default/events")["items"]
        told = {(one["regarding"]["name"], one["note"]) for one in events}
        if len(told) != wanted:
            raise Failed(f"{len(told)} Events of nodes' choices, {wanted} were made")

    def run(self):
        nodes = self.options.nodes
        self.server.start()
        self.connect()
        self.api.request("POST", "/api/v1/namespaces", {
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}})
        for node in range(nodes):
            self.api.request("POST", "/api/v1/nodes", {
                "apiVersion": "v1", "kind": "Node",
                "metadata": {"name": f"node-{node}", "labels": {CONFIG_LABEL: "a"}}})
        kubeconfig = self.server.kubeconfig("herd", {"token": self.server.rotated})
        program = self.options.build_dir / "bench/agent_herd"
        print(f"{nodes} nodes in {self.options.processes} processes\n\n"
              "| | s | requests | a node | in the busiest second | what | refused |\n"
              "|---|---|---|---|---|---|---|")

        mark = self.audit.mark()
        self.herd = Herd(program, kubeconfig, nodes, self.options.processes)
        took = self.herd.wait("start", lambda current, values:
                              current == nodes and values["a"] == nodes)
        self.tell("all agents start at once", took, mark)

        mark, start = self.audit.mark(), time.monotonic()
        for node in range(nodes):
            self.patch(node, "b")
        self.herd.wait("change", lambda current, values:
                       current == nodes and values["b"] == nodes)
        self.tell("every node's config label changes", time.monotonic() - start, mark)

        mark = self.audit.mark()
        time.sleep(60)
        self.expect_events(2 * nodes)
        self.tell("nothing happens, a minute", 60, mark)

        mark = self.audit.mark()
        start = time.monotonic()
        self.server.restart()
        self.connect()
        self.server.wait_ready()
        for node in range(0, nodes, 100):
            self.patch(node, "c")
        wanted = -(-nodes // 100)
        self.herd.wait("restart", lambda current, values:
                       current == nodes and values["c"] == wanted)
        time.sleep(max(0, 90 - (time.monotonic() - start)))  # All are back then.
        self.tell("the API server restarts; one node in a hundred changes",
                  time.monotonic() - start, mark)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build-dir", type=pathlib.Path, default=ROOT / "build/dev")
    parser.add_argument("--nodes", type=int, default=2000)
    parser.add_argument("--processes", type=int, default=4)
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(65536, hard), hard))
    with tempfile.TemporaryDirectory(prefix="gpunode-herd-") as directory:
        story = Story(options, pathlib.Path(directory))
        try:
            story.run()
            return 0
        except Failed as error:
            print(f"herd: {error}", file=sys.stderr)
            for log in sorted(story.state.glob("*.log")):
                if log != story.audit.path:
                    print(tail(log), file=sys.stderr)
            return 1
        finally:
            if story.herd:
                story.herd.stop()
            story.server.processes.stop()


if __name__ == "__main__":
    sys.exit(main())
