#!/usr/bin/env python3
"""Tests of these parts that need no GPU (T0)."""

import unittest

import driver_specs
import host_test


def spec(**edits):
    return {"devices": [{"name": "0", "containerEdits": {
        "deviceNodes": [{"path": "/dev/nvidia0"}]}}], "containerEdits": edits}


class DriverSpecs(unittest.TestCase):
    def compare(self, theirs, ours):
        return driver_specs.differences(driver_specs.entries_of(theirs),
                                        driver_specs.entries_of(ours))

    def test_equal_specs_differ_in_nothing(self):
        one = spec(env=["A=1"], mounts=[{"containerPath": "/lib/x"}])
        self.assertEqual(self.compare(one, one), [])

    def test_a_library_that_one_lacks_has_no_reason(self):
        found = self.compare(spec(mounts=[{"containerPath": "/lib/libcuda.so.1"}]), spec())
        self.assertEqual(found, [("theirs alone: every device: mount /lib/libcuda.so.1", None)])

    def test_a_link_is_the_same_in_whatever_hook(self):
        theirs = spec(hooks=[{"path": "/x", "args": ["nvidia-cdi-hook", "create-symlinks",
                                                     "--link", "a::/b", "--link", "c::/d"]}])
        ours = spec(hooks=[{"path": "/y", "args": ["gpunode-runtime", "hook", "apply",
                                                   "--link", "a::/b"]}])
        found = dict(self.compare(theirs, ours))
        self.assertIn("theirs alone: every device: link c::/d", found)
        self.assertIsNone(found["theirs alone: every device: link c::/d"])
        self.assertNotIn("theirs alone: every device: link a::/b", found)
        self.assertIsNotNone(found["ours alone: every device: hook gpunode-runtime hook apply"])


def gpu(address, **how):
    return {"address": address, "isSwitch": False, "physicalFunction": "", "driver": "nvidia", **how}


def check(id, verdict, evidence=""):
    return {"id": id, "verdict": verdict, "evidence": evidence}


def report(*checks, verdict="pass"):
    """Of a machine with two GPUs that are well, and `checks` in the place of those of their names."""
    names = {one["id"] for one in checks}
    all_of_it = [check("pci.gpus", "pass"), check("module.loaded", "pass"), check("nvml.start", "pass"),
                 check("cuda.vectoradd", "pass", "GPU 0: "), check("cuda.vectoradd", "pass", "GPU 1: ")]
    return {"verdict": verdict, "checks": [one for one in all_of_it if one["id"] not in names] + list(checks)}


class HostTest(unittest.TestCase):
    def test_gpus_are_counted_and_mig_devices_are_not(self):
        self.assertEqual(host_test.counted_by(
            "GPU 0: NVIDIA H200 (UUID: GPU-1)\n  MIG 1g.18gb     Device  0: (UUID: MIG-2)\n"
            "GPU 1: NVIDIA H200 (UUID: GPU-3)\n"), 2)
        self.assertEqual(host_test.counted_by("No devices found.\n"), 0)

    def test_facts_have_as_many_gpus_as_the_driver(self):
        facts = {"gpus": [gpu("0000:01:00.0"), gpu("0000:02:00.0", driver="vfio-pci"),
                          gpu("0000:03:00.0", isSwitch=True), gpu("0000:01:00.4", physicalFunction="0000:01:00.0")]}
        self.assertEqual(host_test.find_in_facts(facts, ["0000:01:00.0"], 1), [])
        self.assertEqual(host_test.find_in_facts(facts, ["0000:01:00.0"], 2),
                         ["facts has 1 GPUs, and `nvidia-smi -L` has 2"])
        self.assertIn("facts does not have the GPU at 0000:09:00.0",
                      host_test.find_in_facts(facts, ["0000:09:00.0"], 1))

    def test_doctor_ends_as_its_findings_say(self):
        def finding(severity):
            return {"check": "x", "what": "w", "seen": "s", "severity": severity}
        find = host_test.find_in_doctor
        self.assertEqual(find([], {"doctor": 0}), [])
        self.assertEqual(find([finding("note")], {"doctor": 0}), [])
        self.assertEqual(find([finding("warning")], {"doctor": 5}), [])
        self.assertEqual(find([finding("warning")], {"doctor": 0}), ["doctor ends with 0, and what it found means 5"])
        self.assertEqual(find([], {"doctor --json": 0, "doctor": 5}), ["doctor ends with 5, and what it found means 0"])
        self.assertEqual(find([finding("bad")], {"doctor": 5}), ["doctor: x: w (s)"])

    def test_verify_ends_as_its_checks_say(self):
        find = host_test.find_in_verify
        self.assertEqual(find(report(), {"verify": 0}, 2), [])
        self.assertEqual(find(report(), {"verify": 7}, 2), ["verify ends with 7, and what it found means 0"])
        failed = report(check("module.log", "fail", "Xid"), verdict="fail")
        self.assertEqual(find(failed, {"verify": 7}, 2), ["verify: module.log: Xid"])
        self.assertIn("verify ends with 0, and what it found means 7", find(failed, {"verify": 0}, 2))
        self.assertIn("verify: the verdict is pass, and 1 checks have failed",
                      find(report(check("module.log", "fail")), {"verify": 7}, 2))
        self.assertIn("verify asked nothing of nvml.", find(report(check("nvml.start", "skip")), {"verify": 0}, 2))

    def test_vectors_are_added_on_each_gpu_that_nvidia_smi_has(self):
        find = host_test.find_in_verify
        self.assertEqual(find(report(), {"verify": 0}, 8),
                         ["verify tells of vectors on 2 GPUs, and `nvidia-smi -L` has 8"])
        divided = report(check("cuda.vectoradd", "pass", "GPU 0: "), check("cuda.vectoradd", "skip", "GPU 1: MIG divides it"))
        self.assertEqual(find(divided, {"verify": 0}, 2), [])
        silent = report(check("cuda.vectoradd", "pass", "GPU 0: "),
                        check("cuda.vectoradd", "skip", "GPU 1: it does not answer"))
        self.assertEqual(find(silent, {"verify": 0}, 2), ["verify added no vectors: GPU 1: it does not answer"])
        given_away = report(check("cuda.vectoradd", "pass", "GPU 0: "),
                            check("cuda.vectoradd", "skip", "GPU at 0000:02:00.0: vfio-pci has it, for a virtual machine"))
        self.assertEqual(find(given_away, {"verify": 0}, 1), [])
        self.assertIn("verify added vectors on no GPU",
                      find(report(check("cuda.vectoradd", "warn", "busy")), {"verify": 0}, 1))

    def test_a_support_bundle_is_whole_and_without_serials(self):
        find = host_test.find_in_support_bundle
        whole = {name: b"" for name in ("manifest.json", "facts.tar", "reports/verify.json", "reports/doctor.json",
                                        "programs/nvidia-smi.txt")}
        self.assertEqual(find(whole, ["1562821007335"]), [])
        self.assertEqual(find(dict(whole, **{"programs/nvidia-smi.txt": b"Serial Number : 1562821007335"}), ["1562821007335"]),
                         ["support-bundle has a GPU's serial in programs/nvidia-smi.txt"])
        del whole["facts.tar"]
        self.assertEqual(find(whole, []), ["support-bundle lacks facts.tar"])
        self.assertEqual(host_test.SERIAL.findall("    Serial Number      : 1562821007335\n  Serial Number : N/A\n"), ["1562821007335"])


if __name__ == "__main__":
    unittest.main()
