"""The story that the cluster test tells, in this order. Each check is a claim about a real node,
made through the API server, kubectl and the kubelet, as a person or a scheduler would see it."""

import os
import pathlib
import signal
import time

import gpu_node
from cluster import NODE
from gpu_node import A10G, SEED_IMAGE, T4
from story import (RESOURCE, container_ids, exit_code, expect, holder, many, phase, pod, said,
                   why_never_ran)

SEED_POD = (gpu_node.HERE / "seed/gpu-pod.yaml").read_text()
WRONG_RESULT = 3  # gpunode-vectoradd's exit code.
UNGRANTED = pathlib.Path("/run/gpunode/ungranted.ndjson")

CHECKS = []  # (name, profile, function)


def check(name, profile=A10G):
    """Registers a check; its function returns a note for its line, or nothing."""
    def register(function):
        CHECKS.append((name, profile, function))
        return function
    return register


@check("the node offers 20 shares of its A10G")
def offers(story):
    story.wait_gpus(A10G.shares)
    expect(story.cluster.gpus("capacity") == A10G.shares,
           f"capacity is {story.cluster.gpus('capacity')}")


@check("the seed's Pod runs and prints Test PASSED")
def seed_pod(story):
    story.cluster.apply(SEED_POD)
    story.wait_pods(["gpu-pod"], "Succeeded")
    story.seed_output("gpu-pod")


@check("a Pod that asks 2 shares is refused with NVIDIA's words")
def asks_two(story):
    refused = story.run_to_end(pod("two", SEED_IMAGE, gpus=2), "Failed")
    words = ('invalid allocation request for "nvidia.com/gpu": invalid request: '
             "maximum request size for shared resources is 1; found 2")
    expect(refused["status"].get("reason") == "UnexpectedAdmissionError", said(refused))
    expect(words in refused["status"].get("message", ""), said(refused))


@check("an image that wants all GPUs and was granted none gets none, and is named")
def greedy_image(story):
    story.cluster.apply(pod("greedy", gpu_node.GREEDY_IMAGE, gpus=0))
    story.wait_pods(["greedy"], "Running")
    expect(story.gpus_of("greedy") == [], f"it may open {story.gpus_of('greedy')}")
    noted = UNGRANTED.read_text()
    expect('"greedy"' in noted, f"{UNGRANTED} does not name the Pod: {noted}")


@check("20 Pods hold a share each, the 21st waits and gets the first that is free")
def twenty_one(story):
    names = [f"holder-{n:02}" for n in range(20)]
    story.cluster.apply(many([holder(n) for n in names]))
    pods = story.wait_pods(names, "Running", 400)
    owners = story.no_device_twice()
    expect(len(owners) == 20, f"{len(owners)} device ids are given out")

    story.cluster.apply(pod("holder-21st", SEED_IMAGE))
    def insufficient():
        return any("Insufficient nvidia.com/gpu" in event.get("message", "")
                   for event in story.api.events_of("holder-21st"))
    story.wait(insufficient, lambda: f"an event says so; events: "
               f"{[e.get('message') for e in story.api.events_of('holder-21st')]}")
    expect(phase(story.api.pods()["holder-21st"]) == "Pending", "the 21st Pod is not Pending")

    # It ends by itself: its Pod stays there, Succeeded, and only its share is free again.
    os.kill(story.cluster.container_pid(container_ids(pods[names[7]])[0]), signal.SIGTERM)
    story.wait_pods([names[7], "holder-21st"], "Succeeded")
    story.seed_output("holder-21st")
    log = story.cluster.logs_of(names[7]).splitlines()
    expect("/dev/nvidia0 allowed" in log and log[-1] == "released", f"{names[7]} printed {log}")


@check("gpunode status names the Pods that hold shares, with an agent and without")
def status_names_holders(story):
    names = ["holder-a", "holder-b"]
    story.cluster.apply(many([holder(n) for n in names]))
    uids = {n: p["metadata"]["uid"] for n, p in story.wait_pods(names, "Running").items()
            if n in names}
    books = {n: sorted(story.cluster.assigned_devices()[uid]) for n, uid in uids.items()}

    def held(told):
        return {one["pod"]: sorted(one["ids"]) for one in told["holders"]["items"]
                if one["pod"] in names and (one["namespace"], one["container"],
                                            one["resource"]) == ("default", "main", RESOURCE)}
    told = story.node.status()
    expect(told["code"] == 0 and not told["findings"], f"status says {told}")
    expect(told["holders"]["source"] == "podResources", f"status has holders by {told['holders']}")
    expect(held(told) == books, f"status has {held(told)}, the kubelet's books {books}")
    gpu = told["resources"][0]
    expect(gpu["held"] == 2 and gpu["free"] == A10G.shares - 2, f"status counts {gpu}")

    story.node.agent.stop()
    told = story.node.status()
    expect(told["code"] == 5 and not told["agent"]["answers"] and told["kubeletListens"],
           f"without an agent status says {told}")
    expect(told["holders"]["source"] == "checkpoint" and held(told) == books,
           f"without an agent status has {told['holders']}")
    story.node.agent.start()
    story.wait_gpus(A10G.shares)
    return f"{gpu['free']} of {gpu['capacity']} free"


