"""The story that the cluster test tells: each check is a claim about a real node, made through the
API server, kubectl and the kubelet, as a person or a scheduler would see it."""

import calendar
import os
import pathlib
import re
import signal
import time

import gpu_node
from gpu_node import A10G, HOLDER_IMAGE, PLUGIN_DIRECTORY, SEED_IMAGE, T4
from process import Failed, tail, wait_until

RESOURCE = "nvidia.com/gpu"
SEED_POD = (gpu_node.HERE / "seed/gpu-pod.yaml").read_text()
SEED_OUTPUT = [
    "[Vector addition of 50000 elements]",
    "Copy input data from the host memory to the CUDA device",
    "CUDA kernel launch with 196 blocks of 256 threads",
    "Copy output data from the CUDA device to the host memory",
    "Test PASSED",
    "Done",
]
WRONG_RESULT = 3  # gpunode-vectoradd's exit code.

CHECKS = []


def check(name, profile=A10G):
    """Registers a check; its function returns a note for its line, or nothing."""
    def register(function):
        CHECKS.append((name, profile, function))
        return function
    return register


def pod(name, image, gpus=1, host_network=False):
    container = {"name": "main", "image": image}
    if gpus:
        container["resources"] = {"limits": {RESOURCE: gpus}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 5,
                     "hostNetwork": host_network, "containers": [container]}}


def on_t4(document):
    """The CUDA double of the image is told which machine this is: it cannot ask a driver."""
    document["spec"]["containers"][0].setdefault("env", []).append(
        {"name": "GPUNODE_FAKE_NVML", "value": T4.in_image})
    return document


def holder(name):
    """Many of these run at once: on the host's network, which spares the CNI plugins' work."""
    return pod(name, HOLDER_IMAGE, host_network=True)


def many(documents):
    return {"apiVersion": "v1", "kind": "List", "items": documents}


def phase(one):
    return one["status"].get("phase")


def said(one):
    """Phase, reason and message of a Pod, and how its containers ended: for messages."""
    status = one["status"]
    words = [status.get("phase"), status.get("reason"), status.get("message")]
    for container in status.get("containerStatuses", ()):
        for state in container.get("state", {}).values():
            words += [state.get("reason"), state.get("message"),
                      f"exit code {state['exitCode']}" if "exitCode" in state else None]
    return ", ".join(str(word) for word in words if word)


def exit_code(one):
    for container in one["status"].get("containerStatuses", ()):
        ended = container["state"].get("terminated")
        if ended is not None:
            return ended["exitCode"]
    return None


def container_ids(one):
    return [c["containerID"].split("//", 1)[1]
            for c in one["status"].get("containerStatuses", ()) if c.get("containerID")]


def klog_times(log, words):
    """Unix times of the lines of a Kubernetes program's log that hold the words (TZ is UTC)."""
    year = time.gmtime().tm_year
    found = []
    for line in pathlib.Path(log).read_text(errors="replace").splitlines():
        match = re.match(r"[IWEF](\d\d)(\d\d) (\d\d):(\d\d):(\d\d\.\d+)", line)
        if match and words in line:
            month, day, hour, minute = map(int, match.groups()[:4])
            found.append(calendar.timegm((year, month, day, hour, minute, 0))
                         + float(match.group(5)))
    return found


def expect(condition, text):
    if not condition:
        raise Failed(text)


