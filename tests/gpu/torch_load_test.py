#!/usr/bin/env python3
"""bench/torch_load.py beside a PyTorch that does nothing (T0): it is spoken with as gpu_load is, and what is asked wrongly is
refused."""

import os
import pathlib
import subprocess
import sys
import tempfile
import types
import unittest
import unittest.mock

HERE = pathlib.Path(__file__).resolve().parent
SCRIPT = HERE.parent.parent / "bench/torch_load.py"
sys.path.insert(0, str(SCRIPT.parent))

# pylint: disable=wrong-import-position
import load_group
import torch_load


def run(words, lines=("calibrate", "go"), modules=HERE / "fake_torch"):
    return subprocess.run([sys.executable, SCRIPT, *words.split()], input="".join(line + "\n" for line in lines), text=True,
                          capture_output=True, timeout=50, check=False, env=os.environ | {"PYTHONPATH": str(modules)})


class TorchLoad(unittest.TestCase):
    def test_every_kind_works_as_often_as_it_is_told(self):
        for kind in torch_load.KINDS:
            with self.subTest(kind=kind):
                done = run(f"{kind} --seconds 0.02", ("calibrate", "go", "go 0.03"))
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                lines = done.stdout.splitlines()
                self.assertEqual((lines[:2], lines[-1], lines.count("done")), (["opened", "ready"], "done", 2))
                first, second = map(load_group.figures, done.stdout.split("done\n")[:2])
                self.assertEqual((first["elapsed_ms"], second["elapsed_ms"]), ([20], [30]))
                self.assertGreater(second["units_done"][0], 0)
                self.assertEqual("latency_p99_us" in second, kind == "infer")

    def test_what_is_asked_wrongly_is_refused(self):
        for words, lines, code, why in (
                ("trian", (), 2, "invalid choice"), ("gemm --seconds soon", (), 2, "invalid float"),
                ("gemm", ("go",), 1, "instead of the line 'calibrate' came 'go'"), ("gemm", (), 1, "came ''"),
                ("gemm", ("calibrate", "stop"), 1, "instead of the line 'go' came 'stop'"),
                ("gemm", ("calibrate", "go 1 2"), 1, "came 'go 1 2'"), ("gemm", ("calibrate", "go 0"), 1, "not '0'"),
                ("gemm", ("calibrate", "go nan"), 1, "not 'nan'"), ("gemm", ("calibrate", "go on"), 1, "not 'on'")):
            with self.subTest(words=words, lines=lines):
                done = run(words, lines)
                self.assertEqual(done.returncode, code)
                self.assertIn(why, done.stderr)

    def test_without_pytorch_it_says_so(self):
        with tempfile.TemporaryDirectory() as modules:
            (pathlib.Path(modules) / "torch.py").write_text("raise ImportError('none here')\n")
            done = run("gemm", modules=modules)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("this Python has no PyTorch: none here", done.stderr)


class Requests(unittest.TestCase):
    def answered(self, step_seconds, seconds):
        """Beside a clock that only sleeping and working move."""
        now = [100.0]

        def step(times=1):
            now[0] += times * step_seconds
        clock = types.SimpleNamespace(monotonic=lambda: now[0], sleep=lambda length: step(length / step_seconds))
        with unittest.mock.patch.object(torch_load, "time", clock):
            return torch_load.answer_requests(unittest.mock.MagicMock(), step, seconds)

    def test_in_their_rhythm(self):
        found = self.answered(0.002, 0.095)
        self.assertEqual((found["units_done"], found["requests"], found["requests_missed"]), (10, 10, 0))
        self.assertAlmostEqual(found["latency_p99_us"], 2000, places=3)

    def test_what_comes_during_another_is_missed_and_what_ends_too_late_is_not_done(self):
        found = self.answered(0.034, 0.095)
        self.assertEqual((found["units_done"], found["requests"], found["requests_missed"]), (2, 3, 6))
        found = self.answered(0.2, 0.095)
        self.assertEqual((found["units_done"], found["requests"]), (0, 1))


class Figures(unittest.TestCase):
    def test_of_what_is_under_way_when_time_is_over_its_part_counts(self):
        self.assertEqual([torch_load.inside(*times) for times in ((1, 3, 4), (1, 3, 3), (1, 3, 2), (1, 3, 1), (3, 5, 1))],
                         [1, 1, 0.5, 0, 0])

    def test_quantiles_are_of_the_nearest_rank(self):
        self.assertEqual([torch_load.quantile([4, 1, 3, 2, 5], fraction) for fraction in (0, 0.5, 0.99, 1)], [1, 3, 4, 5])
        self.assertEqual(torch_load.quantile([], 0.5), 0)


if __name__ == "__main__":
    unittest.main()