@check("gpunode verify finds Node and GPUs, and a Pod of its own that computes and leaves nothing")
def verifies(story):
    told = story.node.verify("--kubeconfig", story.cluster.kubeconfig("admin"), "--node-name", NODE,
                             "--image", SEED_IMAGE)
    verdicts = {one["id"]: one["verdict"] for one in told["checks"]}
    expect(told["code"] == 0 and set(verdicts.values()) == {"pass"}, f"verify says {told}")
    expect(set(verdicts) == {"kubelet.node", "kubelet.allocatable", "pod.vectoradd"}, f"{verdicts}")
    def is_gone():
        return not [name for name in story.api.pods() if name.startswith("gpunode-verify")]
    story.wait(is_gone, lambda: f"its Pod is gone; there are {list(story.api.pods())}")

    # Nobody named a kubeconfig, and this host has none of a kubelet.
    told = story.node.verify("--node-name", NODE)
    expect([one["verdict"] for one in told["checks"]] == ["fail", "skip", "skip"],
           f"without a kubeconfig on this host verify says {told}")


@check("a dead driver takes the capacity to 0 and it comes back by itself")
def driver_dies(story):
    story.cluster.apply(holder("survivor"))
    story.wait_pods(["survivor"], "Running")
    pid = story.node.agent.pid
    start = time.monotonic()
    story.node.driver_down()
    story.wait_gpus(0)
    down = time.monotonic() - start
    capacity = story.cluster.gpus("capacity")
    story.cluster.apply(pod("waits", SEED_IMAGE))
    start = time.monotonic()
    story.node.driver_up()
    story.wait_gpus(A10G.shares)
    up = time.monotonic() - start
    story.wait_pods(["waits"], "Succeeded")
    expect(story.node.agent.alive() and story.node.agent.pid == pid, "the agent was restarted")
    expect(phase(story.api.pods()["survivor"]) == "Running", "a running Pod was ended")
    return f"0 after {down:.1f} s (capacity {capacity}), back after {up:.1f} s"


@check("an agent that starts without a driver waits for it and offers the GPU when it is there")
def driver_comes_late(story):
    story.node.agent.stop()
    story.wait_gpus_gone()
    story.node.driver_down()
    story.node.agent.start()
    pid = story.node.agent.pid
    story.wait(lambda: story.node.agent.log_since_start(), "the agent says something")
    story.node.driver_up()
    story.wait_gpus(A10G.shares)
    expect(story.node.agent.pid == pid and story.node.agent.alive(), "the agent was restarted")


@check("SIGHUP: a good config takes effect, a bad one leaves the last good one in force")
def reload(story):
    story.cluster.apply(holder("survivor"))
    survivor = story.wait_pods(["survivor"], "Running")["survivor"]
    pid = story.node.agent.pid
    story.node.configure("replicas: 20", "replicas: 30")
    story.wait_gpus(30)
    said_before = len(story.node.agent.log_since_start())
    story.node.configure("replicas: 20", "replicas: -1")
    story.wait(lambda: "must be >= 2" in story.node.agent.log_since_start()[said_before:],
               "the agent's log says what is wrong with the config")
    story.run_to_end(pod("during", SEED_IMAGE))
    expect(story.cluster.gpus() == 30, f"{story.cluster.gpus()} shares after the bad config")
    story.node.configure()
    story.wait_gpus(A10G.shares)
    expect(story.node.agent.pid == pid and story.node.agent.alive(), "the agent was restarted")
    now = story.api.pods()["survivor"]
    expect(phase(now) == "Running" and container_ids(now) == container_ids(survivor),
           f"the Pod that ran through it is {said(now)}")


@check("the kubelet is killed and restarted under 50 Pods' churn: nothing is lost")
def kubelet_dies(story):
    story.cluster.apply(holder("survivor"))
    survivor = story.wait_pods(["survivor"], "Running")["survivor"]
    churn = Churn(story, 50)
    story.wait(lambda: churn.succeeded() >= 5, "5 Pods of 50 have succeeded", 240)

    story.cluster.kubelet.kill()
    restarted = time.time()
    story.cluster.start_kubelet()
    again = story.registered_after(restarted)

    peak = 0

    def over():
        nonlocal peak
        peak = max(peak, len(story.no_device_twice()))
        churn.make_again()
        return churn.succeeded() == churn.count
    story.wait(over, churn.state, 480)
    now = story.api.pods()["survivor"]
    expect(phase(now) == "Running" and container_ids(now) == container_ids(survivor),
           f"the Pod that ran through it is {said(now)}")
    story.wait_gpus(A10G.shares)
    return (f"registered {again * 1000:.0f} ms after kubelet.sock was back; at most {peak} shares"
            f" in use; {churn.made_again()}")


