#!/usr/bin/env python3
"""Runs a real Kubernetes node on this machine and tells gpunode's story on it (checks.py).

    python3 tests/cluster/run.py --build-dir build/dev [--only WORDS]... [--keep]

Needs root. The first run compiles Kubernetes (build_kubernetes.py); the logs of the last run stay
in <build-dir>/tests/cluster/logs. Exit code 0 when every check holds, else 1.
"""

import argparse
import os
import pathlib
import shutil
import signal
import sys
import time

import build_kubernetes
import checks_helm
import checks_rollout
import checks_shares
import checks_takeover
import machine
import sandbox
from checks import CHECKS
from cluster import Cluster
from gpu_node import Build, GpuNode, configure_runtime, import_images
from process import Failed, tail
from story import Story

NICE = -10
TIME_LIMIT = 1800  # For one whole run, Kubernetes' compilation apart.


def parse(argv):
    parser = argparse.ArgumentParser(description="gpunode on a real Kubernetes node")
    parser.add_argument("--build-dir", default="build/dev", help="where the programs were built")
    parser.add_argument("--agent", help="another device plugin to run instead of gpunode-agent")
    parser.add_argument("--other-plugin", metavar="PATH",
                        help="the program that is taken over from, NVIDIA's for instance")
    parser.add_argument("--only", action="append", default=[], metavar="WORDS",
                        help="run the checks whose names have these words")
    parser.add_argument("--keep", action="store_true",
                        help="leave the cluster running at the end, until Ctrl-C")
    parser.add_argument("--list", action="store_true", help="list the checks")
    parser.add_argument("--without-helm", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--inside", nargs=3, metavar=("STATE", "CGROUP", "KUBERNETES"),
                        help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def take_precedence():
    """On a busy machine a control plane that starves fails in ways that say nothing of gpunode."""
    os.setpriority(os.PRIO_PROCESS, 0, min(os.getpriority(os.PRIO_PROCESS, 0), NICE))
    try:
        # With autogroups a session's niceness counts against other sessions', a process's doesn't.
        pathlib.Path("/proc/self/autogroup").write_text(str(NICE))
    except OSError:
        pass  # The kernel has none.


def say(text):
    print(text, flush=True)


def outside(arguments, argv):
    """Prepares, enters the namespaces and cleans up behind them."""
    if os.geteuid() != 0:
        raise Failed("needs root: it makes namespaces, mounts and cgroups")
    Build(arguments.build_dir, arguments.agent, arguments.other_plugin).check()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # So that the cleaning up happens.
    kubernetes = build_kubernetes.ensure()
    without_helm = checks_helm.why_not()
    if without_helm:
        say(f"cluster: skipped, {len(checks_helm.CHECKS)} checks with helm: {without_helm}")
        argv = [*argv, "--without-helm"]
    run = sandbox.Run()

    def show_way_in(pid):
        say(f"cluster: to look inside:\n    nsenter --all --target {pid} {kubernetes}/kubectl"
            f" --kubeconfig {run.directory}/admin.kubeconfig get pods")
    command = [sys.executable, os.path.abspath(__file__), *argv,
               "--inside", str(run.directory), run.cgroup, str(kubernetes)]
    try:
        if arguments.keep:
            return run.enter(command, timeout=None, when_inside=show_way_in)
        return run.enter(command, timeout=TIME_LIMIT)
    finally:
        keep_logs(run.directory / "logs", pathlib.Path(arguments.build_dir) / "tests/cluster/logs")
        run.close()


def keep_logs(source, target):
    if source.is_dir():
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)
        say(f"cluster: logs are in {target}")


def inside(arguments):
    state, cgroup, kubernetes = arguments.inside
    begin = time.monotonic()
    take_precedence()
    machine.set_up(pathlib.Path(state))
    build = Build(arguments.build_dir, arguments.agent, arguments.other_plugin)
    cluster = Cluster(kubernetes, state, cgroup)
    try:
        # containerd is up first: the images go in while the control plane starts.
        cluster.start(before_containerd=lambda: configure_runtime(cluster, build),
                      before_kubelet=lambda: import_images(cluster, build))
        say(f"ok     {time.monotonic() - begin:6.1f} s  etcd, kube-apiserver, scheduler,"
            " controller-manager, containerd and kubelet: the node is Ready")
        story = Story(cluster, GpuNode(cluster, build))
        more = [] if arguments.without_helm else checks_helm.CHECKS
        count, failed = story.run(CHECKS + checks_shares.CHECKS + checks_rollout.CHECKS + checks_takeover.CHECKS + more, arguments.only)
    except Failed as error:
        say(f"FAILED {time.monotonic() - begin:6.1f} s  {error}")
        if error.log:
            say(tail(error.log))
        count, failed = 0, ["the start"]
    minutes = (time.monotonic() - begin) / 60
    if failed:
        say(f"cluster: FAILED in {minutes:.1f} min: {len(failed)} of {count}: " + "; ".join(failed))
    else:
        say(f"cluster: {count} checks passed in {minutes:.1f} min")
    if arguments.keep:
        say("cluster: kept; Ctrl-C ends it")
        signal.pause()
    cluster.stop()
    return 1 if failed else 0


def main(argv):
    arguments = parse(argv)
    if arguments.list:
        for name, profile, _ in CHECKS + checks_shares.CHECKS + checks_rollout.CHECKS + checks_takeover.CHECKS + checks_helm.CHECKS:
            say(f"{name}  [{profile.name}]")
        return 0
    try:
        return inside(arguments) if arguments.inside else outside(arguments, argv)
    except (Failed, build_kubernetes.BuildError) as error:
        print(f"cluster: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("cluster: interrupted", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
