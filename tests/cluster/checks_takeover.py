"""Another device plugin on the node, there and back (docs/take-over.md): what becomes of running Pods
and of what the scheduler sees. The other one is other_plugin.cc, or a program by --other-plugin."""

import json
import threading

import gpu_node
from cluster import NODE
from gpu_node import A10G
from process import Failed
from story import RESOURCE, container_ids, expect, holder, many, phase

CHECKS = []
SHARES = 4
PLUGIN_LABEL = "nvidia.com/gpu.deploy.device-plugin"
DISCOVERY_LABEL = "nvidia.com/gpu.deploy.gpu-feature-discovery"
MEMORY = "gpunode.io/taken-over"
# The chart's rules with takeOver (deploy/helm/gpunode/templates/rbac.yaml), and no more.
RIGHTS = many([
    {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
     "metadata": {"name": "gpunode-agent"},
     "rules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "patch"]},
               {"apiGroups": ["events.k8s.io"], "resources": ["events"],
                "verbs": ["create", "patch"]}]},
    {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
     "metadata": {"name": "gpunode-agent"},
     "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                 "name": "gpunode-agent"},
     "subjects": [{"kind": "User", "name": "gpunode-agent",
                   "apiGroup": "rbac.authorization.k8s.io"}]}])


def check(name):
    def register(function):
        CHECKS.append((name, A10G, function))
        return function
    return register


class Watched:
    """Within it, every value of allocatable that the API server has shown is kept."""

    def __init__(self, story):
        self.story, self.seen, self.failure = story, [], None
        self.end = threading.Event()
        self.api = story.cluster.another_api()
        self.thread = threading.Thread(target=self.look, daemon=True)

    def look(self):
        while not self.end.wait(0.1):
            try:
                value = self.api.node(NODE)["status"].get("allocatable", {}).get(RESOURCE)
            except Failed as error:
                self.failure = error
                return
            if not self.seen or self.seen[-1] != value:
                self.seen.append(value)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        self.thread.join()

    def expect_always(self, count):
        """To be asked within."""
        self.story.wait(lambda: self.seen or self.failure, "allocatable was seen once")
        expect(not self.failure, f"allocatable was not seen: {self.failure}")
        expect(self.seen == [str(count)], f"allocatable went {' -> '.join(map(str, self.seen))}")


class Succession:
    """The node with few shares and another plugin at hand; as it was at the end."""

    def __init__(self, story):
        self.story, self.node = story, story.node
        self.other = None

    def __enter__(self):
        text = gpu_node.SEED_CONFIG.read_text().replace("replicas: 20", f"replicas: {SHARES}")
        self.node.agent.stop()
        self.node.config.write_text(text)
        self.story.cluster.apply(RIGHTS)
        self.story.wait_gpus_gone()
        return self

    def __exit__(self, *_):
        self.stop_other()
        self.story.cluster.kubectl("label", "node", NODE, f"{PLUGIN_LABEL}-", f"{DISCOVERY_LABEL}-")
        self.story.cluster.kubectl("annotate", "node", NODE, f"{MEMORY}-")
        self.node.config.write_bytes(gpu_node.SEED_CONFIG.read_bytes())
        self.node.restart_agent()
        self.story.wait_gpus(A10G.shares)

    def start_other(self):
        self.other = self.node.start_other_plugin(SHARES)
        self.story.wait_gpus(SHARES)

    def stop_other(self):
        if self.other is not None:
            self.other.stop()
            self.story.cluster.processes.all.remove(self.other)
            self.other = None

    def start_agent(self, *flags):
        self.node.restart_agent("--node-name", NODE, "--kubeconfig",
                                str(self.story.cluster.kubeconfig("gpunode-agent")), *flags)

    def says(self, words):
        self.story.wait(lambda: words in self.node.agent.log_since_start(),
                        f"the agent says: {words}")

    def wait_event(self, reason, words):
        """Of the Node, as kubectl describe node shows it."""
        def found():
            listed = self.story.api.get("/apis/events.k8s.io/v1/namespaces/default/events")["items"]
            return any(one["reason"] == reason and words in one.get("note", "")
                       and one["regarding"]["name"] == NODE for one in listed)
        self.story.wait(found, f"an Event {reason} says: {words}")

    def registered(self):
        self.says(f"Registered device plugin for '{RESOURCE}' with Kubelet")

    def label_node(self, value):
        """As the GPU Operator does it."""
        for label in (PLUGIN_LABEL, DISCOVERY_LABEL):
            self.story.cluster.kubectl("label", "--overwrite", "node", NODE, f"{label}={value}")

    def labels(self):
        return self.story.api.node(NODE)["metadata"]["labels"]

    def wait_label(self, value):
        self.story.wait(lambda: self.labels().get(PLUGIN_LABEL) == value,
                        lambda: f"{PLUGIN_LABEL} is {value}; it is {self.labels().get(PLUGIN_LABEL)}")

    def hold(self, *names):
        """Pods that hold a share each; returns them and asserts that no share is held twice."""
        self.story.cluster.apply(many([holder(name) for name in names]))
        pods = self.story.wait_pods(names, "Running")
        self.story.no_device_twice()
        return pods

    def held(self, *names):
        """Pod name -> its ids, in the kubelet's own books."""
        pods, given = self.story.api.pods(), self.story.cluster.assigned_devices()
        return {name: given.get(pods[name]["metadata"]["uid"]) for name in names}

    def expect_all_held(self, *names):
        """Each of them holds one share, and together all that there are. The scheduler counts Pods;
        that a share which was given before is not given again, only the ids tell."""
        held = self.held(*names)
        ids = sorted(one for own in held.values() for one in own or ())
        expect(ids == sorted(self.node.ids(SHARES)), f"shares are held so: {held}")

    def expect_waiting(self, name):
        """One Pod more than there are shares."""
        self.story.cluster.apply(holder(name))

        def insufficient():
            return any(f"Insufficient {RESOURCE}" in event.get("message", "")
                       for event in self.story.api.events_of(name))
        self.story.wait(insufficient, f"no share is left for {name}")
        self.story.api.delete(f"/api/v1/namespaces/default/pods/{name}", {"gracePeriodSeconds": 0})


