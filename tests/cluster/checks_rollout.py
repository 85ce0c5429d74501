"""`gpunode rollout` on the real API server: over Nodes that nobody runs, whose bringers the check
plays the kubelet of, and on the real node, whose host has no systemd."""

import json
import subprocess
import threading

from cluster import NODE
from gpu_node import A10G
from process import Failed
from story import RESOURCE, expect, holder

SPACE = "gpunode-rollout"
BARE = ("bare-1", "bare-2")
IMAGE = "gpunode.example/gpunode-host"
FILE = "apiVersion: gpunode.dev/v1alpha1\nkind: GPUNode\nspec: {}\n"
STATUS = "application/strategic-merge-patch+json"
CHECKS = []


def check(name, profile=A10G):
    def register(function):
        CHECKS.append((name, profile, function))
        return function
    return register


class Rollout:
    """The command on this cluster, and all that it makes; gone at the end."""

    def __init__(self, story, selector):
        self.story, self.api, self.selector = story, story.api, selector
        self.file = story.cluster.state / "rollout.yaml"
        self.file.write_text(FILE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.api.delete(f"/api/v1/namespaces/{SPACE}/pods", {"gracePeriodSeconds": 0})
        self.api.delete(f"/api/v1/namespaces/{SPACE}")
        for name in BARE:
            self.api.delete(f"/api/v1/nodes/{name}")
        self.patch_node(NODE, {"metadata": {
            "annotations": {"gpunode.io/rollout": None, "gpunode.io/rolled-out": None},
            "labels": {"gpunode.io/bring": None}}, "spec": {"unschedulable": None}})
        def is_gone():
            return self.api.request("GET", f"/api/v1/namespaces/{SPACE}")[0] == 404
        self.story.wait(is_gone, f"namespace {SPACE} is gone", 120)

    def patch_node(self, name, patch, part="", content_type="application/merge-patch+json"):
        status, answer = self.api.request("PATCH", f"/api/v1/nodes/{name}{part}", patch, content_type)
        expect(status == 200, f"patch of {name}: {answer.get('message')}")

    def start(self, *flags):
        cluster = self.story.cluster
        return subprocess.Popen(
            [str(self.story.node.build.gpunode), "rollout", str(self.file), "--selector", self.selector,
             "--image", self.image(), "--kubeconfig", str(cluster.kubeconfig("admin")), *flags],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={"PATH": "/usr/bin:/bin"})

    def image(self):
        listed = subprocess.run(self.story.cluster.ctr("images", "list", "--quiet"), check=True,
                                capture_output=True, text=True).stdout.split()
        return next(name for name in listed if name.startswith(IMAGE + ":"))

    def run(self, *flags, timeout=300):
        process = self.start(*flags)
        try:
            out, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise Failed(f"gpunode rollout took over {timeout} s: {process.communicate()[0]}") from error
        return process.returncode, out

    def bare_node(self, name):
        """A Ready Node with room for Pods, of which no kubelet knows."""
        self.api.create("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {
            "name": name, "labels": {"pool": "bare", "kubernetes.io/hostname": name}}})
        self.patch_node(name, {"status": {
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
            "allocatable": {"cpu": "4", "memory": "4Gi", "pods": "10", RESOURCE: "2"},
            "capacity": {"cpu": "4", "memory": "4Gi", "pods": "10", RESOURCE: "2"}}},
                        "/status", STATUS)

    def bringers(self, api):
        listed = api.get(f"/api/v1/namespaces/{SPACE}/pods")["items"]
        return [p for p in listed if p["spec"].get("nodeName") in BARE]

    def mark(self, name):
        return self.api.node(name)["metadata"].get("annotations", {})


class Kubelets(threading.Thread):
    """Of the bare nodes: bringers become ready, or end as told, and go when they are to."""

    def __init__(self, rollout):
        super().__init__(daemon=True)
        self.rollout, self.api = rollout, rollout.story.cluster.another_api()
        self.fails, self.over = False, threading.Event()

    def run(self):
        while not self.over.wait(0.5):
            try:
                bringers = self.rollout.bringers(self.api)
            except Failed:
                continue  # The namespace is not there yet, or not any more.
            for one in bringers:
                name = one["metadata"]["name"]
                if "deletionTimestamp" in one["metadata"]:
                    self.api.delete(f"/api/v1/namespaces/{SPACE}/pods/{name}", {"gracePeriodSeconds": 0})
                    continue
                status = {"phase": "Running", "conditions": [
                    {"type": "Ready", "status": "False" if self.fails else "True"}]}
                if self.fails:
                    status["containerStatuses"] = [{
                        "name": "bring", "image": "x", "imageID": "x", "ready": False, "restartCount": 1,
                        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                        "lastState": {"terminated": {"exitCode": 7, "message": "failed: as the check wants"}}}]
                self.api.request("PATCH", f"/api/v1/namespaces/{SPACE}/pods/{name}/status",
                                 {"status": status}, STATUS)


