"""This machine as a node whose GPUs are in shares, without Kubernetes: the real agent beside a kubelet that is a double, both in
a mount namespace of this run's own."""

import base64
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.request
import uuid

from load_group import Failed, Process
from pod_container import CONTAINER, Pod, answer_of, response

RESOURCE = "nvidia.com/gpu"
REPLICAS = 20
PLUGINS = pathlib.Path("/var/lib/kubelet/device-plugins")
PLACE = pathlib.Path("/run/gpunode-pods")  # Of what this run makes.
# Where the programs have their files, /run/gpunode, /var/lib/gpunode and /var/lib/kubelet. Over each is a tmpfs of this run's: others may
# make and remove such directories meanwhile, and a GPU may not be able to write into files of another kind of file system.
HIDDEN = ("/run", "/var/lib")
MADE = ("/run/gpunode", "/var/lib/gpunode")  # As packages make them.
LIFE = 900  # Seconds after which whatever is still there is ended.
PATIENCE = 30


def mounted(directory):
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", directory], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"mount a tmpfs on {directory}: {done.stderr.strip()}")


def eventually(deed, what, patience=PATIENCE):
    """The first thing that it gives."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        found = deed()
        if found:
            return found
        time.sleep(0.05)
    raise Failed(f"{what}: not within {patience} s")


class Kubelet(Process):
    def __init__(self, program):
        PLUGINS.mkdir(parents=True)
        super().__init__([program, "run", "--dir", PLUGINS], {}, LIFE)
        self.read(lambda line: line.startswith("listening"))

    def read(self, is_last):
        """Lines until that one."""
        lines = []
        for line in self.process.stdout:
            lines.append(line.rstrip("\n"))
            if is_last(lines[-1]):
                return lines
        return self.fail("it ended")

    def await_devices(self):
        """Registration and list came by the plugin's own calls."""
        self.be_patient(PATIENCE)
        self.read(lambda line: re.match(rf"list {RESOURCE} number=\d+ devices=([1-9]\d*) healthy=\1 ", line))
        self.be_patient(LIFE)

    def admit(self, pod, count):
        """(ids, Answer) of a Pod that asks for so many."""
        self.say(f"allocate {RESOURCE} {count} {pod}")
        lines = self.read(lambda line: line in ("ok", "failed"))
        told = [line for line in lines if line.startswith(f"{pod} ")]
        if lines[-1] != "ok" or not told:
            raise Failed(f"the kubelet does not admit {pod}: {' '.join(told or lines)}")
        return told[0].partition(": ")[2].split(","), answer_of(line for line in lines if line.startswith("  "))


class Agent(Process):
    def __init__(self, programs, options, config):
        # Who is left alone ends, too.
        launcher = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        words = [*launcher, programs["gpunode-agent"], f"--config-file={config}", f"--share-library={programs['libgpunode-cuda.so']}",
                 "--listen-address=127.0.0.1:0", f"--pod-resources-socket={PLUGINS}/pod-resources/kubelet.sock", *options]
        super().__init__(words, {}, LIFE)
        self.name = "gpunode-agent"

    def log(self):
        return os.pread(self.errors.fileno(), 1 << 20, 0).decode(errors="replace")

    def port(self):
        def found():
            if self.process.poll() is not None:
                self.fail("it ended")
            return re.search(r"listening on 127\.0\.0\.1:(\d+)", self.log())
        return eventually(found, "the agent listens").group(1)

    def page(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port()}{path}", timeout=10) as answer:
            return answer.read().decode()

    def metric(self, name, pod):
        """Of the Pod's first; the agent looks every few seconds."""
        line = re.compile(rf'^{name}\{{.*pod="{pod}".*\}} (\S+)$', re.MULTILINE)
        return float(eventually(lambda: line.search(self.page("/metrics")), f"{name} of {pod}").group(1))

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            pass
        super().close()


