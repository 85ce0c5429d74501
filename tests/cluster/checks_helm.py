"""The seed's section "Helm 安装 device plugin" on the node: the chart from a repository, by real helm
with the seed's command and values, and what becomes of running Pods when it changes."""

import functools
import http.server
import json
import pathlib
import re
import shutil
import sys
import threading

import checks
import checks_shares
import gpu_node
from checks_shares import expect_share, restart_container, taker
from checks_takeover import expect_undisturbed
from cluster import NODE
from gpu_node import A10G, T4
from process import Failed, run
from story import container_ids, expect, holder, klog_times, phase, pod

sys.path.append(str(gpu_node.HERE.parent / "chart"))
import helm as helm_parts  # pylint: disable=wrong-import-position

MINOR = 25  # The seed's Kubernetes.
ROOT = gpu_node.HERE.parent.parent
CHART = ROOT / "deploy/helm/gpunode"
VALUES = gpu_node.HERE.parent / "chart/values"
SEED_VALUES = VALUES / "seed.yaml"
SHARES_VALUES = ROOT / "examples/values-shares.yaml"
NAMESPACE, RELEASE = "nvidia-device-plugin", "nvdp"
DAEMON_SET = "nvdp-gpunode"
CHECKS = []


def why_not():
    """Why helm is not to be had here, or None. Asks the network, so outside the namespaces."""
    try:
        helm_parts.ensure(MINOR)
    except helm_parts.HelmError as error:
        return str(error)
    return None


def check(name, profile=A10G):
    def register(function):
        CHECKS.append((name, profile, function))
        return function
    return register


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


class Release:
    """helm on this cluster, a repository with the chart, and the release; gone at the end."""

    def __init__(self, story):
        self.story = story
        self.state = story.cluster.state / "helm"
        self.server = None

    def __enter__(self):
        # The agent of the other checks is a process of the host; here it is a Pod.
        self.story.node.agent.stop()
        self.story.wait_gpus_gone()
        (self.state / "charts").mkdir(parents=True, exist_ok=True)
        self.helm("package", CHART, "--destination", self.state / "charts")
        self.helm("repo", "index", self.state / "charts")
        self.server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(Quiet, directory=str(self.state / "charts")))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.helm("uninstall", RELEASE, "--namespace", NAMESPACE, check=False)
        self.story.wait(lambda: not self.pods(), "the agent's Pod is gone", 120)
        self.story.node.agent.start()
        self.story.wait_gpus(self.story.node.profile.shares)

    def helm(self, *words, check=True):
        return run([str(helm_parts.ensure(MINOR) / "helm"), *map(str, words)], check=check, env={
            "PATH": "/usr/bin:/bin", "HOME": str(self.state),
            "KUBECONFIG": str(self.story.cluster.kubeconfig("admin"))}).stdout

    def add_repository(self):
        self.helm("repo", "add", "--force-update", "gpunode", f"http://127.0.0.1:{self.server.server_port}")
        self.helm("repo", "update")

    def upgrade(self, *more):
        """The seed's command, with our repository, chart and version, and the lost backslash."""
        return self.helm("upgrade", "-i", RELEASE, "gpunode/gpunode",
                         "--namespace", NAMESPACE,
                         "--create-namespace",
                         "--version", "0.1.0",
                         "--values", SEED_VALUES,
                         # The simulated driver's GPUs. A real one knows its own.
                         "--values", self.simulation(), *more)

    def simulation(self):
        """In a directory that the Pod has anyway, and that a restarting kubelet leaves alone."""
        profile = gpu_node.PLUGIN_DIRECTORY / "simulation/profile.json"
        profile.parent.mkdir(exist_ok=True)
        profile.write_text(self.story.node.profile.file.read_text())
        path = self.state / "simulation.json"
        path.write_text(json.dumps({
            "extraEnv": [{"name": "GPUNODE_FAKE_NVML", "value": str(profile)}]}))
        return path

    def simulated_driver(self):
        """A driver root in that directory: the library, and its GPUs beside it."""
        root = gpu_node.PLUGIN_DIRECTORY / "simulation"
        place = root / "usr/lib64"
        place.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.story.node.build.nvml, place / "libnvidia-ml.so.1")
        shutil.copyfile(self.story.node.profile.file, place / "profile.json")
        return root

    def pods(self):
        path = f"/api/v1/namespaces/{NAMESPACE}/pods"
        return self.story.api.request("GET", path)[1].get("items", [])

    def daemon_sets(self):
        """name -> UID of those of the release's namespace."""
        found = self.story.api.request("GET", f"/apis/apps/v1/namespaces/{NAMESPACE}/daemonsets")[1]
        return {one["metadata"]["name"]: one["metadata"]["uid"] for one in found["items"]}

    def running_pod(self, other_than=None):
        """The agent's Pod, Running; not the one with that UID."""
        def running():
            return next((one for one in self.pods() if phase(one) == "Running"
                         and one["metadata"]["uid"] != other_than
                         and "deletionTimestamp" not in one["metadata"]), None)
        return self.story.wait(running, lambda: "the agent's Pod runs: " + self.describe(), 120)

    def describe(self):
        return self.story.cluster.kubectl("--namespace", NAMESPACE, "describe", "pods")[-1500:]

    def log(self):
        return self.story.cluster.kubectl("--namespace", NAMESPACE, "logs",
                                          f"daemonset/{DAEMON_SET}")


    def exec(self, *words):
        """How a program of the agent's Pod ends, and what it writes."""
        return self.story.cluster.kubectl_ended("--namespace", NAMESPACE, "exec", f"daemonset/{DAEMON_SET}",
                                                "-c", "gpunode-agent", "--", *map(str, words), check=False)


