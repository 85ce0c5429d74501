#!/usr/bin/env python3
"""What `gpunode apply` adds to the tools it runs.

A blank disk becomes an xfs file system that /etc/fstab mounts, and two packages are installed, by
the real tools: by `gpunode apply`, by a shell script of every command line that apply ran, and by
the script that a person would write, in turn, each on a fresh copy of this machine's root with a
fresh disk. Needs root; only systemctl is a stand-in, which mounts what fstab says.
"""
import argparse
import ast
import ctypes
import json
import os
import pathlib
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

CLONE_NEWNS = 0x20000  # <linux/sched.h>
TARGET = "/data/k8s"
STATE = "/var/lib/gpunode"
STEPS = ["storage.data.disk", "storage.data.mount", "prep.packages"]
PACKAGES = ["stub-extra", "stub-driver"]
BASE_TOOLS = ["conntrack", "ethtool", "socat"]
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/root",
               "DEBIAN_FRONTEND": "noninteractive"}
SYSTEMCTL = f"""#!/bin/sh
case "$*" in
  *start*.mount) exec mount {TARGET} ;;
  *is-active*) echo inactive; exit 3 ;;
esac
"""
SPEC = """
apiVersion: gpunode.dev/v1alpha1
kind: GPUNode
spec:
  host: {{packages: [{packages}], extraRepositories: false}}
  storage:
    - id: data
      select: {{path: {disk}}}
      mount: {{path: {target}, via: fstab}}
"""


def sh(*command, **kwargs):
    return subprocess.run([str(word) for word in command], check=True, **kwargs)


