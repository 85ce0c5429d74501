#!/usr/bin/env python3
"""bench/gpu_turns.py as a whole, on the CUDA double (T1), beside a keeper that keeps no turns: every scenario finds its way into
a table, whoever fails is named. What the numbers are is nothing to look at here."""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
SCRIPT = HERE.parent.parent / "bench/gpu_turns.py"
OPTIONS = None


class Turns(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.log = pathlib.Path(scratch.name) / "log"
        self.json = pathlib.Path(scratch.name) / "json"

    def run_script(self, *words, keeper=HERE / "fake_keeper.py", modules=HERE / "fake_torch", mps=None):
        return subprocess.run([sys.executable, SCRIPT, "--build-dir", OPTIONS.build_dir, "--keeper", keeper,
                               "--library", OPTIONS.library, "--load-options=--blocks 1 --copy-mib 1", "--seconds", "0.1", "--rounds", "1", *words],
                              text=True, capture_output=True, timeout=200, check=False,
                              env=os.environ | {"FAKE_KEEPER_LOG": str(self.log), "PYTHONPATH": str(modules), "FAKE_MPS_LOG": str(self.log),
                                                 "PATH": f"{HERE / 'fake_mps'}:{os.environ['PATH']}", "FAKE_MPS": mps or ""})

    def told(self):
        return self.log.read_text().splitlines() if self.log.exists() else []

    def test_bare_and_in_turns_beside_what_each_does_alone(self):
        done = self.run_script("--only", "75-25", "requests-1ms", "--json", str(self.json))
        self.assertEqual((done.returncode, done.stdout.count("FAILED")), (0, 0), done.stdout + done.stderr)
        self.assertIn("75-25: 75 : 25, 5 µs beside 10 ms\n", done.stdout)
        self.assertIn("  the keeper, fair: charged 100.5 101.5 %; turns a second 100 110\n", done.stdout)
        self.assertRegex(done.stdout, r"(?m)^  kernels of 10 ms +25 .*±")
        # Whoever asks for a thing that it cannot have all the time has no part to be far from.
        self.assertEqual(done.stdout.count("  farthest from its part, fair: "), 1)
        self.assertRegex(done.stdout, r"(?m)^  alone +\d.*±")
        self.assertCountEqual(self.told(), ["fair 0.7500 0.2500: ", "fair 0.2000 0.8000: "])
        numbers = json.loads(self.json.read_text())
        self.assertEqual(len(numbers["alone"]), 4)
        self.assertEqual(sorted(numbers["groups"]), ["75-25 fair", "requests-1ms bare", "requests-1ms fair"])

    def test_a_crowd_is_a_row(self):
        done = self.run_script("--only", "20-half")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"(?m)^  10 × kernels of 200 µs +5 +\d")
        self.assertEqual(self.told(), ["fair" + " 0.0500" * 20 + ": "])

    def test_shares_that_change_amid_work(self):
        done = self.run_script("--only", "step", "live-part", "live-policy")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(done.stdout.count("for good after, ms: "), 3)
        self.assertCountEqual(self.told(), ["fair 0.5000 0.5000: ", "fair 0.5000 0.5000: part 0 0.2, part 1 0.8",
                                            "fair 0.2500 0.7500: policy hard"])

    def test_what_turns_cost_is_measured_in_pairs(self):
        done = self.run_script("--only", "cost", "--seconds", "0.05")
        self.assertEqual((done.returncode, done.stdout.count("FAILED")), (0, 0), done.stdout + done.stderr)
        # Median and mean of a launch without, with and more; loss; pairs.
        self.assertRegex(done.stdout, r"(?m)^  5 µs, launched ahead" + r" +-?\d+\.\d\d ±\d+\.\d\d" * 7 + " +4$")
        self.assertEqual(self.told(), ["fair 1.0000: "] * 5)

    def test_churn(self):
        done = self.run_script("--only", "churn", "--churn-seconds", "2", "--seed", "3")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"(?m)^churn, 2 s, seed 3, \d+ programs, \d+ changes of parts: off in points, mean \(worst\) of each"
                                      r" quarter: .* charged \d+\.\d s, work \d+\.\d s, of [12]\.\d s in which somebody was there ")
        [told] = self.told()
        self.assertRegex(told, r"^fair 0.0500 0.1000 0.1500 0.2000 0.2000 0.3000: part \d 0\.\d+, part \d 0\.\d+")

    def test_pytorch_programs_in_pairs(self):
        done = self.run_script("--only", "torch", "--seconds", "0.02", "--json", str(self.json))
        self.assertEqual((done.returncode, done.stdout.count("FAILED")), (0, 0), done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"(?m)^  train : gemm +25 : 75 +\d+\.\d ±0.0 : \d")
        self.assertRegex(done.stdout, r"(?m)^  infer beside train_big, 50 : 50 +\d+\.\d\d ±")
        self.assertRegex(done.stdout, r"(?m)^  h2d_pageable +\d")
        [told] = self.told()
        # Alone each has all of it; the others' parts are nobody's while they do nothing.
        self.assertIn("part 0 1, part 1 1, ", told)
        self.assertIn("part 0 0.25, part 1 0.75", told)
        self.assertEqual(len(json.loads(self.json.read_text())["groups"]), 2 * 9 + 3 * 6)

    def test_without_pytorch_its_programs_are_skipped_with_a_word(self):
        self.json.with_name("sitecustomize.py").write_text("import sys\nsys.modules['torch'] = None\n")
        done = self.run_script("--only", "torch", modules=self.json.parent)
        self.assertEqual((done.returncode, self.told()), (0, []), done.stderr)
        self.assertIn("torch: skipped: the Python that runs this has no PyTorch", done.stdout)

    def test_under_mps(self):
        done = self.run_script("--only", "mps", "--seconds", "0.05", "--json", str(self.json))
        self.assertEqual((done.returncode, done.stdout.count("FAILED")), (0, 0), done.stdout + done.stderr)
        for one in ("bare", "100 %", "10 %"):
            self.assertRegex(done.stdout, rf"(?m)^  {one} +[1-9]\d* ±0 +\d")
        self.assertRegex(done.stdout, r"(?m)^  kernels of 5 µs beside kernels of 10 ms +25 : 75" + r" +\d+\.\d ±0\.0 : \d+\.\d ±0\.0 +\d+\.\d ±0\.0" * 5)
        told = self.told()
        self.assertEqual(told.count("fair 0.1250 0.3750 0.1250 0.3750: "), 3)
        self.assertEqual((told[-1], told.count("quit")), ("quit", 1))

    def test_mps_that_does_not_work_is_named_and_ended(self):
        for mps, why in (("fails", r"did not start \(it ended with 1\): no device"), ("alone", "programs work without MPS")):
            with self.subTest(mps):
                done = self.run_script("--only", "mps", "--seconds", "0.02", mps=mps)
                self.assertEqual(done.returncode, 1)
                self.assertRegex(done.stdout, f"FAILED: mps.*: .*{why}")
        self.assertEqual((self.told()[-1], self.told().count("quit")), ("quit", 1))

    def test_a_keeper_that_fails_is_named_and_the_rest_goes_on(self):
        done = self.run_script("--only", "20-light", "idle-neighbour", keeper=pathlib.Path("/bin/false"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("FAILED: idle-neighbour hard: false: it did not say 'ready' (it ended with 1)", done.stdout)
        self.assertIn("20-light: 20 light ones", done.stdout)  # Bare, they worked.

    def test_a_library_that_is_not_loaded_is_named(self):
        empty = self.json.with_name("empty.so")
        empty.write_bytes(b"")
        done = self.run_script("--only", "75-25", "--library", str(empty))
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"FAILED: 75-25 fair: gpu_load: /\S+/0/libgpunode-cuda.so is not loaded")

    def test_loads_that_fail_are_named(self):
        done = self.run_script("--only", "25-75", "--load-options=--blocks no")
        self.assertEqual(done.returncode, 1)
        self.assertIn("gpu_load: --blocks takes a number", done.stdout)

    def test_no_group_begins_after_the_budget(self):
        done = self.run_script("--only", "25-75", "churn", "--budget", "0")
        self.assertEqual((done.returncode, self.told()), (0, []))
        self.assertIn("was over before all was measured", done.stdout)

    def test_wrong_words_are_refused(self):
        for words, why in ((("--only", "nothing"), "no scenario is called nothing"), (("--rounds", "0"), "above 0"),
                           (("--seconds", "x"), "invalid float")):
            done = self.run_script(*words)
            self.assertEqual(done.returncode, 2)
            self.assertIn(why, done.stderr)


if __name__ == "__main__":
    PARSER = argparse.ArgumentParser(description=__doc__)
    PARSER.add_argument("--build-dir", required=True)
    PARSER.add_argument("--library", required=True)
    OPTIONS, REST = PARSER.parse_known_args()
    unittest.main(argv=[sys.argv[0], *REST])
