#!/usr/bin/env python3
"""bench/gpu_load on the CUDA double (T1): every kind of work gets some done, is said in the words that bench/gpu_turns.py reads,
and what is asked wrongly is refused. How much gets done is the machine's business: nothing here looks at it."""

import argparse
import subprocess
import sys
import unittest

PROGRAM = ""
SMALL = "--blocks 1 --copy-mib 1"


def run(words, lines=("calibrate", "go")):
    return subprocess.run([PROGRAM, *words.split()], input="".join(line + "\n" for line in lines),
                          text=True, capture_output=True, timeout=100, check=False)


def figures(done):
    """word -> numbers, of what was said."""
    words = [line.split() for line in done.stdout.splitlines()]
    return {word: [float(number) for number in numbers] for word, *numbers in words}


class Load(unittest.TestCase):
    def work(self, words, enough=lambda found: found["units_done"][0] > 0):
        """Its figures. On a busy machine a short time may pass with nothing done: then it gets a longer one."""
        milliseconds, found = 25, None
        while found is None or not enough(found):
            milliseconds *= 2
            self.assertLess(milliseconds, 4000, f"{words}: not enough was done: {found}")
            done = run(f"{words} {SMALL} --seconds {milliseconds / 1000}")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(done.stdout.splitlines()[0], "opened")
            found = figures(done)
        self.assertIn("ready", found)
        unit_ms = found["unit_us"][0] / 1e3
        # Six digits of the one and three of the other are printed.
        self.assertAlmostEqual(found["gpu_ms_done"][0] / (found["units_done"][0] * unit_ms), 1, places=1)
        self.assertEqual(found["elapsed_ms"], [milliseconds])
        return found

    def test_kernels(self):
        found = self.work("kernels --kernel-us 50")
        # The last unit may not be done when time is over.
        self.assertLessEqual(found["units_done"][0], found["launches"][0])

    def test_kernels_ahead_of_the_gpu(self):
        self.work("kernels --kernel-us 50 --unsynchronised")

    def test_copies(self):
        self.work("copies")

    def test_graphs(self):
        self.work("graph --kernel-us 50")

    def test_a_mixed_unit_is_three_calls(self):
        found = self.work("mixed --kernel-us 50")
        self.assertGreaterEqual(found["launches"][0], 3 * int(found["units_done"][0]))

    def test_bursts_leave_the_gpu_idle(self):
        found = self.work("kernels --kernel-us 20 --burst 2 --idle-us 10000")
        self.assertEqual(found["units_done"][0] % 2, 0)
        self.assertLessEqual(found["units_done"][0], 2 * found["elapsed_ms"][0] / 10)

    def test_requests_have_a_latency_each(self):
        found = self.work("inference --kernel-us 20 --burst 3 --idle-us 10000")
        self.assertLessEqual(found["requests"][0] + found["requests_missed"][0], found["elapsed_ms"][0] / 10)
        self.assertEqual(found["launches"][0], 3 * found["requests"][0])
        self.assertLessEqual(found["latency_p50_us"][0], found["latency_p99_us"][0])
        self.assertLessEqual(found["latency_p99_us"][0], found["latency_max_us"][0])

    def test_requests_that_come_during_another_are_missed(self):
        self.work("inference --kernel-us 2000 --burst 3 --idle-us 100", lambda found: found["requests_missed"][0] > 0)

    def test_a_persistent_kernel_is_one(self):
        found = self.work("persistent")
        self.assertEqual(found["launches"], [0])

    def test_threads_and_streams(self):
        self.work("kernels --kernel-us 50 --threads 2 --streams 4")

    def test_buckets_hold_all_that_was_done(self):
        found = self.work("kernels --kernel-us 50 --buckets-ms 20")
        self.assertEqual(len(found["buckets"]), -(-found["elapsed_ms"][0] // 20))
        self.assertAlmostEqual(sum(found["buckets"]), found["units_done"][0], delta=0.05)

    def test_what_a_calibration_found_spares_the_next_one(self):
        found = self.work("kernels --kernel-us 50 --loops 7 --unit-us 1234")
        self.assertEqual((found["loops"], found["unit_us"]), ([7], [1234]))

    def test_it_works_again_as_often_as_it_is_told(self):
        done = run(f"kernels --kernel-us 50 --buckets-ms 20 {SMALL} --seconds 0.06", ("calibrate", "go 0.04", "go", "go 0.1"))
        self.assertEqual((done.returncode, done.stderr, done.stdout.splitlines()[-1]), (0, "", "done"))
        # What was there the time before is counted once.
        runs = [dict(line.split(" ", 1) for line in said.splitlines() if " " in line) for said in done.stdout.split("done\n")[:-1]]
        self.assertEqual([one["elapsed_ms"] for one in runs], ["40.000", "60.000", "100.000"])
        self.assertEqual([len(one["buckets"].split()) for one in runs], [2, 3, 5])
        for one in runs:
            self.assertLessEqual(float(one["units_done"]), float(one["launches"]))

    def test_to_the_end_all_counts_that_was_begun(self):
        done = run(f"kernels --kernel-us 20000 --buckets-ms 5 --to-the-end {SMALL} --seconds 0.01")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        found = figures(done)
        self.assertEqual(found["units_done"], found["launches"])
        self.assertGreater(found["elapsed_ms"][0], 10)
        self.assertAlmostEqual(sum(found["buckets"]), found["units_done"][0], delta=0.05)

    def test_wrong_words_are_refused(self):
        for words, why in (("", "which kind of work?"), ("kernel", "no kind of work is called 'kernel'"),
                           ("kernels --fast", "no option '--fast'"), ("kernels --seconds", "--seconds lacks its number"),
                           ("kernels --seconds 5s", "not '5s'"), ("kernels --seconds -1", "not '-1'"),
                           ("kernels --seconds nan", "not 'nan'"), ("kernels --threads 0", "not '0'"),
                           ("kernels --burst 3", "go together"), ("inference", "needs --burst and --idle-us"),
                           ("persistent --streams 2", "one thread and one stream"),
                           ("persistent --to-the-end", "without pauses"), ("kernels --blocks-a-processor 0", "not '0'")):
            with self.subTest(words=words):
                done = run(words)
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertIn(why, done.stderr)

    def test_it_waits_for_its_lines(self):
        for lines, last in (((), "opened"), (("go",), "opened"), (("calibrate",), "ready"), (("calibrate", "stop"), "ready")):
            with self.subTest(lines=lines):
                done = run(f"kernels --loops 1 --unit-us 1 {SMALL} --seconds 0.05", lines)
                self.assertEqual((done.returncode, done.stdout.splitlines()[-1]), (1, last))
                self.assertIn("instead of the line", done.stderr)
        for line, why in (("go 0", "go takes a number"), ("go on", "not 'on'"), ("gone", "instead of the line 'go' came 'gone'")):
            with self.subTest(line=line):
                done = run(f"kernels --loops 1 --unit-us 1 {SMALL} --seconds 0.05", ("calibrate", "go", line))
                self.assertEqual((done.returncode, done.stdout.splitlines()[-1]), (1, "done"))
                self.assertIn(why, done.stderr)


if __name__ == "__main__":
    PARSER = argparse.ArgumentParser(description=__doc__)
    PARSER.add_argument("--load", required=True)
    OPTIONS, REST = PARSER.parse_known_args()
    PROGRAM = OPTIONS.load
    unittest.main(argv=[sys.argv[0], *REST])