class Host:
    """A root of its own over this machine's, with a blank disk. Undone at the end."""

    def __init__(self, directory, stubs, gpunode):
        self.directory, self.root = directory, directory / "root"
        self.stubs, self.gpunode = stubs, gpunode
        self.disk = None

    def __enter__(self):
        sh("mount", "-t", "tmpfs", "-o", "size=4G", "bench", self.directory)
        try:
            self.make()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def make(self):
        for name in ("upper", "work", "root"):
            (self.directory / name).mkdir()
        sh("mount", "-t", "overlay", "bench", "-o", f"lowerdir=/,upperdir={self.directory}/upper,"
           f"workdir={self.directory}/work", self.root)
        for name in ("proc", "sys", "dev"):
            sh("mount", "--rbind", f"/{name}", self.root / name)
        sh("mount", "-t", "tmpfs", "run", self.root / "run")
        image = self.directory / "disk"
        with open(image, "wb") as disk:
            disk.truncate(400 << 20)  # mkfs.xfs takes no less than 300 MiB.
        self.disk = sh("losetup", "-f", "--show", image, capture_output=True,
                       text=True).stdout.strip()
        self.write("usr/bin/systemctl", SYSTEMCTL, 0o755)
        sh("cp", self.gpunode, self.root / "usr/bin/gpunode")
        self.write("etc/gpunode/node.yaml", SPEC.format(
            packages=", ".join(PACKAGES), disk=self.disk, target=TARGET))
        self.write("etc/fstab", "# empty\n")
        self.offer(self.stubs)

    def write(self, path, text, mode=0o644):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.is_symlink() or file.exists():
            file.unlink()
        file.write_text(text)
        file.chmod(mode)

    def offer(self, stubs):
        """The stub packages are all that apt knows."""
        for old in (self.root / "etc/apt/sources.list.d").glob("*"):
            old.unlink()
        sh("mkdir", "-p", self.root / "stubs")
        sh("mount", "--bind", stubs, self.root / "stubs")
        self.write("etc/apt/sources.list",
                   "deb [signed-by=/stubs/keys/good.asc] file:/stubs/deb/good stub main\n")
        # The tools of every node count as here: their packages are nobody's business.
        with open(self.root / "var/lib/dpkg/status", "a") as status:
            for tool in BASE_TOOLS:
                status.write(f"Package: {tool}\nStatus: install ok installed\nVersion: 1\n"
                             "Architecture: amd64\nMaintainer: bench\nDescription: bench\n\n")
        self.chroot(["/usr/bin/apt-get", "-qq", "update"])

    def chroot(self, argv, **kwargs):
        return subprocess.run(["/usr/sbin/chroot", self.root, *argv], env=ENVIRONMENT, check=True,
                              stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, **kwargs)

    def timed(self, argv):
        """Wall seconds, and those of processor time that the program itself took."""
        began = time.monotonic()
        child = subprocess.Popen(["/usr/sbin/chroot", self.root, *argv], env=ENVIRONMENT,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        took = time.monotonic() - began
        fields = pathlib.Path(f"/proc/{child.pid}/stat").read_text().rsplit(")", 1)[1].split()
        if child.wait() != 0:
            raise SystemExit(f"apply.py: {argv[0]} ended with {child.returncode}")
        return took, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def expect_done(self):
        sh("mountpoint", "-q", f"{self.root}{TARGET}")
        for package in PACKAGES:
            self.chroot(["/usr/bin/dpkg-query", "-s", package])

    def close(self):
        subprocess.run(["umount", "-R", self.root], check=True)
        if self.disk:
            subprocess.run(["losetup", "-d", self.disk], check=True)
        subprocess.run(["umount", self.directory], check=True)


def commands_of(trace):
    """The argument vectors that the traced program itself ran, in order, and how each ended."""
    own, made_by, commands, ends, cut = set(), {}, {}, {}, {}
    for line in trace.splitlines():
        pid, _, rest = line.partition(" ")
        rest = rest.strip()
        own = own or {pid}
        if rest.endswith("<unfinished ...>"):
            cut[pid] = rest.removesuffix("<unfinished ...>")
            continue
        if resumed := re.match(r"<\.\.\. \w+ resumed>(.*)", rest):
            rest = cut.pop(pid, "") + resumed[1]
        if made := re.match(r"(?:clone3?|v?fork)\(.* = (\d+)$", rest):
            if "CLONE_THREAD" in rest:
                own |= {made[1]} if pid in own else set()
            else:
                made_by[made[1]] = pid
        elif ran := re.match(r'execve\("([^"]+)", (\[.*?\]), .*\) += 0$', rest):
            # A child may be seen to run before its parent is seen to have made it.
            commands.setdefault(pid, [ran[1], *ast.literal_eval(ran[2])[1:]])
        elif ended := re.match(r"\+\+\+ exited with (\d+)", rest):
            ends[pid] = int(ended[1])
    return [(argv, ends.get(pid, 0)) for pid, argv in commands.items() if made_by.get(pid) in own]


def scripts_from(directory, stubs, gpunode):
    """Both scripts, from one traced apply: (all that it ran, what a person would write)."""
    with Host(directory, stubs, gpunode) as host:
        log = directory / "trace"
        sh("strace", "-f", "-s", "65536", "-e", "trace=execve,clone,clone3,vfork,fork",
           "-e", "signal=none", "-e", "quiet=attach,personality", "-o", log, "/usr/sbin/chroot", host.root,
           *apply_command(), env=ENVIRONMENT, stdout=subprocess.DEVNULL)
        host.expect_done()
        commands = commands_of(log.read_text())
        journal = (host.root / "var/lib/gpunode/journal.jsonl").read_text()
        files = [line["action"] for line in map(json.loads, journal.splitlines())
                 if line.get("action", {}).get("kind") == "write-file"]
        disk = host.disk
    everything, by_hand = ["set -e"], ["set -e", f"mkdir -p {TARGET}"]
    for action in files:
        path = shlex.quote(action["path"])
        line = f"printf %s {shlex.quote(action['content'])} >{path}"
        everything.append(f"mkdir -p {os.path.dirname(path)}; {line}")
        if action["path"] == "/etc/fstab":
            by_hand.append(line)
        if action.get("check"):  # What it checks is a copy.
            everything.append(f"mkdir -p {STATE}; cp {action['path']} {STATE}/check")
    everything.insert(1, f"mkdir -p {TARGET}")
    for argv, status in commands:
        line = shlex.join(argv).replace(disk, "$DISK").replace("'$DISK'", "$DISK")
        everything.append(line + (" || true" if status else ""))
        name = os.path.basename(argv[0])
        is_work = (name.startswith("mkfs") or (name == "systemctl" and "start" in argv) or
                   (name == "apt-get" and "install" in argv and not {"-s", "--simulate"} & set(argv)))
        if is_work:
            by_hand.append(line)
    # The command lines are the tools' in the order in which apply came to them; what it wrote in
    # between is at the start, where mount finds its line of fstab.
    return "\n".join(everything), "\n".join(by_hand), commands


def apply_command():
    only = [word for step in STEPS for word in ("--only", step)]
    return ["/usr/bin/gpunode", "apply", "--yes", "--no-color", *only]


SECOND = {"a plan where all is done": [word.replace("apply", "plan") for word in apply_command()
                                        if word != "--yes"],
          "apply with nothing to do": apply_command()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gpunode", required=True, type=pathlib.Path)
    parser.add_argument("--stubs", required=True, type=pathlib.Path,
                        help="what tests/packages/stubs.py made")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--show", action="store_true", help="print both scripts")
    options = parser.parse_args()
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) != 0:
        sys.exit(f"apply.py: unshare: {os.strerror(ctypes.get_errno())}; needs root")
    sh("mount", "--make-rprivate", "/")
    # /proc, /sys and /dev are mounted below it: never removed as a tree.
    directory = pathlib.Path(tempfile.mkdtemp(prefix="gpunode-bench-"))
    try:
        measure(directory, options)
    finally:
        directory.rmdir()


def measure(directory, options):
    everything, by_hand, commands = scripts_from(directory, options.stubs, options.gpunode)
    if options.show:
        print(everything, by_hand, sep="\n\n")
    ways = {"gpunode apply": apply_command(), "all its commands": everything, "by hand": by_hand}
    walls, own = {way: [] for way in ways}, []
    seconds = {again: [] for again in SECOND}
    for _ in range(options.rounds):
        for way, what in ways.items():
            with Host(directory, options.stubs, options.gpunode) as host:
                argv = (what if isinstance(what, list) else
                        ["/bin/sh", "-c", f"DISK={host.disk}\n{what}"])
                wall, cpu = host.timed(argv)
                host.expect_done()
                walls[way].append(wall)
                if isinstance(what, list):
                    own.append(cpu)
                    for again, argv in SECOND.items():
                        wall, cpu = host.timed(argv)
                        seconds[again].append((wall, cpu))
    report(walls, own, commands)
    for again, times in seconds.items():
        print(f"{again}: {1e3 * statistics.median(t[0] for t in times):.0f} ms, of which its own "
              f"processor time {1e3 * statistics.median(t[1] for t in times):.0f} ms")


def report(walls, own, commands):
    base = statistics.median(walls["gpunode apply"])
    for way, times in walls.items():
        ratio = statistics.median(ours / theirs for ours, theirs in zip(walls["gpunode apply"], times))
        print(f"{way:<18} {1e3 * statistics.median(times):7.0f} ms   apply is {ratio:.3f} of it")
    print(f"gpunode's own processor time: {1e3 * statistics.median(own):.0f} ms, "
          f"{100 * statistics.median(own) / base:.1f} % of its time; {len(commands)} programs run")
    asked = {}
    for argv, _ in commands:
        asked[shlex.join(argv)] = asked.get(shlex.join(argv), 0) + 1
    for line, count in asked.items():
        if count > 1:
            print(f"run {count} times: {line[:120]}")


if __name__ == "__main__":
    main()
