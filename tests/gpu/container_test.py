#!/usr/bin/env python3
"""Containers on a real GPU, by gpunode's CDI spec and runtime (T3).

Their roots have a C library and a program, nothing of the driver: what works in them came through gpunode-runtime. Needs root,
runc and a driver; exits with 77, a skip, where one of them is missing."""

import argparse
import ctypes
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import traceback

import bundle
import driver_specs

SKIPPED = 77
PR_SET_CHILD_SUBREAPER = 36
GPUS = pathlib.Path("/proc/driver/nvidia/gpus")

CHECKS = []


class Failed(Exception):
    """A claim does not hold."""


class Skipped(Exception):
    """What a claim needs is not here."""


def check(claim):
    def add(function):
        CHECKS.append((claim, function))
        return function
    return add


def expect(condition, what):
    if not condition:
        raise Failed(what)


class Node:
    """This host and its GPUs."""

    def __init__(self, options, scratch):
        self.options, self.scratch = options, scratch
        self.uuids = [self.uuid_of(path) for path in sorted(GPUS.iterdir())]
        self.root = scratch / "root"
        bundle.copy_program(self.root, options.vectoradd, "vectoradd")
        self.spec_path = scratch / "cdi/nvidia.json"
        self.spec = self.generate(self.spec_path)
        self.smi = next((mount["containerPath"] for mount in self.spec["containerEdits"]["mounts"]
                         if mount["containerPath"].endswith("/nvidia-smi")), None)
        if self.smi:
            for path in bundle.libraries_of(self.smi):
                target = self.root / path.lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)

    @staticmethod
    def uuid_of(directory):
        for line in (directory / "information").read_text().splitlines():
            name, _, value = line.partition(":")
            if name == "GPU UUID":
                return value.strip()
        raise Failed(f"{directory}/information has no UUID")

    def generate(self, path, *more):
        path.parent.mkdir(exist_ok=True)
        subprocess.run([self.options.gpunode, "cdi", "generate", "--format", "json", "--output",
                        str(path), "--hook-path", self.options.runtime, *more], check=True)
        return json.loads(path.read_text())

    def containers(self, mode="auto", more=""):
        return bundle.Bundles(self.scratch / mode, self.options.runtime, f"""
[nvidia-container-runtime]
mode = "{mode}"
runtimes = ["{self.options.runc}"]
[nvidia-container-runtime.modes.cdi]
spec-dirs = ["{self.spec_path.parent}"]
[nvidia-ctk]
path = "{self.options.runtime}"
{more}""")

    def run(self, arguments, *environment, mode="auto", more="", root=None):
        return self.containers(mode, more).run(root or self.root, arguments, environment,
                                               is_copy=root is None)

    def listed(self, *environment, **rest):
        """The UUIDs that nvidia-smi sees in a container."""
        if not self.smi:
            raise Skipped("this host has no nvidia-smi where the spec looks for it")
        ended = self.run(["nvidia-smi", "-L"], *environment, **rest)
        expect(ended.status == 0, ended)
        return [uuid for uuid in self.uuids if uuid in ended.output]


def adds(node, *environment, **rest):
    ended = node.run(["/usr/bin/vectoradd"], *environment, **rest)
    expect(ended.status == 0 and "Test PASSED" in ended.output, ended)


@check("asked by NVIDIA_VISIBLE_DEVICES, a container computes on the GPU")
def _(node):
    adds(node, "NVIDIA_VISIBLE_DEVICES=all")


@check("so it does by index and by UUID, and by the generated spec's names")
def _(node):
    adds(node, "NVIDIA_VISIBLE_DEVICES=0")
    adds(node, f"NVIDIA_VISIBLE_DEVICES={node.uuids[0]}")
    adds(node, "NVIDIA_VISIBLE_DEVICES=nvidia.com/gpu=0", mode="cdi")
    adds(node, "NVIDIA_VISIBLE_DEVICES=nvidia.com/gpu=all", mode="cdi")


@check("a container that asks for nothing has neither nodes nor libraries")
def _(node):
    ended = node.run(["/usr/bin/vectoradd"])
    expect(ended.status != 0 and "libcuda" in ended.output, ended)


@check("nvidia-smi sees exactly the GPUs that were asked for")
def _(node):
    expect(node.listed("NVIDIA_VISIBLE_DEVICES=all") == node.uuids, "all: not all are seen")
    for index, uuid in enumerate(node.uuids):
        seen = node.listed(f"NVIDIA_VISIBLE_DEVICES={uuid}")
        expect(seen == [uuid], f"{uuid}: saw {seen}")
        seen = node.listed(f"NVIDIA_VISIBLE_DEVICES=nvidia.com/gpu={index}", mode="cdi")
        expect(len(seen) == 1, f"nvidia.com/gpu={index}: saw {seen}")


@check("NVIDIA_DRIVER_CAPABILITIES keeps its promise")
def _(node):
    everything = "NVIDIA_VISIBLE_DEVICES=all"
    adds(node, everything, "NVIDIA_DRIVER_CAPABILITIES=compute")
    ended = node.run(["/usr/bin/vectoradd"], everything, "NVIDIA_DRIVER_CAPABILITIES=utility")
    expect(ended.status != 0 and "libcuda" in ended.output, f"utility alone: {ended}")
    expect(node.listed(everything, "NVIDIA_DRIVER_CAPABILITIES=utility") == node.uuids,
           "utility: not all are seen")