@check("a roll-out goes over nodes, ends at a bad one, is killed, and goes on")
def rolls_out(story):
    with Rollout(story, "pool=bare") as rollout:
        for name in BARE:
            rollout.bare_node(name)
        kubelets = Kubelets(rollout)
        kubelets.fails = True
        kubelets.start()
        try:
            return over_bare_nodes(story, rollout, kubelets)
        finally:
            kubelets.over.set()
            kubelets.join()


def over_bare_nodes(story, rollout, kubelets):
    code, out = rollout.run("--dry-run")
    expect(code == 2 and "2 to do" in out, f"--dry-run: {code} {out}")
    code, out = rollout.run("--yes")
    expect(code == 7 and "It ends at bare-1" in out and "as the check wants" in out, f"{code} {out}")
    expect(story.api.node("bare-1")["spec"].get("unschedulable"), "bare-1 is not cordoned")
    expect("gpunode.io/rollout" not in rollout.mark("bare-2"), "bare-2 was touched")

    kubelets.fails = False
    killed = rollout.start("--yes")
    def is_under_way():
        return '"phase":"checking"' in rollout.mark("bare-1").get("gpunode.io/rollout", "") or \
            "gpunode.io/rolled-out" in rollout.mark("bare-1")
    story.wait(is_under_way, "the roll-out is beyond bare-1's bringer", 120)
    killed.kill()
    killed.communicate()
    code, out = rollout.run("--yes")
    expect(code == 0, f"after it was killed: {code} {out}")
    for name in BARE:
        node = story.api.node(name)
        expect("gpunode.io/rolled-out" in rollout.mark(name)
               and "gpunode.io/rollout" not in rollout.mark(name)
               and not node["spec"].get("unschedulable"), f"{name} is {node['metadata']}")
    code, out = rollout.run("--status")
    expect(code == 0 and "2 done" in out, f"--status: {code} {out}")
    return None


@check("a roll-out waits for a budget, and says of a host without systemd what it is; that stays cordoned")
def no_systemd(story):
    alone = holder("alone")
    alone["metadata"]["labels"] = {"app": "alone"}
    story.cluster.apply(alone)
    story.wait_pods(["alone"], "Running")
    # No controller of budgets runs here, so this one lets nobody go.
    budget = {"apiVersion": "policy/v1beta1", "kind": "PodDisruptionBudget",
              "metadata": {"name": "rollout"},
              "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "alone"}}}}
    with Rollout(story, f"kubernetes.io/hostname={NODE}") as rollout:
        code, out = rollout.run("--yes")
        expect(code == 3 and "use --force to override): default/alone" in out, f"{code} {out}")
        expect(not story.api.node(NODE)["spec"].get("unschedulable"), "a refused node is cordoned")
        story.api.create("/apis/policy/v1beta1/namespaces/default/poddisruptionbudgets", budget)
        try:
            code, out = rollout.run("--yes", "--force", "--drain-timeout", "3")
        finally:
            story.api.delete("/apis/policy/v1beta1/namespaces/default/poddisruptionbudgets/rollout")
        expect(code == 7 and "not drained within 3 s: default/alone: Cannot evict pod" in out, f"{code} {out}")
        code, out = rollout.run("--yes", "--force", timeout=400)
        expect(code == 7 and "evicted default/alone" in out and "so it is no systemd" in out,
               f"{code} {out}")
        expect(story.api.node(NODE)["spec"].get("unschedulable"), "the bad node is not cordoned")
        mark = json.loads(rollout.mark(NODE)["gpunode.io/rollout"])
        expect(mark["phase"] == "bringing" and mark["gpus"] == A10G.shares, f"its mark is {mark}")
        expect("alone" not in story.api.pods(), "the Pod was not evicted")