class Churn:
    """Pods that come and go, more than there are shares; and what a controller does for them."""

    def __init__(self, story, count):
        self.story, self.count = story, count
        self.reasons = []  # Why Pods were made again.
        story.cluster.apply(many([self.document(f"churn-{n:02}") for n in range(count)]))

    @staticmethod
    def document(name):
        return pod(name, SEED_IMAGE, host_network=True)

    def pods(self):
        return {n: p for n, p in self.story.api.pods().items() if n.startswith("churn-")}

    def succeeded(self):
        return sum(phase(p) == "Succeeded" for p in self.pods().values())

    def make_again(self):
        """Replaces Pods that never ran, as a controller would. One that ran must not fail."""
        for name, one in self.pods().items():
            if phase(one) != "Failed":
                continue
            reason = why_never_ran(one)
            expect(reason, f"{name} failed: {said(one)}")
            self.reasons.append(reason)
            self.story.api.delete(f"/api/v1/namespaces/default/pods/{name}",
                                  {"gracePeriodSeconds": 0})
            self.story.cluster.apply(self.document(f"{name}-again"))

    def made_again(self):
        if not self.reasons:
            return "every Pod was started at the first try"
        counts = [f"{self.reasons.count(r)} {r}" for r in sorted(set(self.reasons))]
        return "Pods that never ran and were made again: " + ", ".join(counts)

    def state(self):
        phases = [phase(p) for p in self.pods().values()]
        return f"all {self.count} Pods succeed; now " + ", ".join(
            f"{phases.count(p)} {p}" for p in sorted(set(phases)))


@check("the agent is killed and restarted: running Pods run on")
def agent_dies(story):
    names = [f"holder-{n}" for n in range(3)]
    story.cluster.apply(many([holder(n) for n in names]))
    before = story.alive_pids(story.wait_pods(names, "Running"))
    story.node.agent.kill()
    story.wait_gpus(0)
    story.node.agent.start()
    story.wait_gpus(A10G.shares)
    story.run_to_end(pod("after", SEED_IMAGE))
    story.seed_output("after")
    pods = story.wait_pods(names, "Running", 5)
    restarts = {n: c["restartCount"] for n in names for c in pods[n]["status"]["containerStatuses"]}
    expect(not any(restarts.values()), f"containers were restarted: {restarts}")
    after = story.alive_pids({n: pods[n] for n in names})
    expect(before == after, f"processes before {before}, after {after}")
    story.no_device_twice()


@check("four T4 offer 80 shares and Pods spread over them", T4)
def spreads(story):
    names = [f"spread-{n}" for n in range(8)]
    story.cluster.apply(many([holder(n) for n in names]))
    story.wait_pods(names, "Running")
    seen = {}
    for name in names:
        allowed = story.gpus_of(name)
        expect(len(allowed) == 1, f"{name} may open {allowed}")
        seen.setdefault(allowed[0], []).append(name)
    expect(len(seen) == 4 and all(len(who) == 2 for who in seen.values()),
           f"8 Pods on 4 GPUs lie so: {seen}")
    adders = [f"adds-{n}" for n in range(4)]
    story.cluster.apply(many([pod(n, SEED_IMAGE) for n in adders]))
    story.wait_pods(adders, "Succeeded")
    for name in adders:
        story.seed_output(name)


@check("a Pod whose spec says all GPUs has the one that it was granted", T4)
def greedy_pod(story):
    document = holder("greedy")
    document["spec"]["containers"][0]["env"] = [
        {"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}]
    story.cluster.apply(document)
    story.wait_pods(["greedy"], "Running")
    expect(len(story.gpus_of("greedy")) == 1, f"it may open {story.gpus_of('greedy')}")


@check("a GPU that computes wrongly fails its Pod", T4)
def broken_gpu(story):
    ended = story.run_to_end(pod("broken", gpu_node.BROKEN_IMAGE), "Failed")
    expect(exit_code(ended) == WRONG_RESULT, said(ended))
    expect("Test PASSED" not in story.cluster.logs_of("broken"), "it printed Test PASSED")


@check("an XID takes one GPU's 20 shares away until it has been well for a while", T4)
def xid(story):
    story.node.xid(2, 79)
    story.wait_gpus(T4.shares - 20)
    start = time.monotonic()
    story.wait_gpus(T4.shares, 150)
    return f"back after {time.monotonic() - start:.0f} s"
