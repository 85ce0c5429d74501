#!/usr/bin/env python3
"""Three Pods of one GPU with 25, 25 and 50 %, in containers, as a node makes them: what each gets done beside the others, of what it
does alone, and what a person sees meanwhile.

    python3 bench/gpu_pods.py --build-dir build/dev [--rounds 2] [--kernels-us 200 5 10000]
    python3 bench/gpu_pods.py --build-dir build/dev --pack DIR   # all that it needs,
    python3 DIR/gpu_pods.py                                      # on a machine without a build

The agent, the runtime and the library are the real ones; the kubelet is a double that calls the agent as the kubelet does
(registration, GetPreferredAllocation, Allocate, PodResources), and this script is the engine: it puts what Allocate answered into an
OCI bundle, which goes through gpunode-runtime to crun or runc. No Kubernetes and no network are needed, but root, a driver and the
GPU for itself. Nothing stays: all it makes is in a mount namespace of its own, which hides /run and /var/lib. Takes a minute.
Exit code 0: all held, or skipped with a word; 1: not.
"""

import argparse
import contextlib
import ctypes
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

from load_group import Failed, Load, Programs, Worker, at_work
from pod_node import HIDDEN, MADE, PLACE, REPLICAS, Node, mounted
from turn_figures import median, percent

HERE = pathlib.Path(__file__).resolve().parent
PACKED = HERE / "programs.tar.gz"  # Where this script has come without a build.
ENGINES = pathlib.Path(os.environ.get("GPUNODE_CACHE") or "/var/cache/gpunode") / "engines"
PODS = (("train-0", 5), ("train-1", 5), ("infer-0", 10))
MOST_OFF = 3.0  # Points.
SETTLING_S = 0.3  # After another policy has come.
BLOCK_MIB = 64  # That memory is taken in until it is refused.
MOST_CONTEXT_MIB = 1024  # It counts, too.
OUT_OF_MEMORY = 2
INSIDE = "GPUNODE_PODS_INSIDE"  # Set in the run's own namespace.
PR_SET_CHILD_SUBREAPER = 36

# name -> where a build has it.
BUILT = {"gpunode": "apps/gpunode", "gpunode-probe": "apps/probe", "gpunode-agent": "apps/agent", "gpunode-runtime": "apps/runtime",
         "kubelet-double": "tests/doubles/kubelet", "gpu_load": "bench", "share_bench": "bench",
         "libgpunode-cuda.so": "src/share/intercept"}
SCRIPTS = ("bench/gpu_pods.py", "bench/pod_node.py", "bench/pod_container.py", "bench/load_group.py", "bench/turn_figures.py",
           "tests/gpu/bundle.py")
# Low-level runtimes, by what each needs to make do without cgroups that may be written.
LOW_LEVELS = (("crun", ["--cgroup-manager=disabled"]), ("runc", []))
METRICS = ("gpunode_share_gpu_seconds_total", "gpunode_share_compute_part", "gpunode_share_throttled_seconds_total")


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build-dir", type=pathlib.Path, default=pathlib.Path("build/dev"))
    parser.add_argument("--pack", type=pathlib.Path, metavar="DIR", help="copy there what another machine needs, and end")
    parser.add_argument("--kernels-us", type=int, nargs=3, default=[200, 5, 10000], metavar="N", help="how long kernels of each Pod are")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=4, help="that the Pods work beside each other")
    parser.add_argument("--seconds-alone", type=float, default=1)
    parser.add_argument("--low-level", help="in place of crun and runc")
    parser.add_argument("--driver-root", type=pathlib.Path, default=pathlib.Path("/"))
    parser.add_argument("--agent-options", default="", metavar="WORDS", help="more of gpunode-agent")
    parser.add_argument("--load-options", default="", metavar="WORDS", help="more of gpu_load")
    parser.add_argument("--container-env", nargs="+", default=[], metavar="NAME=VALUE", help="more of the containers")
    parser.add_argument("--container-file", type=pathlib.Path, help="one more of the containers, in /etc")
    options = parser.parse_args(argv)
    if options.rounds < 1 or min(options.seconds, options.seconds_alone) <= 0 or min(options.kernels_us) < 1:
        parser.error("--rounds, --seconds, --seconds-alone and --kernels-us are above 0")
    options.agent_options = [f"--driver-root={options.driver_root}", f"--driver-root-ctr-path={options.driver_root}",
                             *options.agent_options.split()]
    if not all("=" in one for one in options.container_env):
        parser.error("--container-env takes NAME=VALUE")
    options.container_env = dict(one.split("=", 1) for one in options.container_env)
    return options