@check("NVIDIA_REQUIRE_* that the driver meets starts, another is refused with the reason")
def _(node):
    adds(node, "NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_REQUIRE_CUDA=cuda>=11.0")
    ended = node.run(["/usr/bin/vectoradd"], "NVIDIA_VISIBLE_DEVICES=all",
                     "NVIDIA_REQUIRE_CUDA=cuda>=99.0")
    expect(ended.status != 0 and "=99.0, please update your driver" in ended.output, ended)


@check("with require-allocation an image's own NVIDIA_VISIBLE_DEVICES=all gives nothing")
def _(node):
    ended = node.run(["/usr/bin/vectoradd"], "NVIDIA_VISIBLE_DEVICES=all",
                     more="[gpunode]\nrequire-allocation = true\n")
    expect(ended.status != 0 and "libcuda" in ended.output, ended)


@check("fifty containers one after another leave no mount and no file behind")
def _(node):
    def left():
        return (len(pathlib.Path("/proc/self/mountinfo").read_text().splitlines()),
                sorted(path.name for path in pathlib.Path("/run").iterdir()))
    adds(node, "NVIDIA_VISIBLE_DEVICES=all")
    before = left()
    for _ in range(50):
        adds(node, "NVIDIA_VISIBLE_DEVICES=all")
    expect(left() == before, f"{before} became {left()}")


@check("PyTorch multiplies matrices in a container of this host's Python")
def _(node):
    with HostRoot(node) as root:
        script = ("import torch; a = torch.ones(512, 512, device='cuda'); "
                  "print('product', (a @ a).sum().item(), torch.cuda.device_count())")
        found = subprocess.run([sys.executable, "-c", "import torch"], capture_output=True)
        if found.returncode != 0:
            raise Skipped("this host's Python has no PyTorch")
        without = node.run([sys.executable, "-c", script], root=root)
        expect(without.status != 0, f"with no GPU asked for: {without}")
        ended = node.run([sys.executable, "-c", script], f"NVIDIA_VISIBLE_DEVICES={node.uuids[0]}",
                         root=root)
        expect(f"product {512.0 ** 3} 1" in ended.output, ended)


class HostRoot:
    """This host's own root as a container's, less its driver."""

    def __init__(self, node):
        self.node, self.path = node, node.scratch / "host-root"

    def __enter__(self):
        upper = self.node.scratch / "host-upper"
        self.path.mkdir()
        upper.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", upper], check=True)
        (upper / "files").mkdir()
        (upper / "work").mkdir()
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o",
                        f"lowerdir=/,upperdir={upper}/files,workdir={upper}/work", self.path],
                       check=True)
        for mount in self.node.spec["containerEdits"]["mounts"]:
            path = self.path / mount["containerPath"].lstrip("/")
            if path.is_file() or path.is_symlink():
                path.unlink()
        return self.path

    def __exit__(self, *_):
        subprocess.run(["umount", self.path, self.node.scratch / "host-upper"], check=True)


@check("the CDI spec differs from nvidia-ctk's only for reasons that are known")
def _(node):
    if not node.options.peer:
        raise Skipped("no --peer DIR with NVIDIA's nvidia-ctk")
    theirs = node.scratch / "theirs.json"
    subprocess.run([f"{node.options.peer}/nvidia-ctk", "cdi", "generate", "--format", "json",
                    "--output", str(theirs)], check=True, capture_output=True)
    found = driver_specs.differences(driver_specs.entries_of(json.loads(theirs.read_text())),
                                     driver_specs.entries_of(node.spec))
    for line, reason in found:
        print(f"    {line}\n        {reason or 'NOBODY KNOWS WHY'}")
    same = driver_specs.entries_of(json.loads(theirs.read_text())) & \
        driver_specs.entries_of(node.spec)
    print(f"    {len(same)} entries are the same")
    expect(all(reason for _, reason in found), "a difference has no reason")


def why_not(options):
    if not GPUS.is_dir():
        return "no NVIDIA driver on this host"
    if os.geteuid() != 0:
        return "containers need root"
    if not options.runc:
        return "no runc"
    return None


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gpunode", required=True)
    parser.add_argument("--runtime", required=True, help="gpunode-runtime")
    parser.add_argument("--vectoradd", required=True, help="gpunode-vectoradd")
    parser.add_argument("--runc", default=shutil.which("runc"), help="the low-level runtime")
    parser.add_argument("--peer", help="directory of NVIDIA's programs, to compare specs")
    parser.add_argument("--only", default="", help="checks whose claim has these words")
    options = parser.parse_args()
    for name in ("gpunode", "runtime", "vectoradd"):
        setattr(options, name, os.path.abspath(getattr(options, name)))
    return options


def main():
    options = parse()
    reason = why_not(options)
    if reason:
        print(f"skipped: {reason}")
        return SKIPPED
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    failed = 0
    with tempfile.TemporaryDirectory(prefix="gpunode-gpu-", dir="/var/tmp") as scratch:
        node = Node(options, pathlib.Path(scratch))
        for claim, function in CHECKS:
            if options.only not in claim:
                continue
            try:
                function(node)
                print(f"ok    {claim}", flush=True)
            except Skipped as why:
                print(f"skip  {claim}: {why}", flush=True)
            except Exception as why:  # pylint: disable=broad-except
                failed += 1
                print(f"FAIL  {claim}: {why}", flush=True)
                if not isinstance(why, Failed):
                    traceback.print_exc()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
