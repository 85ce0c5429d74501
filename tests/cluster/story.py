"""What the checks (checks.py) are told with: Pods, waiting for the node, and running the checks."""

import calendar
import pathlib
import re
import time

from gpu_node import HOLDER_IMAGE, PLUGIN_DIRECTORY
from process import Failed, tail, wait_until

RESOURCE = "nvidia.com/gpu"
SEED_OUTPUT = [
    "[Vector addition of 50000 elements]",
    "Copy input data from the host memory to the CUDA device",
    "CUDA kernel launch with 196 blocks of 256 threads",
    "Copy output data from the CUDA device to the host memory",
    "Test PASSED",
    "Done",
]


def pod(name, image, gpus=1, host_network=False):
    container = {"name": "main", "image": image}
    if gpus:
        container["resources"] = {"limits": {RESOURCE: gpus}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 5,
                     "hostNetwork": host_network, "containers": [container]}}


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


def why_never_ran(one):
    """The reason why a failed Pod's container has not run, or None if it has.

    The end of a kubelet explains these, no plugin being at fault: the Pod was bound to the node
    before and looked at before the plugin was back; or its container was being started when the
    kubelet's request broke off.
    """
    reason = one["status"].get("reason")
    if reason in ("UnexpectedAdmissionError", "OutOfnvidia.com/gpu"):
        return reason
    for container in one["status"].get("containerStatuses", ()):
        ended = container["state"].get("terminated", {})
        if "context canceled" in ended.get("message", ""):
            return ended.get("reason", "context canceled")
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

    def gpus_of(self, name):
        """The GPUs' nodes that a holder may open, by its own word."""
        self.wait(lambda: "holding" in self.cluster.logs_of(name), f"{name} says what it holds")
        return re.findall(r"^(/dev/nvidia\d+) allowed$", self.cluster.logs_of(name), re.MULTILINE)

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
        """No Pod is left, and no container runs."""
        self.clean_default()
        self.wait(lambda: not self.cluster.running_tasks(),
                  lambda: "all containers are gone; left: " +
                  ", ".join(self.cluster.running_tasks()), 180)

    def clean_default(self):
        """No Pod is left in the namespace that the checks use.

        By force: a graceful deletion may wait for the kubelet's next container collection, which is
        once a minute.
        """
        self.api.delete("/api/v1/namespaces/default/pods", {"gracePeriodSeconds": 0})
        self.wait(lambda: not self.api.pods(),
                  lambda: "all Pods are gone; left: " + ", ".join(self.api.pods()), 180)

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

    def run(self, checks, only=()):
        """Runs those whose names have one of the words; returns how many, and who failed."""
        chosen = [c for c in checks if not only or any(word in c[0] for word in only)]
        if not chosen:
            names = "\n    ".join(c[0] for c in checks)
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
