#!/usr/bin/env python3
"""Tests of what tools/run_tests makes of ctest's and gtest's words."""

import collections
import importlib.machinery
import importlib.util
import pathlib
import tempfile
import unittest
import unittest.mock

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


class SecondLooks(unittest.TestCase):
    FIRST = (" 7/99 Test  #7: room_test ................***Failed  0.1 sec\n"
             "98% tests passed, 2 tests failed out of 99\nThe following tests FAILED:\n"
             "\t  7 - room_test (Failed)\n\t  8 - room_test_more (Timeout)\n")
    AGAIN = (" 1/2 Test  #7: room_test ................   Passed    0.01 sec\n"
             " 2/2 Test  #8: room_test_more ...........***Failed    0.01 sec\n")

    def setUp(self):
        self.directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.tier = run_tests.Tier("T1", "programs", 4)

    def look(self, *said):
        with unittest.mock.patch.object(run_tests, "run_and_read", side_effect=said) as self.run:
            run_tests.ctest(self.tier, "none", [], self.directory / "log")

    def test_tell_a_fault_from_an_unsteady_test(self):
        self.look((8, self.FIRST), (8, self.AGAIN))
        self.assertEqual((["none: room_test"], ["none: room_test_more"]), (self.tier.unsteady, self.tier.broken))
        self.assertEqual((98, 1), (self.tier.passed, self.tier.failed))

    def test_are_not_taken_where_many_failed(self):
        many = "0% tests passed, 4 tests failed out of 4\n" + "".join(f"\t {n} - test{n} (Failed)\n" for n in range(4))
        self.look((8, many))
        self.assertEqual((4, []), (self.tier.failed, self.tier.unsteady))

    def test_are_not_taken_where_all_passed(self):
        self.look((0, "100% tests passed, 0 tests failed out of 4\n"))
        self.assertEqual((4, 0), (self.tier.passed, self.tier.failed))

    def test_that_say_nothing_are_failures(self):
        self.look((8, self.FIRST), (1, ""))
        self.assertEqual((2, 97), (self.tier.failed, self.tier.passed))


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