def expect_shown(release, name, parts, of=20):
    """gpunode in the agent's Pod shows a Pod with its limit, and the GPU as the driver tells of it."""
    shown = release.exec("gpunode", "shares", "--json")
    expect(shown.returncode == 0 and not shown.stderr, f"gpunode shares: {shown}")
    shares = {one["pod"]: one["devices"] for one in json.loads(shown.stdout)["shares"]}
    expect(name in shares, f"gpunode shares has {sorted(shares)}")
    limit, wanted = shares[name][0]["limitBytes"], checks_shares.blocks_of(A10G) * parts // of * checks_shares.BLOCK
    expect(limit == wanted, f"by gpunode shares {name} has {limit} bytes, not {wanted}")
    # Of the simulated driver the probe finds the library; which GPUs it is to have is said to the agent alone.
    shown = release.exec("gpunode", "top", "--once")
    expect(f"/{name}" in shown.stdout and "NVML" in shown.stdout, f"gpunode top: {shown}")
    shown = release.exec("gpunode", "top", "--once", "--driver-root", release.simulated_driver())
    missed = [words for words in (f"/{name}", "NVIDIA A10G", "545.23.08") if words not in shown.stdout]
    expect(shown.returncode == 0 and not missed, f"gpunode top lacks {missed}: {shown}")
    expect(not re.search("^(driver|agent|shares): |not seen", shown.stdout, re.MULTILINE), f"gpunode top: {shown}")
    refused = release.exec("gpunode", "apply")
    expect(refused.returncode == 64 and "run others on the host" in refused.stderr, f"gpunode apply: {refused}")
    return shown


def same_container(story, before):
    now = story.api.pods()["survivor"]
    expect(phase(now) == "Running" and container_ids(now) == container_ids(before),
           "the Pod that ran through it was disturbed")


