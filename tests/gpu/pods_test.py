#!/usr/bin/env python3
"""bench/gpu_pods.py as a whole, as it is packed for a machine with a GPU, on the NVML and CUDA doubles: a mount namespace with the
driver's simulated files and nodes, real containers, the real agent. What each Pod got done is nothing to look at here.

Containers need root; exits with 77, a skip, without, or where there is neither crun nor runc."""

import argparse
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import unittest

SKIPPED = 77
HERE = pathlib.Path(__file__).resolve().parent
SCRIPT = HERE.parent.parent / "bench/gpu_pods.py"
PROFILE = HERE.parent / "fixtures/profiles/h200-x1.json"
INSIDE = "GPUNODE_TEST_INSIDE"
QUICK = ("--rounds", "1", "--seconds", "1", "--seconds-alone", "0.2", "--load-options=--blocks 1 --copy-mib 1")
# A tmpfs of this run's namespace.
SCRATCH = pathlib.Path("/mnt")
STATE, DRIVER, PACK = (SCRATCH / name for name in ("state", "driver", "pack"))
MARK = f"GPUNODE_TEST_MARK={os.getpid()}"  # In the environment of all that is started.
OPTIONS = None

sys.path.append(str(HERE.parent / "cluster"))
sys.path.append(str(SCRIPT.parent))

import machine  # pylint: disable=wrong-import-position
import pod_container  # pylint: disable=wrong-import-position
import pod_node  # pylint: disable=wrong-import-position


def run(*words, **more):
    subprocess.run([str(word) for word in words], check=True, **more)


def lay_machine():
    """In a mount namespace of this run's: a driver's files, and no GPU."""
    machine.mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", SCRATCH)
    machine.make_dev(STATE)
    doubles = OPTIONS.build_dir / "tests/doubles"
    run(doubles / "nvml/fake-nvml", "tree", "--profile", PROFILE, "--root", DRIVER, "--library", doubles / "nvml/libnvidia-ml.so.1",
        "--copy", doubles / "cuda/libcuda.so.1")
    machine.show_driver(DRIVER)
    for node in (DRIVER / "dev").iterdir():
        if not node.is_dir():
            machine.make_node(pathlib.Path("/dev") / node.name, (os.major(node.stat().st_rdev), os.minor(node.stat().st_rdev)))
    run(sys.executable, SCRIPT, "--build-dir", OPTIONS.build_dir, "--pack", PACK, stdout=subprocess.DEVNULL)


def is_marked(process):
    """Whether it is one that a test here started, or whose container it started."""
    try:
        return MARK.encode() in (process / "environ").read_bytes().split(b"\0")
    except OSError:  # It has ended.
        return False