class Story:
    def __init__(self, cluster, node):
        self.cluster, self.node, self.api = cluster, node, cluster.api

    # Words for the checks.

    def wait(self, condition, what, timeout=60):
        return wait_until(condition, what, timeout, self.cluster.processes)

    def wait_gpus(self, count, timeout=60):
        """Until the scheduler may hand out `count` shares."""
        self.wait(lambda: self.cluster.gpus() == count,
                  lambda: f"allocatable {RESOURCE} is {count}; it is {self.cluster.gpus()}",
                  timeout)

    def wait_gpus_gone(self):
        """Until the scheduler may hand out none: the plugin is down, or has nothing."""
        self.wait(lambda: not self.cluster.gpus(),
                  lambda: f"no {RESOURCE} is allocatable; it is {self.cluster.gpus()}")

    def wait_pods(self, names, wanted, timeout=240):
        """Until all the Pods are in the phase; returns them."""
        names = list(names)

        def all_there():
            pods = self.api.pods()
            return pods if all(n in pods and phase(pods[n]) == wanted for n in names) else None

        def what():
            pods = self.api.pods()
            others = [f"{n}: {said(pods[n]) if n in pods else 'gone'}" for n in names
                      if n not in pods or phase(pods[n]) != wanted]
            return f"{len(names)} Pods {wanted}; of them not: " + "; ".join(others[:5])

        return self.wait(all_there, what, timeout)

    def run_to_end(self, document, wanted="Succeeded", timeout=120):
        name = document["metadata"]["name"]
        self.cluster.apply(document)
        return self.wait_pods([name], wanted, timeout)[name]

    def seed_output(self, name):
        lines = self.cluster.logs_of(name).splitlines()
        expect(lines == SEED_OUTPUT, f"{name} printed {lines}")

    def clean(self):
        """No Pod is left, and no container runs.

        By force: a graceful deletion may wait for the kubelet's next container collection, which is
        once a minute.
        """
        self.api.delete("/apis/batch/v1/namespaces/default/jobs",
                        {"propagationPolicy": "Background"})
        self.api.delete("/api/v1/namespaces/default/pods", {"gracePeriodSeconds": 0})

        def left():
            return list(self.api.pods()) + self.cluster.running_tasks()
        self.wait(lambda: not left(), lambda: "all Pods are gone; left: " + ", ".join(left()), 180)

    def no_device_twice(self):
        """No device id belongs to two Pods that have not ended, in the kubelet's own books."""
        living = {p["metadata"]["uid"]: name for name, p in self.api.pods().items()
                  if phase(p) in ("Pending", "Running")}
        owners = {}
        for uid, ids in self.cluster.assigned_devices().items():
            if uid not in living:
                continue
            for one in ids:
                expect(one not in owners, f"{one} is given to {owners.get(one)} and {living[uid]}")
                owners[one] = living[uid]
        return owners

    def alive_pids(self, pods):
        """Pod name -> host pid of its container; fails unless each runs."""
        found = {}
        for name, one in pods.items():
            ids = container_ids(one)
            expect(ids, f"{name} has no container: {said(one)}")
            pid = self.cluster.container_pid(ids[0])
            expect(pid is not None, f"containerd has no task of {name}")
            found[name] = pid
        return found

    def registered_after(self, moment):
        """Seconds from the kubelet's new socket to the agent's registration in the kubelet's log.

        `moment`: when the kubelet was started; both are waited for.
        """
        socket = PLUGIN_DIRECTORY / "kubelet.sock"

        def made():
            try:
                changed = socket.stat().st_ctime
            except FileNotFoundError:
                return None
            return changed if changed >= moment else None
        appeared = self.wait(made, "the kubelet makes its socket", 60)
        words = f'Got registration request from device plugin with resource name "{RESOURCE}"'

        def registered():
            times = klog_times(self.cluster.kubelet.log, words)
            return next((when for when in times if when >= appeared), None)
        return self.wait(registered, "the agent registers again", 60) - appeared

    # Running it.

    def run(self, only=()):
        chosen = [c for c in CHECKS if not only or any(word in c[0] for word in only)]
        if not chosen:
            names = "\n    ".join(c[0] for c in CHECKS)
            raise Failed(f"no check is named so; there are:\n    {names}")
        failed = []
        for name, profile, function in chosen:
            start = time.monotonic()
            failure = None
            try:
                self.node.run_agent(profile)
                self.wait_gpus(profile.shares)
                note = function(self)
                self.clean()
            except Failed as error:
                failed.append(name)
                failure = note = error
            print(f"{'FAILED' if failure else 'ok    '} {time.monotonic() - start:6.1f} s  {name}"
                  + (f": {note}" if note else ""), flush=True)
            if failure:
                self.show_logs(failure)
                self.start_over()
        return len(chosen), failed

    def show_logs(self, failure):
        logs = {failure.log, self.node.agent.log if self.node.agent else None,
                self.cluster.kubelet.log}
        for log in sorted(logs - {None}):
            print(tail(log), flush=True)

    def start_over(self):
        """After a failure: what the next check may count on."""
        try:
            if not self.cluster.kubelet.alive():
                self.cluster.start_kubelet()
            self.node.reset()
            self.clean()
        except Failed as error:
            print(f"    could not start over: {error}", flush=True)