@check("helm, the seed's command and values: the Pod of the agent offers 20 shares, Test PASSED")
def seed_command(story):
    with Release(story) as release:
        release.add_repository()
        said = release.upgrade()
        (story.cluster.logs / "helm-notes.txt").write_text(said)
        expect(f"rollout status daemonset/{DAEMON_SET}" in said, f"NOTES: {said}")
        agent = release.running_pod()
        story.wait_gpus(A10G.shares)
        containers = agent["spec"]["containers"]
        expect(len(containers) == 1 and not agent["spec"].get("initContainers"),
               f"the Pod has {[one['name'] for one in containers]}")
        story.cluster.apply(checks.SEED_POD)
        story.wait_pods(["gpu-pod"], "Succeeded")
        story.seed_output("gpu-pod")
        status = read_status(story, container_ids(agent)[0])
        expect(status["CapEff"] == "0000000000000000", f"its capabilities are {status['CapEff']}")
        expect(status["NoNewPrivs"] == "1", "it may gain privileges")
        story.clean_default()
        return f"Seccomp: {status['Seccomp']}, CapEff: 0"


def read_status(story, container):
    pid = story.cluster.container_pid(container)
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


@check("helm upgrade and rollback: shares change and come back, a running GPU Pod is not disturbed")
def upgrade_and_rollback(story):
    with Release(story) as release:
        release.add_repository()
        release.upgrade()
        first = release.running_pod()["metadata"]["uid"]
        story.wait_gpus(A10G.shares)
        story.cluster.apply(holder("survivor"))
        survivor = story.wait_pods(["survivor"], "Running")["survivor"]
        told = story.node.status()["holders"]
        expect(told["source"] == "podResources" and
               [one["pod"] for one in told["items"]] == ["survivor"],
               f"gpunode status has holders {told}")

        thirty = gpu_node.SEED_CONFIG.read_text().replace("replicas: 20", "replicas: 30")
        file = release.state / "thirty.yaml"
        file.write_text(thirty)
        release.upgrade("--set-file", f"config.map.default={file}")
        second = release.running_pod(other_than=first)["metadata"]["uid"]
        story.wait_gpus(30)
        same_container(story, survivor)
        expect(story.gpus_of("survivor"), "the survivor lost its GPU")

        release.helm("rollback", RELEASE, "--namespace", NAMESPACE)
        release.running_pod(other_than=second)
        story.wait_gpus(A10G.shares)
        same_container(story, survivor)
        story.run_to_end(pod("after", gpu_node.SEED_IMAGE))
        story.seed_output("after")
        same_container(story, survivor)
        story.no_device_twice()
        story.clean_default()


@check("helm upgrade to another agent and rollback: a GPU Pod's container and its share stay")
def another_agent_and_back(story):
    with Release(story) as release:
        release.add_repository()
        release.upgrade()
        first = release.running_pod()
        story.wait_gpus(A10G.shares)
        story.cluster.apply(holder("survivor"))
        before = story.wait_pods(["survivor"], "Running")
        pids, held = story.alive_pids(before), story.no_device_twice()
        # The same program by another name: to Kubernetes it is another version.
        image = first["spec"]["containers"][0]["image"]
        run(story.cluster.ctr("images", "tag", image, image.rpartition(":")[0] + ":next"))

        release.upgrade("--set", "image.tag=next", "--set",
                        f"image.repository={image.rpartition(':')[0]}")
        second = release.running_pod(other_than=first["metadata"]["uid"])
        expect(second["spec"]["containers"][0]["image"].endswith(":next"), "it is the same agent")
        after_change(story, before, pids, held)

        release.helm("rollback", RELEASE, "--namespace", NAMESPACE)
        third = release.running_pod(other_than=second["metadata"]["uid"])
        expect(third["spec"]["containers"][0]["image"] == image, "it is not the agent of before")
        after_change(story, before, pids, held)
        story.clean_default()


def after_change(story, before, pids, held):
    """The Pods of before are as they were, all shares are there, and theirs are not given again."""
    story.wait_gpus(A10G.shares)
    expect(expect_undisturbed(story, before) == pids, "another process runs")
    expect(story.no_device_twice() == held, "its share changed")
    story.cluster.apply(holder("later"))
    story.wait_pods(["later"], "Running")
    expect(len(story.no_device_twice()) == len(held) + 1, "shares are lost")
    story.api.delete("/api/v1/namespaces/default/pods/later", {"gracePeriodSeconds": 0})
    story.wait(lambda: "later" not in story.api.pods(), "the later Pod is gone")