def built(options):
    """name -> path."""
    found = {name: options.build_dir.resolve() / where / name for name, where in BUILT.items()}
    missing = [str(path) for path in found.values() if not path.exists()]
    if missing:
        raise Failed(f"not built: {' '.join(missing)}")
    return found


def low_levels(options):
    """(name, words that call it) of those that this machine has."""
    return [(name, [path, *words]) for name, words in LOW_LEVELS
            for path in [shutil.which(options.low_level or name, path=f"{os.environ['PATH']}:/usr/sbin")]
            if path and pathlib.Path(path).name == name]


def programs_of(options):
    """name -> path, and low_levels as above; a pack's are unpacked."""
    if not PACKED.exists():
        return built(options) | {"low_levels": low_levels(options)}
    directory = PLACE / "programs"
    with tarfile.open(PACKED) as archive:
        archive.extractall(directory, filter="data")
    library_path = ["/usr/bin/env", f"LD_LIBRARY_PATH={directory}/lib"]
    packed = [(name, [*library_path, directory / name, *words]) for name, words in LOW_LEVELS if (directory / name).exists()]
    return {name: directory / name for name in BUILT} | {"low_levels": low_levels(options) if options.low_level else packed}


def why_not(options):
    """What is missing here, in words; else None."""
    if os.geteuid() != 0:
        return "containers need root"
    if not pathlib.Path("/dev/nvidiactl").exists():
        return "no NVIDIA driver on this machine: there is no /dev/nvidiactl"
    if not shutil.which("unshare"):
        return "no unshare"
    for path in (HERE, options.build_dir.resolve(), options.driver_root.resolve()):
        if path.is_relative_to("/run") or path.is_relative_to("/var/lib"):
            return f"{path} is hidden while this runs, as all of {' and '.join(HIDDEN)} is"
    if not PACKED.exists() and built(options) and not low_levels(options):
        return "neither crun nor runc is here"
    return None


def pack(options):
    """All that another machine needs, into a directory."""
    options.pack.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, tarfile.open(options.pack / PACKED.name, "w:gz") as archive:
        for name, path in built(options).items():
            stripped = pathlib.Path(scratch) / name
            subprocess.run(["strip", "-o", stripped, path], check=True)
            archive.add(stripped, name)
        libraries = set()
        for name, path in packed_low_levels(options):
            archive.add(os.path.realpath(path), name)
            libraries.update(libraries_beside(path))
        for library in libraries:
            archive.add(os.path.realpath(library), f"lib/{pathlib.Path(library).name}")
    for script in SCRIPTS:
        shutil.copy(HERE.parent / script, options.pack)
    size = sum(path.stat().st_size for path in options.pack.iterdir())
    print(f"{options.pack}: {size / (1 << 20):.1f} MiB; on a machine with a GPU, as root: python3 {options.pack.name}/gpu_pods.py")
    return 0


def packed_low_levels(options):
    """(name, path) of this machine's, or of those that tests/engines has."""
    found = {name: words[0] for name, words in low_levels(options)}
    for name, _ in LOW_LEVELS:
        for path in sorted(ENGINES.glob(f"*/{name}-1.*/usr/*bin/{name}")):
            found.setdefault(name, path)
    if not found:
        raise Failed("neither crun nor runc is here; next: tests/engines/parts.py")
    return found.items()


def libraries_beside(program):
    """What it is linked to but for the C library, which is everywhere, and whose parts must be of one version."""
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    for name, path in re.findall(r"(\S+) => (/\S+|not found)", said):
        if path == "not found":
            path = next(map(str, ENGINES.glob(f"*/*/usr/lib/*/{name}")), None)
            if path is None:
                raise Failed(f"{program} needs {name}, which is not here")
        if not re.match(r"lib(c|m|pthread|dl|rt)\.so", name):
            yield path


