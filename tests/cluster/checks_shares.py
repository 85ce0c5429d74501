"""Shares of a GPU (docs/sharing.md) on the real node: what Pods that ask for K of N get and can take,
over restarts of containers and agents, and where no GPU has as much as is asked."""

import json
import os
import pathlib
import re
import shutil
import signal
import struct

from gpu_node import A10G, T4, TAKER_IMAGE
from process import run
from story import container_ids, expect, many, phase, pod, said

CHECKS = []
BLOCK = 2 << 20
NO_CONTEXT = 4  # cuda_taker's, where the driver gave none.
ALLOCATIONS = pathlib.Path("/run/gpunode/allocations")
# The seed's configuration with one block changed.
OF_THE_SEED = "timeSlicing:\n    failRequestsGreaterThanOne: true"


def check(name, profile=A10G):
    def register(function):
        CHECKS.append((name, profile, function))
        return function
    return register


def blocks_of(profile):
    """Of the memory of one of its GPUs."""
    machine = json.loads(profile.file.read_text())
    return (machine.get("model", {}) | machine["gpus"][0])["memoryBytes"] // BLOCK


def taker(name, parts, profile=A10G, restart="Never"):
    """Takes blocks until it is refused, and keeps them."""
    document = pod(name, TAKER_IMAGE, gpus=parts)
    document["spec"]["restartPolicy"] = restart
    document["spec"]["containers"][0]["env"] = [
        {"name": "GPUNODE_FAKE_NVML", "value": f"/profiles/{profile.name}.json"}]
    document["spec"]["containers"][0]["args"] = ["dlsym", "info", "take", str(BLOCK), "hold"]
    return document


def taken(story, name):
    """What the container wrote: word -> number."""
    story.wait(lambda: "holding" in story.cluster.logs_of(name),
               lambda: f"{name} holds what it could take; it wrote {story.cluster.logs_of(name)!r}")
    return {word: int(number) for word, number
            in re.findall(r"^(\w+) (\d+)$", story.cluster.logs_of(name), re.MULTILINE)}


def expect_share(story, name, parts, profile=A10G, of=20):
    wanted = blocks_of(profile) * parts // of
    got = taken(story, name)
    expect(got["total"] == wanted * BLOCK, f"{name} sees {got['total']} bytes, not {wanted * BLOCK}")
    expect(got["blocks"] == wanted, f"{name} took {got['blocks']} blocks of 2 MiB, not {wanted}")
    expect(got["result"] == 2, f"{name} was refused with {got['result']}")


def restart_container(story, name):
    """By a crash of its program; until the next one runs."""
    first = container_ids(story.api.pods()[name])
    os.kill(story.cluster.container_pid(first[0]), signal.SIGKILL)

    def is_new():
        now = story.api.pods()[name]
        return container_ids(now) and container_ids(now) != first and phase(now) == "Running"
    story.wait(is_new, lambda: f"{name} runs again; it is {said(story.api.pods()[name])}")


def into_shares(story, profile):
    story.node.configure(OF_THE_SEED, "shares:")
    story.wait_gpus(profile.shares)


@check("Pods asking 1, 5 and 14 of 20 shares get exactly that much memory, and a fourth waits")
def exact(story):
    into_shares(story, A10G)
    for parts in (1, 5, 14):
        story.cluster.apply(taker(f"share-{parts}", parts, A10G, "Always" if parts == 5 else "Never"))
    story.wait_pods([f"share-{parts}" for parts in (1, 5, 14)], "Running")
    for parts in (1, 5, 14):
        expect_share(story, f"share-{parts}", parts)
    story.cluster.apply(taker("share-late", 1))
    story.wait(lambda: any("Insufficient nvidia.com/gpu" in event.get("message", "")
                           for event in story.api.events_of("share-late")),
               lambda: "an event says that there is no share left")
    expect(phase(story.api.pods()["share-late"]) == "Pending", "a fourth Pod is not Pending")

    # An agent that is restarted keeps the limits, and a container that crashes finds what it had.
    before = sorted(os.listdir(ALLOCATIONS))
    expect(len(before) == 3, f"{ALLOCATIONS} has {before}")
    story.node.restart_agent()
    story.wait_gpus(A10G.shares)
    restart_container(story, "share-5")
    expect_share(story, "share-5", 5)
    now = sorted(os.listdir(ALLOCATIONS))
    expect(now == before, f"{ALLOCATIONS} has {now}")

    story.cluster.kubectl("delete", "pod", "share-14", "--grace-period=1")
    story.wait_pods(["share-late"], "Running")
    expect_share(story, "share-late", 1)
    story.node.configure()
    return f"{blocks_of(A10G) * 5 // 20 * 2} MiB are 5 of 20"