CONFIG_LABEL = "nvidia.com/device-plugin.config"
CONFIG_STATUS = "gpunode.io/device-plugin.config-status"
SHARED = "nvidia.com/gpu.shared"


def shares(replicas):
    """Of two of the four GPUs; the other two are whole."""
    return json.dumps({"version": "v1", "sharing": {"timeSlicing": {"resources": [
        {"name": "nvidia.com/gpu", "rename": SHARED, "devices": [0, 1], "replicas": replicas}]}}})


def relabel(story, value):
    story.cluster.kubectl("label", "--overwrite", "node", NODE,
                          f"{CONFIG_LABEL}={value}" if value else f"{CONFIG_LABEL}-")


def wait_shares(story, count):
    story.wait(lambda: story.cluster.gpus(resource=SHARED) == count,
               lambda: f"{count} of {SHARED}: there are {story.cluster.gpus(resource=SHARED)}")


def config_stands(story, config, chosen_by):
    def told():
        text = story.api.node(NODE)["metadata"].get("annotations", {}).get(CONFIG_STATUS, "{}")
        return json.loads(text) == {"config": config, "chosenBy": chosen_by, "outcome": "applied"}
    story.wait(told, lambda: f"the Node says {config} by {chosen_by}: it has "
               f"{story.api.node(NODE)['metadata'].get('annotations')}")


@check("helm, two configurations: the Node's label turns 20 shares into 4, of a resource that does not"
       " change the Pod, its device and the registration stay", T4)
def chosen_by_label(story):
    with Release(story) as release:
        release.add_repository()
        values = release.state / "two.json"
        values.write_text(json.dumps({"enableCustomSharing": True, "config": {
            "map": {"default": shares(10), "few": shares(2)}}}))
        release.upgrade("--values", values)
        agent = release.running_pod()
        wait_shares(story, 20)
        config_stands(story, "default", "default")
        story.cluster.apply(holder("survivor"))
        survivor = story.wait_pods(["survivor"], "Running")["survivor"]
        devices = story.cluster.assigned_devices()
        registered = klog_times(story.cluster.kubelet.log, "Got registration request")

        relabel(story, "few")
        wait_shares(story, 4)
        config_stands(story, "few", "label")
        events = story.cluster.kubectl("get", "events", "--field-selector",
                                       f"involvedObject.name={NODE},reason=ConfigApplied")
        expect('config "few" (by the node\'s label) is in force' in events, f"Events: {events}")
        same_container(story, survivor)
        expect(story.cluster.assigned_devices() == devices, "the kubelet's book has changed")
        expect(story.cluster.gpus() == 2, f"there are {story.cluster.gpus()} whole GPUs")
        expect(klog_times(story.cluster.kubelet.log, "Got registration request") == registered,
               "something was registered anew")
        expect(release.running_pod()["metadata"]["uid"] == agent["metadata"]["uid"],
               "the agent's Pod is another")

        # A label that names nothing, one that is gone; then no default: the fallback finds its file.
        relabel(story, "nowhere")
        story.wait(lambda: "stays in force" in release.log(), "the agent refuses a name")
        wait_shares(story, 4)
        relabel(story, "")
        wait_shares(story, 20)
        release.upgrade("--values", values, "--set", "config.default=")
        release.running_pod(other_than=agent["metadata"]["uid"])
        config_stands(story, "default", "named")
        wait_shares(story, 20)
        same_container(story, survivor)
        story.clean_default()


# What NVIDIA's chart leaves in a cluster, as far as helm sees it: a DaemonSet of that name and with
# that selector (tests/chart/facts). Its container does nothing.
THEIR_CHART = "apiVersion: v2\nname: nvidia-device-plugin\nversion: 0.14.3\n"
THEIR_LABELS = {"app.kubernetes.io/name": "nvidia-device-plugin",
                "app.kubernetes.io/instance": RELEASE}