class Bench:
    def __init__(self, options, node):
        self.options, self.node = options, node
        self.pods = []
        self.workers = []
        self.problems = []
        self.begun = time.monotonic()

    def judge(self, holds, text):
        print(f"{'PASS' if holds else 'FAIL'}  {text}", flush=True)
        if not holds:
            self.problems.append(text)

    def note(self, text):
        """For whoever waits."""
        print(f"[{time.monotonic() - self.begun:6.1f} s] {text}", file=sys.stderr, flush=True)

    def begin(self, title):
        print(f"\n== {title} [after {time.monotonic() - self.begun:.1f} s]", flush=True)

    def admit(self):
        self.begin(f"{REPLICAS} shares of the GPU; what the agent answered (Allocate)")
        for name, count in PODS:
            pod = self.node.admit(name, count)
            self.pods.append(pod)
            print(f"{name}: {count} of {REPLICAS}: {' '.join(f'{key}={value}' for key, value in pod.answer.envs.items())}")
            for outside, inside, is_read_only in pod.answer.mounts:
                print(f"    {inside} from {outside}{', read-only' if is_read_only else ''}")

    def take_memory(self, pod, count):
        """Until it is refused: neither more than its part nor much less."""
        done = subprocess.run([pod.program("share_bench"), "take", str(BLOCK_MIB << 20)], capture_output=True, text=True, timeout=90,
                              check=False)
        numbers = dict(re.findall(r"^(\w+) (-?\d+)$", done.stdout, re.MULTILINE))
        if "taken_mib" not in numbers:
            self.judge(False, f"{pod.name} takes memory: {done.stderr.strip()[-400:] or done.returncode}")
            return
        limit = self.node.agent.metric("gpunode_share_limit_bytes", pod.name) / (1 << 20)
        taken, refused = int(numbers["taken_mib"]), int(numbers["refused_with"])
        self.judge(taken <= limit <= taken + BLOCK_MIB + MOST_CONTEXT_MIB and refused == OUT_OF_MEMORY,
                   f"{pod.name} ({count} of {REPLICAS}) takes {BLOCK_MIB} MiB again and again: {taken} MiB beside its context, then "
                   f"refused with error {refused}; its limit is {limit:.0f} MiB")

    def start(self):
        """A program in each Pod's container, each calibrated while the others are idle."""
        for pod, length in zip(self.pods, self.options.kernels_us):
            load = Load(f"{pod.name}, kernels of {length} µs", f"kernels --kernel-us {length}")
            programs = Programs(pod.program("gpu_load"), None, None, self.options.load_options)
            worker = Worker(programs, load, self.options.seconds)
            self.workers.append(worker)
            worker.calibrate()
            self.note(f"{pod.name} is ready")
            self.look_inside(pod)

    def look_inside(self, pod):
        """What the container that runs really has."""
        inside = pathlib.Path(f"/proc/{pod.process()}")
        maps = (inside / "maps").read_text(encoding="utf-8")
        nodes = sorted(path.name for path in (inside / "root/dev").glob("nvidia*"))
        preload = (inside / "root/etc/ld.so.preload").read_text(encoding="utf-8").split()
        mounts = [line.split()[4] for line in (inside / "mountinfo").read_text(encoding="utf-8").splitlines()]
        driver = [path for path in mounts if re.search(r"/lib(cuda|nvidia)[^/]*\.so", path)]
        self.judge("libgpunode-cuda.so" in maps and "libcuda.so" in maps,
                   f"{pod.name}: a container with nodes {' '.join(nodes)}; /etc/ld.so.preload says {' '.join(preload)}; "
                   f"{len(driver)} libraries of the driver are mounted; libgpunode-cuda.so and libcuda.so are in its program")

    def see(self):
        """What a person would, while the Pods work."""
        top = self.node.top()
        lines = [line for line in self.node.agent.page("/metrics").splitlines() if line.startswith(METRICS)]
        return "\n".join(["$ gpunode top --watch --interval 1", top, "$ gpunode shares", self.node.shares(),
                          f"$ curl -s http://127.0.0.1:{self.node.agent.port()}/metrics | grep gpunode_share_", *lines])

    def beside(self, seconds, is_seen=False):
        """What each got done in the same time, and what was seen meanwhile."""
        seen = []
        watch = threading.Timer(seconds / 8, lambda: seen.append(self.see()))
        if is_seen:
            watch.start()
        results = at_work(self.workers, seconds)
        if is_seen:
            watch.join()
        return results, "".join(seen)

    def measure(self):
        alone = [[] for _ in self.workers]
        found = {"fair": [], "none": []}
        for turn in range(self.options.rounds):
            self.note(f"round {turn + 1}: alone")
            for at, worker in enumerate(self.workers):
                alone[at].append(at_work([worker], self.options.seconds_alone)[0]["rate"])
            self.note("  " + ", ".join(f"{one[-1]:.0f}" for one in alone) + " kernels a second")
            # A change takes seconds: each round begins with what the last one ended with.
            for compute in ("none", "fair") if turn % 2 else ("fair", "none"):
                self.node.have_compute(compute)
                self.note(f"round {turn + 1}: beside each other, compute: {compute}")
                at_work(self.workers, SETTLING_S)
                results, seen = self.beside(self.options.seconds, turn == 0 and compute == "fair")
                found[compute].append([result["rate"] for result in results])
                self.note("  " + ", ".join(f"{one:.0f}" for one in found[compute][-1]) + " kernels a second")
                if turn == 0 and compute == "fair":
                    self.begin("seen while they work")
                    print(seen, flush=True)
                    missing = [name for name, _ in PODS if name not in seen]
                    self.judge(not missing, f"top, shares and metrics name each Pod{': not ' + ', '.join(missing) if missing else ''}")
        rates = [median(one) for one in alone]
        return {compute: [[percent(rate, rates[at]) for at, rate in enumerate(one)] for one in rounds]
                for compute, rounds in found.items()}, rates

    def tell(self, found, rates):
        self.begin(f"work done, % of what each does alone (medians of {self.options.rounds} rounds; each round in brackets)")
        print(f"{'':34}{'asked':>7}{'in turns (fair)':>28}{'time-slicing (none)':>28}")
        for at, (name, count) in enumerate(PODS):
            cells = []
            for compute in ("fair", "none"):
                column = [one[at] for one in found[compute]]
                cells.append(f"{median(column):.1f} [{' '.join(f'{number:.1f}' for number in column)}]")
            kind = f"{name}, {self.options.kernels_us[at]} µs, {rates[at]:.0f}/s"
            print(f"{kind:34}{100 * count / REPLICAS:7.0f}{cells[0]:>28}{cells[1]:>28}")
        for at, (name, count) in enumerate(PODS):
            got, part = median([one[at] for one in found["fair"]]), 100 * count / REPLICAS
            self.judge(abs(got - part) <= MOST_OFF,
                       f"{name} asked for {part:.0f} % and did {got:.1f} % of the work: {got - part:+.1f} points")

    def run(self):
        self.admit()
        self.begin("memory")
        self.take_memory(*next((pod, count) for pod, (_, count) in zip(self.pods, PODS)))
        self.begin("containers")
        try:
            self.start()
            self.tell(*self.measure())
        finally:
            for worker in self.workers:
                worker.leave()