class Node:
    """`programs`: name -> path. `settings` of gpu_pods.py: driver_root, agent_options, container_env."""

    def __init__(self, programs, settings, stack):
        self.programs, self.settings = programs, settings
        self.place = PLACE
        self.config = self.place / "config.yaml"
        self.toml = self.place / "config.toml"
        self.pods = []
        self.entries = []
        self.compute = ""  # As the agent was told.
        self.write_config("fair")
        self.runtime = self.choose_runtime()
        self.kubelet = held(stack, Kubelet(programs["kubelet-double"]))
        self.agent = held(stack, Agent(programs, settings.agent_options, self.config))
        stack.callback(self.end_containers)
        try:
            self.kubelet.await_devices()
        except Failed as problem:
            raise Failed(f"{problem}; the agent says: {self.agent.log()[-1500:]}") from problem

    def write_config(self, compute):
        self.compute = compute
        self.config.write_text(f"version: v1\nsharing:\n  shares:\n    compute: {compute}\n    resources:\n"
                               f"    - name: {RESOURCE}\n      replicas: {REPLICAS}\n")

    def have_compute(self, compute):
        """Changed while containers run, if need be."""
        if compute == self.compute:
            return
        self.write_config(compute)
        self.agent.reload()
        is_none = compute == "none"
        eventually(lambda: ("time: " not in self.shares()) == is_none, f"compute: {compute} is in force")

    def choose_runtime(self):
        """What can make a container here: of the low-level runtimes the first, at last without the machine's cgroups."""
        problems = []
        for name, words in self.programs["low_levels"]:
            problem = self.try_runtime(name, words)
            if problem is None:
                return name
            problems.append(f"{name}: {problem}")
        # One of version 1 and 2 at once, none, or one that may not be written to: devices are then held back by having no node.
        mounted("/sys/fs/cgroup")
        for name, words in self.programs["low_levels"]:
            if "--cgroup-manager=disabled" in words and self.try_runtime(name, words) is None:
                return f"{name}, without cgroups ({'; '.join(problems)})"
        raise Failed("no low-level runtime makes a container here: " + "; ".join(problems or ["there is none"]))

    def try_runtime(self, name, words):
        """Makes gpunode-runtime become this one; None if it makes a container, else why it does not."""
        launcher = self.place / name
        launcher.write_text("#!/bin/sh\nexec " + " ".join(f'"{word}"' for word in words) + ' "$@"\n')
        launcher.chmod(0o755)
        self.toml.write_text(f"""\
[nvidia-container-cli]
root = "{self.settings.driver_root}"
[nvidia-container-runtime]
runtimes = ["{launcher}"]
debug = "{self.place}/runtime.log"
[nvidia-ctk]
path = "{self.programs['gpunode-runtime']}"
""")
        pod = Pod(pathlib.Path(tempfile.mkdtemp(dir=self.place)) / name, name, str(uuid.uuid4()), answer_of(()), {})
        self.write(pod, [pathlib.Path(shutil.which("true"))])
        done = subprocess.run([pod.program("true")], capture_output=True, text=True, check=False)
        return None if done.returncode == 0 else done.stderr.strip()[-300:] or f"it ends with {done.returncode}"

    def write(self, pod, programs):
        pod.write([self.programs["gpunode-runtime"], "--root", self.place / "state"], self.toml, programs)

    def admit(self, name, count):
        """A Pod that asks for so many shares."""
        ids, answer = self.kubelet.admit(name, count)
        pod = Pod(self.place / name, name, str(uuid.uuid4()), answer, self.settings.container_env)
        self.entries.append({"PodUID": pod.uid, "ContainerName": CONTAINER, "ResourceName": RESOURCE, "DeviceIDs": {"-1": ids},
                             "AllocResp": base64.b64encode(response(answer)).decode()})
        # As the kubelet does it, before it has the container made.
        (PLUGINS / "kubelet_internal_checkpoint").write_text(
            json.dumps({"Data": {"PodDeviceEntries": self.entries, "RegisteredDevices": {}}, "Checksum": 0}))
        self.write(pod, [self.programs["gpu_load"], self.programs["share_bench"]])
        if self.settings.container_file:
            shutil.copy(self.settings.container_file, pod.root / "etc")
        self.pods.append(pod)
        return pod

    def shares(self):
        """What `gpunode shares` prints."""
        done = subprocess.run([self.programs["gpunode"], "shares"], capture_output=True, text=True, timeout=PATIENCE, check=False)
        return done.stdout + done.stderr

    def top(self):
        """The second look of `gpunode top`: what is a rate needs two."""
        words = [self.programs["gpunode"], "top", "--watch", "--interval", "1", "--probe", self.programs["gpunode-probe"],
                 "--driver-root", self.settings.driver_root]
        looks = []
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            watch = threading.Timer(PATIENCE, process.terminate)
            watch.start()
            for line in process.stdout:
                if line.startswith("gpunode top "):
                    if len(looks) == 2:
                        break
                    looks.append("")
                looks[-1:] = ["".join(looks[-1:]) + line]
            process.terminate()
            watch.cancel()
        return "".join(looks[-1:])

    def end_containers(self):
        for pod in self.pods:
            pod.end()


def held(stack, process):
    stack.callback(process.close)
    return process