THEIR_DAEMON_SET = {
    "apiVersion": "apps/v1", "kind": "DaemonSet",
    "metadata": {"name": "nvdp-nvidia-device-plugin", "labels": THEIR_LABELS},
    "spec": {"selector": {"matchLabels": THEIR_LABELS}, "template": {
        "metadata": {"labels": THEIR_LABELS},
        "spec": {"containers": [{"name": "nvidia-device-plugin-ctr",
                                 "image": gpu_node.HOLDER_IMAGE}]}}}}


@check("helm upgrade from NVIDIA's release to ours and rollback: one DaemonSet, never two plugins")
def from_theirs_and_back(story):
    with Release(story) as release:
        release.add_repository()
        theirs = release.state / "theirs"
        (theirs / "templates").mkdir(parents=True)
        (theirs / "Chart.yaml").write_text(THEIR_CHART)
        (theirs / "templates/daemonset.yaml").write_text(json.dumps(THEIR_DAEMON_SET))
        release.helm("install", RELEASE, theirs, "--namespace", NAMESPACE, "--create-namespace")
        before = release.running_pod()
        daemon_set = release.daemon_sets()

        release.upgrade("--reset-values", "--set", "nameOverride=nvidia-device-plugin")
        ours = release.running_pod(other_than=before["metadata"]["uid"])
        story.wait_gpus(A10G.shares)
        expect(release.daemon_sets() == daemon_set, f"{daemon_set} became {release.daemon_sets()}")
        names = [one["name"] for one in ours["spec"]["containers"]]
        expect(names == ["gpunode-agent"], f"the Pod has {names}")
        story.run_to_end(pod("with-ours", gpu_node.SEED_IMAGE))
        story.cluster.apply(holder("survivor"))
        survivor = story.wait_pods(["survivor"], "Running")["survivor"]

        release.helm("rollback", RELEASE, "--namespace", NAMESPACE)
        back = release.running_pod(other_than=ours["metadata"]["uid"])
        names = [one["name"] for one in back["spec"]["containers"]]
        expect(names == ["nvidia-device-plugin-ctr"], f"after the rollback the Pod has {names}")
        expect(release.daemon_sets() == daemon_set, f"{daemon_set} became {release.daemon_sets()}")
        same_container(story, survivor)
        story.clean_default()


@check("the API server takes what the chart renders for every set of values")
def every_set(story):
    with Release(story) as release:
        story.cluster.apply({"apiVersion": "v1", "kind": "Namespace",
                             "metadata": {"name": NAMESPACE}})
        count = 0
        for values in sorted(VALUES.glob("*.yaml")):
            text = release.helm("template", RELEASE, CHART, "--namespace", NAMESPACE,
                                "--values", values)
            try:
                story.cluster.kubectl("apply", "--dry-run=server", "-f", "-", stdin=text)
            except Failed as error:
                raise Failed(f"{values.name}: {error}") from error
            count += 1
        for manifest in sorted((ROOT / "deploy/static").glob("*.yaml")):
            story.cluster.kubectl("apply", "--dry-run=server", "-f", str(manifest))
            count += 1
        return f"{count} sets and manifests"


@check("helm, the seed's values with one block changed: a Pod asking 5 of 20 has that memory, by an agent without a right whose Pod shows it")
def shares_by_helm(story):
    with Release(story) as release:
        release.add_repository()
        release.upgrade("--values", SHARES_VALUES)
        agent = release.running_pod()
        story.wait_gpus(A10G.shares)
        expect(agent["spec"].get("hostPID") is True, "the agent does not see the host's processes")
        rights = agent["spec"]["containers"][0]["securityContext"]["capabilities"]
        expect(rights == {"drop": ["ALL"]}, f"the agent has {rights}")
        story.cluster.apply(taker("share-5", 5, restart="Always"))
        story.wait_pods(["share-5"], "Running")
        expect_share(story, "share-5", 5)
        expect_shown(release, "share-5", 5)
        # Another pid namespace: only the agent can tell that the processes before have ended.
        restart_container(story, "share-5")
        expect_share(story, "share-5", 5)
        story.cluster.kubectl("delete", "pod", "share-5", "--grace-period=1")
