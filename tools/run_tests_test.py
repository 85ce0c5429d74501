#!/usr/bin/env python3
"""Tests of what tools/run_tests makes of ctest's and gtest's words."""

import collections
import importlib.machinery
import importlib.util
import pathlib
import unittest

PATH = pathlib.Path(__file__).resolve().parent / "run_tests"


def load():
    loader = importlib.machinery.SourceFileLoader("run_tests", str(PATH))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("run_tests", loader))
    loader.exec_module(module)
    return module


run_tests = load()

LOG = '''\
1/2 Test: room_test
"room_test" start time: Nov 25 16:06 UTC
Output:
----------------------------------------------------------
[ RUN      ] Room.WithAReason
../../src/room_test.cc:50: Skipped
no program: set PROGRAM

[  SKIPPED ] Room.WithAReason (0 ms)
[ RUN      ] Room.WithTheSameReason
../../src/room_test.cc:50: Skipped
no program: set PROGRAM
[  SKIPPED ] Room.WithTheSameReason (0 ms)
[ RUN      ] Room.Runs
[       OK ] Room.Runs (1 ms)
[ RUN      ] Room.WithoutAReason
[  SKIPPED ] Room.WithoutAReason (0 ms)
[  SKIPPED ] 3 tests, listed below:
[  SKIPPED ] Room.WithAReason
<end of output>
Test Passed.
2/2 Test: whole_test
"whole_test" start time: Nov 25 16:06 UTC
Output:
----------------------------------------------------------
looking for a driver
skipped: no NVIDIA driver on this host
<end of output>
Test Passed.
'''
OUTPUT = '''\
1/2 Test  #7: room_test ...............   Passed    0.01 sec
2/2 Test #91: whole_test ..............***Skipped   0.32 sec
'''


class Skips(unittest.TestCase):
    def test_each_has_its_reason_once(self):
        tests = run_tests.CTEST_SKIPPED.findall(OUTPUT)
        self.assertEqual(["whole_test"], tests)
        self.assertEqual(collections.Counter({
            "no program: set PROGRAM": 2, "no reason given": 1,
            "skipped: no NVIDIA driver on this host": 1}), run_tests.reasons_of_skips(LOG, tests))

    def test_are_no_failures(self):
        said = ("The following tests did not run:\n\t 91 - whole_test (Skipped)\n\n"
                "The following tests FAILED:\n\t  7 - room_test (Failed)\n\t  8 - slow_test (Timeout)\n")
        self.assertEqual(["room_test", "slow_test"], run_tests.CTEST_FAILED.findall(said))

    def test_none_is_none(self):
        self.assertFalse(run_tests.reasons_of_skips("[       OK ] Room.Runs (1 ms)\n", []))


class Tiers(unittest.TestCase):
    def test_have_names_of_their_own(self):
        names = [tier.name for tier, _, _ in run_tests.TIERS]
        self.assertEqual(sorted(set(names)), sorted(names))


class Time(unittest.TestCase):
    def test_what_does_not_fit_is_left_out(self):
        tier = run_tests.Tier("late", "what can wait", 5, spare_minutes=20)
        self.assertTrue(run_tests.is_time_for(tier, None))
        self.assertTrue(run_tests.is_time_for(tier, 20))
        self.assertFalse(run_tests.is_time_for(tier, 19.9))

    def test_no_tier_is_begun_that_cannot_end_by_then(self):
        for tier, *_ in run_tests.TIERS:
            if tier.spare:
                self.assertGreater(tier.spare, run_tests.ONE_CHECK)

    def test_a_check_that_was_not_begun_is_named(self):
        said = ("158: ok       22.9 s  one that was made (and its note)\n"
                "158: left out         a blank disk (no time left)\n"
                "left out         another (no time left)\n")
        self.assertEqual(run_tests.LEFT_OUT.findall(said), ["a blank disk", "another"])


if __name__ == "__main__":
    unittest.main()
