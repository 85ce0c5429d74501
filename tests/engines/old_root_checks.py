"""Roots in which programs start that were built here: Debian 11's, whose C library is older, and
one with nothing at all."""

import json
import os
import pathlib
import shutil

import machine
import roots
from claims import check, expect
from process import run

PROGRAMS = ("gpunode", "gpunode-runtime", "vectoradd", "runc")


class OldRoot:
    """A root with our programs and a low-level runtime that says how it was called."""

    def __init__(self, node, make_root):
        self.root = node.work / "old-root"
        make_root(self.root)
        for name, source in zip(PROGRAMS, (node.build.gpunode, node.build.runtime,
                                           node.build.vectoradd, node.build.fake_runc)):
            roots.add(source, self.root / "opt" / name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for name in ("proc", "sys", "dev"):
            if os.path.ismount(self.root / name):
                run(["umount", "--recursive", str(self.root / name)])
        shutil.rmtree(self.root)

    def run(self, program, *arguments):
        return run(["/usr/sbin/chroot", str(self.root), f"/opt/{program}", *arguments],
                   env={"PATH": "/opt"}, check=False)


def expect_starts(done, words):
    expect(done.returncode == 0 and words in done.stdout + done.stderr,
           f"{' '.join(done.args[2:])}: {done.returncode}: {done.stdout}{done.stderr}")


def create(old, environment):
    """gpunode-runtime's `create` of a bundle, up to what it becomes."""
    bundle = old.root / "bundle"
    (bundle / "rootfs").mkdir(parents=True, exist_ok=True)
    (bundle / "config.json").write_text(json.dumps({
        "ociVersion": "1.0.2", "root": {"path": "rootfs"}, "linux": {},
        "process": {"args": ["/bin/sh"], "env": environment, "cwd": "/"}}))
    return old.run("gpunode-runtime", "create", "--bundle", "/bundle", "one")


def give_driver(node, root):
    """The driver's files, its nodes, and this machine's /proc and /sys with what its modules show.
    """
    shutil.copytree(node.driver / "usr/lib64", root / "usr/lib64", symlinks=True,
                    dirs_exist_ok=True)
    for name in ("proc", "sys", "dev"):
        (root / name).mkdir(exist_ok=True)
        machine.mount("--rbind", f"/{name}", root / name)


def starts_in(make_root):
    def claim(node):
        with OldRoot(node, lambda root: make_root(node, root)) as old:
            expect_starts(old.run("gpunode", "version"), "gpunode ")
            expect_starts(old.run("gpunode-runtime", "--version"), "version")
            expect_starts(old.run("gpunode-runtime", "hook", "apply", "--help"), "--folder")
            expect_starts(create(old, []), "create")
            # With a driver there, the same create is one with devices.
            give_driver(node, old.root)
            expect_starts(create(old, ["NVIDIA_VISIBLE_DEVICES=0"]), "create")
            config = json.loads(pathlib.Path(old.root / "bundle/config.json").read_text())
            nodes = [device["path"] for device in config["linux"]["devices"]]
            expect("/dev/nvidia0" in nodes and "/dev/nvidia1" not in nodes, nodes)
            expect(any(mount["destination"] == node.library("libcuda")
                       for mount in config["mounts"]), "libcuda is not mounted")
            expect_starts(old.run("gpunode", "cdi", "generate"), "nvidia.com/gpu")
    return claim


check("an empty root: gpunode and gpunode-runtime start, up to the low-level runtime's create")(
    starts_in(roots.make_empty))
check("Debian 11's root: the same")(
    starts_in(lambda node, root: roots.make_debian(node, root, "debian11")))


@check("Debian 11's root: vectoradd starts, and says that there is no driver")
def vectoradd(node):
    with OldRoot(node, lambda root: roots.make_debian(node, root, "debian11")) as old:
        done = old.run("vectoradd")
        said = done.stdout + done.stderr
        expect(done.returncode != 0 and "libcuda.so.1" in said and "GLIBC" not in said, said)
        return f"C library {node.version_of('debian11', 'libc6')}"