class Pods(unittest.TestCase):
    def setUp(self):
        self.mounts = pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8")

    def start(self, *words):
        return subprocess.Popen(
            [sys.executable, PACK / SCRIPT.name, "--driver-root", DRIVER, "--container-file", PROFILE,
             "--container-env", f"GPUNODE_FAKE_NVML=/etc/{PROFILE.name}", MARK, *QUICK, *words],
            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=os.environ | {"GPUNODE_FAKE_NVML": str(PROFILE)} | dict([MARK.split("=")]))

    def is_clean(self):
        self.assertEqual(pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8"), self.mounts)
        self.assertFalse(os.path.exists(pod_node.PLACE))
        self.assertEqual([process for process in pathlib.Path("/proc").glob("[0-9]*") if is_marked(process)], [])

    def test_three_pods_in_containers(self):
        with self.start() as process:
            said, errors = process.communicate(timeout=200)
        verdicts = [line for line in said.splitlines() if line.startswith(("PASS  ", "FAIL  "))]
        about_work = [line for line in verdicts if " % of the work: " in line]
        self.assertEqual(len(about_work), 3, said + errors)
        others = [line for line in verdicts if line not in about_work]
        self.assertRegex(others[0],
                         r"^PASS  train-0 \(5 of 20\) takes 64 MiB .*: 35\d{3} MiB .* refused with error 2; its limit is 35942 MiB$")
        for line, name in zip(others[1:4], ("train-0", "train-1", "infer-0")):
            self.assertRegex(line, f"^PASS  {name}: a container with nodes .*nvidia0 .*/etc/ld.so.preload says /run/gpunode/share/")
        # What a person sees while they work.
        self.assertRegex(said, r"(?m)^default/infer-0 +main +0 +10/20 +50% +\d\S* .* 1 +\S+$")
        self.assertRegex(said, r"(?m)^    time: 25 %, fair; used \d")
        self.assertRegex(said, r'(?m)^gpunode_share_compute_part\{.*pod="infer-0"\} 0.5$')
        self.assertRegex(said, r"(?m)^train-1, 5 µs, \d+/s +25 +\d+\.\d \[\d+\.\d\] +\d+\.\d \[\d+\.\d\]$")
        is_well = all(line.startswith("PASS") for line in about_work)
        self.assertEqual(process.returncode, 0 if is_well else 1)
        self.is_clean()

    @staticmethod
    def interrupted(process, number):
        """What it said. Python may drop one that comes amid a destructor: whoever waits sends it again."""
        for _ in range(3):
            process.send_signal(number)
            try:
                return process.communicate(timeout=60)[0]
            except subprocess.TimeoutExpired:
                continue
        process.kill()
        return process.communicate()[0]

    def test_interrupted_it_leaves_nothing(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number), self.start("--seconds", "60") as process:
                for line in process.stderr:
                    if "compute: fair" in line:
                        break
                said = self.interrupted(process, number)
                self.assertEqual((process.returncode, said.splitlines()[-1]), (130, "interrupted"))
                self.is_clean()

    def test_without_a_driver_it_says_so(self):
        os.rename("/dev/nvidiactl", "/dev/elsewhere")
        self.addCleanup(os.rename, "/dev/elsewhere", "/dev/nvidiactl")
        with self.start() as process:
            said, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0)
        self.assertEqual(said, "gpu_pods: skipped: no NVIDIA driver on this machine: there is no /dev/nvidiactl\n")

    def test_no_runtime_is_named(self):
        with self.start("--low-level", "false") as process:
            said, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 1)
        self.assertIn("FAIL  no low-level runtime makes a container here", said)
        self.is_clean()


class Answers(unittest.TestCase):
    LINES = ("  env A=b=c", "  mount /h/x -> /c/x ro", "  mount /h y -> /c y", "  device /dev/a -> /dev/b rw", "  annotation k/l=m")

    def test_what_the_kubelet_was_answered(self):
        answer = pod_container.answer_of(self.LINES)
        self.assertEqual(answer.envs, {"A": "b=c"})
        self.assertEqual(answer.mounts, [("/h/x", "/c/x", True), ("/h y", "/c y", False)])
        self.assertEqual(answer.devices, [("/dev/a", "/dev/b", "rw")])
        self.assertEqual(answer.annotations, {"k/l": "m"})

    def test_the_message_that_the_kubelet_keeps(self):
        message = pod_container.response(pod_container.answer_of(self.LINES[:2]))
        self.assertEqual(message, b"\x0a\x08\x0a\x01A\x12\x03b=c" b"\x12\x0e\x0a\x04/c/x\x12\x04/h/x\x18\x01")
        self.assertEqual(pod_container.field(1, "x" * 300)[:3], b"\x0a\xac\x02")


def main():
    global OPTIONS  # pylint: disable=global-statement
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build-dir", type=pathlib.Path, required=True)
    OPTIONS, rest = parser.parse_known_args()
    OPTIONS.build_dir = OPTIONS.build_dir.resolve()
    if os.geteuid() != 0 or not any(shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin") for name in ("crun", "runc")):
        print("containers need root, and crun or runc")
        return SKIPPED
    if INSIDE not in os.environ:
        return subprocess.call(["unshare", "--mount", "--propagation", "private", sys.executable, __file__, *sys.argv[1:]],
                               env=os.environ | {INSIDE: "1"})
    lay_machine()
    return 0 if unittest.main(argv=[sys.argv[0], *rest], exit=False).result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