def ended(*_):
    for number in (signal.SIGTERM, signal.SIGINT):  # What follows is not to be disturbed.
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def inside(options):
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGTERM, ended)
    signal.signal(signal.SIGINT, ended)
    try:
        with contextlib.ExitStack() as stack:
            for directory in HIDDEN:
                mounted(directory)
            for directory in (PLACE, *MADE):
                pathlib.Path(directory).mkdir()
            node = Node(programs_of(options), options, stack)
            print(f"containers by gpunode-runtime and {node.runtime}", flush=True)
            bench = Bench(options, node)
            bench.run()
    except Failed as problem:
        print(f"FAIL  {problem}")
        return 1
    except KeyboardInterrupt:
        print("interrupted")
        return 130
    print("\nFAIL: " + "; ".join(bench.problems) if bench.problems else "\nPASS: all of it")
    return 1 if bench.problems else 0


def main(argv):
    options = parse(argv)
    try:
        if options.pack:
            return pack(options)
        if INSIDE in os.environ:
            return inside(options)
        reason = why_not(options)
    except Failed as problem:
        print(f"gpu_pods: {problem}", file=sys.stderr)
        return 1
    if reason:
        print(f"gpu_pods: skipped: {reason}")
        return 0
    sys.stdout.flush()
    words = ["unshare", "--mount", "--propagation", "private", sys.executable, str(HERE / pathlib.Path(__file__).name), *argv]
    return os.execvpe(words[0], words, os.environ | {INSIDE: "1"})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