def times():
    """(word of turns, thousandths, policy) of each container's GPU (docs/formats/ledger.md)."""
    words = [struct.unpack_from("<4I", file.read_bytes(), 64 + 72) for file in ALLOCATIONS.glob("[!.]*/limits")]
    return sorted((part, turn, policy) for turn, _, part, policy in words)


@check("shares are of its time, too: Pods take turns by their parts, and follow another policy while they run")
def of_time(story):
    into_shares(story, A10G)
    wanted = {"quarter-1": 5, "quarter-2": 5, "half": 10}
    for name, parts in wanted.items():
        story.cluster.apply(taker(name, parts))
    story.wait_pods(list(wanted), "Running")
    for name, parts in wanted.items():
        expect_share(story, name, parts)

    def follow(policy):
        story.wait(lambda: sum(turn & 1 for part, turn, now in times() if now == policy and part in (250, 500)) >= len(wanted),
                   lambda: f"three containers take turns by policy {policy}; there are {times()}")
    follow(0)
    story.node.configure(OF_THE_SEED, "shares:\n    compute: hard")
    follow(2)
    story.node.configure(OF_THE_SEED, "shares:\n    compute: none")
    story.wait(lambda: not any(turn for _, turn, _ in times()), lambda: f"nobody takes turns any more; there are {times()}")
    story.node.configure()
    return "250, 250 and 500 thousandths"


# The chart's rule with sharing.shares.priority: pod (deploy/helm/gpunode/templates/rbac.yaml), and no more.
MAY_READ_PODS = many([
    {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
     "metadata": {"name": "gpunode-agent-pods"},
     "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]},
    {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
     "metadata": {"name": "gpunode-agent-pods"},
     "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                 "name": "gpunode-agent-pods"},
     "subjects": [{"kind": "User", "name": "gpunode-agent",
                   "apiGroup": "rbac.authorization.k8s.io"}]}])


def priorities(story):
    """Pod -> what `gpunode shares` says of who goes first."""
    shares = json.loads(run([str(story.node.build.gpunode), "shares", "--json"], timeout=20).stdout)["shares"]
    return {one["pod"]: (compute["priority"], compute["prioritySource"]) for one in shares
            for device in one["devices"] if (compute := device.get("compute"))}


@check("Pods have GPU time before others by their PriorityClass, or by who is at the node")
def by_priority(story):
    classes = {"share-first": 1000, "share-last": -10}
    story.cluster.apply(many([
        {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name},
         "value": value, "preemptionPolicy": "Never"} for name, value in classes.items()]))
    story.cluster.apply(MAY_READ_PODS)
    story.node.configure(OF_THE_SEED, "shares:\n    priority: pod")
    story.wait_gpus(A10G.shares)

    def start_agent(*flags):
        story.node.restart_agent(*flags)
        story.wait(lambda: "Registered device plugin" in story.node.agent.log_since_start(), "the agent serves")
    start_agent("--kubeconfig", str(story.cluster.kubeconfig("gpunode-agent")))
    wanted = {"first": ("share-first", 1000), "last": ("share-last", -10), "of-none": (None, 0)}
    for name, (class_name, _) in wanted.items():
        document = taker(name, 5)
        if class_name:
            document["spec"]["priorityClassName"] = class_name
        story.cluster.apply(document)
    story.wait_pods(list(wanted), "Running")

    def become(pods):
        story.wait(lambda: pods.items() <= priorities(story).items(),
                   lambda: f"who goes first is {pods}; gpunode shares has {priorities(story)}")
    of_pods = {name: (value, "pod") for name, (_, value) in wanted.items()}
    become(of_pods)
    run([str(story.node.build.gpunode), "shares", "resize", "of-none", "--priority", "2000"], timeout=20)
    become(of_pods | {"of-none": (2000, "hand")})
    # An agent that cannot ask keeps both, and has nothing for who is new; other settings take the Pods' away.
    start_agent()
    document = taker("late", 5)
    document["spec"]["priorityClassName"] = "share-first"
    story.cluster.apply(document)
    story.wait(lambda: "priority: pod takes the API server" in story.node.agent.log_since_start(), "it says that it cannot ask")
    story.wait_pods(["late"], "Running")
    become(of_pods | {"of-none": (2000, "hand"), "late": (0, "none")})
    story.node.configure(OF_THE_SEED, "shares:")
    become({"first": (0, "none"), "last": (0, "none"), "of-none": (2000, "hand")})
    story.node.configure()
    return "1000, -10 and 0; 2000 by hand"