def expect_undisturbed(story, before):
    """The same containers, never restarted, the same processes."""
    pods = story.api.pods()
    for name, one in before.items():
        now = pods[name]
        expect(phase(now) == "Running", f"{name} is {phase(now)}")
        expect(container_ids(now) == container_ids(one), f"{name} has another container")
        restarts = [c["restartCount"] for c in now["status"]["containerStatuses"]]
        expect(not any(restarts), f"{name} was restarted: {restarts}")
    return story.alive_pids({name: pods[name] for name in before})


@check("beside another device plugin the agent offers nothing and says who; it serves when that is gone")
def refuses(story):
    with Succession(story) as succession:
        succession.start_other()
        succession.start_agent("--labels=node")
        agent = story.node.agent.pid
        succession.says("device plugin (nvidia-device-p, process ")
        succession.wait_event("AnotherDevicePlugin", "(nvidia-device-p, process ")
        before = succession.hold("theirs")
        succession.stop_other()
        succession.registered()
        succession.wait_event("OffersGpus", "is gone")
        story.wait_gpus(SHARES)
        expect(story.node.agent.alive() and story.node.agent.pid == agent, "it was restarted")
        expect_undisturbed(story, before)
        story.clean_default()


@check("from another plugin to the agent by --take-over and back by --give-back: Pods go on, shares held")
def there_and_back(story):
    with Succession(story) as succession:
        succession.start_other()
        succession.label_node("true")
        before = succession.hold("theirs")
        pids, held = story.alive_pids(before), succession.held("theirs")
        expect(held["theirs"], "the kubelet has no id of the Pod")

        with Watched(story) as watched:
            succession.start_agent("--take-over")
            succession.registered()
            succession.wait_label("false")
            expect(succession.labels()[DISCOVERY_LABEL] == "true", "more was taken than is replaced")
            memory = story.api.node(NODE)["metadata"]["annotations"][MEMORY]
            expect(json.loads(memory) == {PLUGIN_LABEL: "true"}, f"{MEMORY} is {memory}")
            succession.stop_other()  # What the operator does about its label.
            ours = succession.hold("ours-1", "ours-2", "ours-3")
            succession.expect_all_held("theirs", *ours)
            succession.expect_waiting("one-too-many")
            watched.expect_always(SHARES)
        expect(succession.held("theirs") == held, "its share became another")
        expect(expect_undisturbed(story, before) == pids, "another process runs")
        expect(story.gpus_of("ours-1"), "a new Pod has no GPU")

        everyone = before | ours
        held = succession.held(*everyone)
        # One agent after another is a moment without; what follows is not.
        succession.start_agent("--give-back")
        succession.wait_label("true")
        expect(MEMORY not in story.api.node(NODE)["metadata"]["annotations"], "it is remembered")
        succession.registered()  # It serves on, until the other one is there.
        story.wait_gpus(SHARES)
        with Watched(story) as watched:
            succession.start_other()
            succession.says("device plugin (nvidia-device-p, process ")
            expect(succession.held(*everyone) == held, "shares changed hands")
            succession.expect_waiting("one-too-many")
            watched.expect_always(SHARES)
        expect_undisturbed(story, everyone)
        story.api.delete("/api/v1/namespaces/default/pods/ours-2", {"gracePeriodSeconds": 0})
        story.wait(lambda: "ours-2" not in story.api.pods(), "ours-2 is gone")
        succession.hold("theirs-again")
        succession.expect_all_held("theirs", "theirs-again", "ours-1", "ours-3")
        expect(story.gpus_of("theirs-again"), "a new Pod of the other plugin has no GPU")
        del everyone["ours-2"]
        expect_undisturbed(story, everyone)
        story.node.agent.stop()
        succession.stop_other()
        story.clean_default()