# The checks, in the order in which they are told.


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
    count = 50
    job = {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "churn"},
        "spec": {"completions": count, "parallelism": count, "backoffLimit": count,
                 "template": {"spec": {
                     "restartPolicy": "Never", "hostNetwork": True,
                     "containers": [{"name": "main", "image": SEED_IMAGE,
                                     "resources": {"limits": {RESOURCE: 1}}}]}}},
    }
    story.cluster.apply(holder("survivor"))
    survivor = story.wait_pods(["survivor"], "Running")["survivor"]
    story.cluster.apply(job)

    def done(wanted):
        return lambda: sum(phase(p) == "Succeeded" for p in story.api.pods().values()) >= wanted
    story.wait(done(5), "5 Pods of 50 have ended", 180)
    story.cluster.kubelet.kill()
    restarted = time.time()
    story.cluster.start_kubelet()
    again = story.registered_after(restarted)

    def completed():
        _, answer = story.api.request("GET", "/apis/batch/v1/namespaces/default/jobs/churn")
        return answer["status"].get("succeeded", 0) == count

    def state():
        pods = story.api.pods()
        phases = [phase(p) for p in pods.values()]
        return (f"all {count} Pods succeed; now "
                + ", ".join(f"{phases.count(p)} {p}" for p in sorted(set(phases))))
    peak = 0
    deadline = time.monotonic() + 480
    while not completed():
        peak = max(peak, len(story.no_device_twice()))
        story.wait(lambda: True, "", 1)
        expect(time.monotonic() < deadline, f"not within 480 s: {state()}")
        time.sleep(0.3)
    pods = story.api.pods()
    failed = [p for p in pods.values() if phase(p) == "Failed"]
    for one in failed:
        # Bound to the node before the kill and admitted before the plugin was back: the kubelet
        # itself refuses it, the Job makes another. So it does for one whose container was being
        # started when the kill cut the call to containerd off.
        expect(one["status"].get("reason") in ("UnexpectedAdmissionError", "OutOfnvidia.com/gpu")
               or "context canceled" in said(one),
               f"a Pod failed: {said(one)}")
    now = pods["survivor"]
    expect(phase(now) == "Running" and container_ids(now) == container_ids(survivor),
           f"the Pod that ran through it is {said(now)}")
    story.wait_gpus(A10G.shares)
    return (f"registered {again * 1000:.0f} ms after kubelet.sock was back; at most {peak} shares"
            f" in use, {len(failed)} Pods refused by the kubelet in between and made again")


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
        story.wait(lambda: "holding" in story.cluster.logs_of(name), f"{name} says what it holds")
        log = story.cluster.logs_of(name)
        allowed = re.findall(r"^(/dev/nvidia\d+) allowed$", log, re.MULTILINE)
        expect(len(allowed) == 1, f"{name} may open {allowed}")
        seen.setdefault(allowed[0], []).append(name)
    expect(len(seen) == 4 and all(len(who) == 2 for who in seen.values()),
           f"8 Pods on 4 GPUs lie so: {seen}")
    adders = [f"adds-{n}" for n in range(4)]
    story.cluster.apply(many([on_t4(pod(n, SEED_IMAGE)) for n in adders]))
    story.wait_pods(adders, "Succeeded")
    for name in adders:
        story.seed_output(name)


@check("a GPU that computes wrongly fails its Pod", T4)
def broken_gpu(story):
    ended = story.run_to_end(on_t4(pod("broken", gpu_node.BROKEN_IMAGE)), "Failed")
    expect(exit_code(ended) == WRONG_RESULT, said(ended))
    expect("Test PASSED" not in story.cluster.logs_of("broken"), "it printed Test PASSED")


@check("an XID takes one GPU's 20 shares away until it has been well for a while", T4)
def xid(story):
    story.node.xid(2, 79)
    story.wait_gpus(T4.shares - 20)
    start = time.monotonic()
    story.wait_gpus(T4.shares, 150)
    return f"back after {time.monotonic() - start:.0f} s"
