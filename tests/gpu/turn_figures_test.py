#!/usr/bin/env python3
"""Tests of the figures that bench/gpu_turns.py makes of its numbers (T0)."""

import math
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "bench"))

# pylint: disable=wrong-import-position
import load_group
import turn_figures
import turn_scenarios


class Due(unittest.TestCase):
    def test_those_who_are_there_share_by_their_parts(self):
        self.assertEqual(turn_figures.due([(0, 0, 4), (1, 2, 6)], [0.25, 0.75]), [2 + 0.5, 1.5 + 2])

    def test_all_that_is_due_is_the_time_in_which_somebody_is_there(self):
        runs = [(0, 0, 3), (1, 1, 2), (2, 1.5, 7), (0, 5, 6), (1, 9, 10)]
        self.assertAlmostEqual(sum(turn_figures.due(runs, [0.1, 0.2, 0.7])), 7 + 1)


class Settled(unittest.TestCase):
    def settled(self, one, change_ms=100):
        return turn_figures.settled_ms([one, [100 - share for share in one]], (50, 50), 50, change_ms, window=2)

    def test_from_the_bucket_on_from_which_all_is_near(self):
        self.assertEqual(self.settled([100, 100, 80, 62, 50, 51, 49, 50]), 100)

    def test_at_once(self):
        self.assertEqual(self.settled([100, 100, 50, 50, 50, 50]), 0)

    def test_what_does_not_stay_was_not_settled(self):
        self.assertEqual(self.settled([100, 100, 50, 50, 50, 80, 80, 50, 50]), 250)
        self.assertIsNone(self.settled([100, 100, 50, 50, 50, 80]))

    def test_turns_that_alternate_are_near_in_the_mean(self):
        self.assertEqual(self.settled([100, 100, 60, 40, 60, 40]), 0)

    def test_what_was_before_the_change_does_not_count(self):
        self.assertEqual(self.settled([50, 50, 50, 50, 50, 90, 90, 50, 50], change_ms=220), 130)


class Series(unittest.TestCase):
    def test_who_begins_later_did_nothing_before(self):
        self.assertEqual(turn_figures.series([5, 6], 50, 101, 6), [0, 0, 5, 6, 0, 0])


class Cells(unittest.TestCase):
    def test_a_median_and_half_of_the_middle_half(self):
        self.assertEqual(turn_figures.cell([1, 2, 3, 4, 100]), "3.0 ±25.2")
        self.assertEqual(turn_figures.cell([1, 2, 4]), "2.0 ±1.5")
        self.assertEqual(turn_figures.cell([]), "-")

    def test_many_alike(self):
        self.assertEqual(turn_figures.range_cell([[5, 6, 7], [4], [], [8]]), "4.0 to 8.0, 6.0")
        self.assertEqual(turn_figures.range_cell([[]]), "-")

    def test_columns_stand_below_each_other(self):
        self.assertEqual(turn_figures.table([["", "asked"], ["one", "5"], ["another"]]),
                         "         asked\none          5\nanother")

    def test_nothing_has_no_median_and_is_no_whole(self):
        self.assertTrue(math.isnan(turn_figures.median([])))
        self.assertTrue(math.isnan(turn_figures.percent(3, 0)))
        self.assertEqual(turn_figures.percent(3, 12), 25)


class Plans(unittest.TestCase):
    def test_the_same_seed_is_the_same_plan(self):
        self.assertEqual(turn_figures.churn_plan(6, 60, 7), turn_figures.churn_plan(6, 60, 7))
        self.assertNotEqual(turn_figures.churn_plan(6, 60, 7), turn_figures.churn_plan(6, 60, 8))

    def test_programs_of_a_container_have_time_to_start_and_end_in_time(self):
        for plan in turn_figures.churn_plan(6, 60, 1):
            self.assertGreater(len(plan), 3)
            for (begin, length), (following, _) in zip(plan, plan[1:]):
                self.assertGreaterEqual(following, begin + length + 1.5)
            self.assertLessEqual(sum(plan[-1]), 60)


class Said(unittest.TestCase):
    def test_figures_are_words_and_numbers(self):
        self.assertEqual(load_group.figures("opened\nunits_done 12.5\nbuckets 1.00 2.50\nwhy not 3\nready\n"),
                         {"units_done": [12.5], "buckets": [1, 2.5]})

    def test_what_a_keeper_says_may_have_words_around_it(self):
        wanted = {"used_ms": 1.5, "turns": 2, "waited_ms": 3, "launches": 4}
        for line in ("1.5 2 3 4", "0: 1.5 2 3 4", "used_ms 1.5 turns 2 waited_ms 3 launches 4"):
            self.assertEqual(load_group.kept(line + "\n"), [wanted])
        self.assertEqual(load_group.kept("over\n"), [])


class Seen(unittest.TestCase):
    def test_turns_that_were_in_nobodys_way_are_no_turns(self):
        with self.assertRaisesRegex(load_group.Failed, "saw no launches"):
            load_group.seen([{"launches": 5}, {"launches": 7}], [{"launches": 0}, {"launches": 0}])
        with self.assertRaisesRegex(load_group.Failed, "of 1 containers, not of 2"):
            load_group.seen([{"launches": 5}, {"launches": 7}], [{"launches": 5}])
        said = [{"launches": 5}, {"launches": 0}]
        self.assertEqual(load_group.seen([{"launches": 5}, {"launches": 1}], said), said)
        self.assertEqual(load_group.seen([{"launches": 0}], said[1:]), said[1:])  # One that launched before.


class Places(unittest.TestCase):
    def test_grants_are_laid_on_a_tmpfs_that_libraries_may_be_loaded_from(self):
        shm = "tmpfs /dev/shm tmpfs rw,nosuid,nodev{} 0 0\n"
        run = "tmpfs /run tmpfs rw,nosuid 0 0\n"
        disk = "/dev/sda1 / ext4 rw 0 0\n/dev/sda2 /tmp ext4 rw 0 0\n"
        for mounts, place in ((disk + shm.format("") + run, "/dev/shm"), (shm.format(",noexec") + run, "/run"),
                              (disk + shm.format(",noexec"), None), ("", None)):
            self.assertEqual(load_group.place_for_grants(mounts), place)


class Scenarios(unittest.TestCase):
    def test_each_has_a_name_of_its_own_and_parts_that_are_no_more_than_the_gpu(self):
        scenarios = (*turn_scenarios.SHARES, *turn_scenarios.STEPS)
        self.assertEqual(len({scenario.name for scenario in scenarios}), len(scenarios))
        for scenario in scenarios:
            with self.subTest(scenario.name):
                self.assertAlmostEqual(sum(scenario.parts), 1)
                self.assertGreaterEqual(len(scenario.parts), len(scenario.loads))

    def test_parts_are_exact_where_all_are_busy_and_nobody_has_what_is_left(self):
        exact = {scenario.name: [variant for variant in scenario.variants if scenario.is_exact(variant)]
                 for scenario in turn_scenarios.SHARES}
        self.assertEqual([exact[name] for name in ("10-90", "idle-neighbour", "20-light", "hard-5")],
                         [["fair", "hard"], ["hard"], [], ["hard"]])


if __name__ == "__main__":
    unittest.main()