@check("an init container and its Pod's container have one share, in turn")
def in_turn(story):
    into_shares(story, A10G)
    before = set(os.listdir(ALLOCATIONS))  # Those of ended Pods stay for a minute.
    document = taker("in-turn", 5)
    main = document["spec"]["containers"][0]
    # It takes all of it, and ends with it.
    document["spec"]["initContainers"] = [main | {"name": "init", "args": main["args"][:-1]}]
    story.cluster.apply(document)
    story.wait_pods(["in-turn"], "Running")
    wanted = blocks_of(A10G) * 5 // 20
    init = story.cluster.kubectl("logs", "in-turn", "-c", "init")
    expect(f"blocks {wanted}\n" in init, f"the init container wrote {init!r}")
    expect_share(story, "in-turn", 5)
    made = set(os.listdir(ALLOCATIONS)) - before
    expect(len(made) <= 1, f"both have one allocation, not {made}")
    story.node.configure()


@check("after a reboot a Pod that starts before the agent has its share again")
def reboot(story):
    into_shares(story, A10G)
    document = taker("rebooted", 5, restart="Always")
    story.cluster.apply(document)
    story.wait_pods(["rebooted"], "Running")
    expect_share(story, "rebooted", 5)
    first = container_ids(story.api.pods()["rebooted"])
    story.node.agent.stop()
    story.cluster.kubelet.kill()
    os.kill(story.cluster.container_pid(first[0]), signal.SIGKILL)
    shutil.rmtree(ALLOCATIONS)
    story.cluster.start_kubelet()

    def ended_without():
        last = story.api.pods()["rebooted"]["status"]["containerStatuses"][0].get("lastState", {})
        return last.get("terminated", {}).get("exitCode") == NO_CONTEXT
    story.wait(ended_without, lambda: "its container began without the agent and got no memory; it is "
               + said(story.api.pods()["rebooted"]), 120)
    places = sorted(path for path in ALLOCATIONS.glob("*/*"))
    expect([path.name for path in places if path.is_dir()] == ["ledger", "limits"], f"the engine made {places}")
    story.node.agent.start()
    story.wait_gpus(A10G.shares)
    story.wait_pods(["rebooted"], "Running")
    # In the directories, or, where the kubelet has lost its books and asks anew, in files again.
    expect_share(story, "rebooted", 5)
    story.node.configure()


@check("a whole GPU's worth of shares is the GPU, without a library", T4)
def whole(story):
    into_shares(story, T4)
    story.cluster.apply(taker("whole", 20, T4))
    story.wait_pods(["whole"], "Running")
    got = taken(story, "whole")
    # But for what the driver keeps for itself.
    expect(got["blocks"] > blocks_of(T4) * 19 // 20, f"it took {got['blocks']} blocks")
    story.node.configure()


@check("what no GPU has left is refused in words, and its controller makes no storm of Pods", T4)
def storm(story):
    into_shares(story, T4)
    for name, parts in (("full-a", 20), ("full-b", 20), ("most-a", 17), ("most-b", 17)):
        story.cluster.apply(taker(name, parts, T4))
    story.wait_pods(["full-a", "full-b", "most-a", "most-b"], "Running")
    template = taker("five", 5, T4)["spec"] | {"restartPolicy": "Always"}
    story.cluster.apply({
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "five"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "five"}},
                 "template": {"metadata": {"labels": {"app": "five"}}, "spec": template}}})

    def of_five(wanted):
        return {name: one for name, one in story.api.pods().items()
                if name.startswith("five-") and phase(one) == wanted}

    def waits():
        return any("Insufficient nvidia.com/gpu" in event.get("message", "")
                   for name in of_five("Pending") for event in story.api.events_of(name))
    try:
        story.wait(lambda: of_five("Failed"), lambda: "a Pod of it is refused")
        refused = next(iter(of_five("Failed").values()))
        expect("no GPU of this node had 5 free" in refused["status"].get("message", ""), said(refused))
        # From then on the scheduler knows what the node would say.
        story.wait(waits, lambda: f"its next Pod waits; {len(of_five('Failed'))} were refused", 90)
        count = len(of_five("Failed"))
        # What fits is placed, and when a GPU has room the Pod that waited is.
        story.cluster.apply(taker("three", 3, T4))
        story.wait_pods(["three"], "Running")
        story.cluster.kubectl("delete", "pod", "full-a", "--grace-period=1")
        story.wait(lambda: of_five("Running"), lambda: "the Pod that waited runs", 120)
    finally:
        story.cluster.kubectl("delete", "replicaset", "five")
    story.node.configure()
    return f"{count} Pods were refused before the next one waited"
