#!/usr/bin/env python3
"""Tests of the figures that bench/gpu_turns.py makes of its numbers (T0)."""

import contextlib
import math
import pathlib
import sys
import tempfile
import types
import unittest
import unittest.mock

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "bench"))

# pylint: disable=wrong-import-position
import churn_scenario
import load_group
import mps_scenario
import turn_figures
import turn_scenarios


class Due(unittest.TestCase):
    def test_those_who_are_there_share_by_their_parts(self):
        self.assertEqual(turn_figures.due_in(0, 6, [(0, 0, 4), (1, 2, 6)], [(0, [0.25, 0.75])]), [2 + 0.5, 1.5 + 2])
        self.assertEqual(turn_figures.due_in(3, 5, [(0, 0, 4), (1, 2, 6)], [(0, [0.25, 0.75])]), [0.25, 0.75 + 1])

    def test_parts_change_while_they_are_there(self):
        history = [(0, [0.25, 0.75]), (2, [0.75, 0.25]), (3, [0.5, 0.5])]
        self.assertEqual(turn_figures.due_in(0, 4, [(0, 0, 9), (1, 0, 9)], history), [0.5 + 0.75 + 0.5, 1.5 + 0.25 + 0.5])

    def test_all_that_is_due_is_the_time_in_which_somebody_is_there(self):
        there = [(0, 0, 3), (1, 1, 2), (2, 1.5, 7), (0, 5, 6), (1, 9, 10)]
        self.assertAlmostEqual(sum(turn_figures.due_in(0, 10, there, [(0, [0.1, 0.2, 0.7])])), 7 + 1)
        self.assertEqual(turn_figures.seconds_there(0, 10, there, 3), [4, 2, 5.5, 8])
        self.assertEqual(turn_figures.seconds_there(2, 6, there, 3), [2, 0, 4, 4])


class Quarters(unittest.TestCase):
    def test_a_mean_of_what_it_is_off_and_the_worst(self):
        numbers = [(0, 1), (5, -3), (10, 2), (15, -2), (30, 4)]
        found = turn_figures.quarters(numbers, 40)
        self.assertEqual((found[0], found[1], found[3]), ((2, -3), (2, 2), (4, 4)))
        self.assertTrue(math.isnan(found[2][0]))


class Churn(unittest.TestCase):
    members = churn_scenario.Churn("churn", "", ((0.25, (turn_scenarios.PLAIN,)), (0.75, (turn_scenarios.LONG,))))

    def runs(self, *seconds):
        """Both there for 16 s, of which the first got so many in each."""
        return [churn_scenario.Run(0, 0, 16, [(at + 0.5, one) for at, one in enumerate(seconds)]),
                churn_scenario.Run(1, 0, 16, [(at + 0.5, 1 - one) for at, one in enumerate(seconds)])]

    def test_what_each_is_off_in_each_interval(self):
        offs = self.members.offs(self.runs(*[0.25] * 8, *[0.35] * 8), [(0, [0.25, 0.75])], 16)
        self.assertEqual([(off.when, off.member) for off in offs[:3]], [(0, 0), (0, 1), (1, 0)])
        self.assertEqual([round(off.points, 6) for off in offs[::2]], [0] * 8 + [10] * 8)

    def test_who_is_there_for_less_than_half_of_it_is_not_judged(self):
        short = churn_scenario.Run(1, 3.6, 4.6, [])
        offs = self.members.offs([self.runs(*[1] * 16)[0], short], [(0, [0.25, 0.75])], 16)
        self.assertEqual([off.when for off in offs if off.member == 1], [4])

    def test_one_line_says_whether_it_drifts(self):
        options = types.SimpleNamespace(churn_seconds=16, seed=3)
        bench = types.SimpleNamespace(options=options)
        kept = [{"used_ms": 4000}, {"used_ms": 11000}]
        steady = self.members.text(bench, self.runs(*[0.26] * 16), [(0, [0.25, 0.75])], kept)
        self.assertIn("\nchurn, 16 s, seed 3, 2 programs, 0 changes of parts: off in points, mean (worst) of each quarter: "
                      "1.0 (+1.0), 1.0 (+1.0), 1.0 (+1.0), 1.0 (+1.0): no drift (+0.0); charged 15.0 s, work 16.0 s, of 16.0 s", steady)
        drifts = self.members.text(bench, self.runs(*[0.25 + at / 100 for at in range(16)]), [(0, [0.25, 0.75])], kept)
        self.assertIn(": drift (+12.0); ", drifts)


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
    choices = (2, 2, 3)

    def test_the_same_seed_is_the_same_plan(self):
        self.assertEqual(turn_figures.churn_plan(self.choices, 60, 7), turn_figures.churn_plan(self.choices, 60, 7))
        self.assertNotEqual(turn_figures.churn_plan(self.choices, 60, 7), turn_figures.churn_plan(self.choices, 60, 8))

    def test_a_container_does_one_thing_at_a_time_and_ends_in_time(self):
        visits, swaps = turn_figures.churn_plan(self.choices, 60, 1)
        for count, plan in zip(self.choices, visits):
            self.assertGreater(len(plan), 3)
            self.assertLessEqual({which for _, _, which in plan}, set(range(count)))
            for (begin, length, _), (following, *_) in zip(plan, plan[1:]):
                self.assertGreaterEqual(following, begin + length + 0.5)
            self.assertLessEqual(sum(plan[-1][:2]), 60)
        self.assertGreater(len(swaps), 5)
        self.assertTrue(all(one != other and when < 60 for when, one, other in swaps))


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


class AtWork(unittest.TestCase):
    def worker(self, says, log):
        def done():
            log.append(says)
            if says == "fails":
                raise load_group.Failed(says)
            return says
        return types.SimpleNamespace(go=lambda seconds: log.append(seconds), done=done)

    def test_all_are_heard_even_if_one_fails(self):
        log = []
        self.assertEqual(load_group.at_work([self.worker("one", log), self.worker("two", log)], 3), ["one", "two"])
        self.assertEqual(log, [3, 3, "one", "two"])
        with self.assertRaisesRegex(load_group.Failed, "fails"):
            load_group.at_work([self.worker("fails", log), self.worker("other", log)], 3)
        self.assertEqual(log[-1], "other")

    def test_ways_are_measured_in_turn_and_one_that_fails_is_not_tried_again(self):
        log, noted = [], []

        @contextlib.contextmanager
        def noting(name):
            try:
                yield
            except load_group.Failed:
                noted.append(name)

        def way(name):
            log.append(name)
            if name == "b":
                raise load_group.Failed(name)
            return name
        bench = types.SimpleNamespace(is_over=lambda: False, noting=noting, add=lambda key, results: None)
        load_group.interleaved(bench, "all", {name: lambda name=name: way(name) for name in "abc"}, 3)
        self.assertEqual(("".join(log), noted), ("abccaac", ["all: b"]))


class Mps(unittest.TestCase):
    def test_a_control_that_does_not_quit_is_ended_with_what_it_left(self):
        with tempfile.NamedTemporaryFile() as log, unittest.mock.patch.dict("os.environ", FAKE_MPS="stays", FAKE_MPS_LOG=log.name), \
                unittest.mock.patch.object(mps_scenario, "QUIT_PATIENCE", 0.1):
            control = mps_scenario.MpsControl(str(HERE / "fake_mps/nvidia-cuda-mps-control"))
            control.check_server()
            control.close()
            self.assertLess(control.process.returncode, 0)
            self.assertFalse(pathlib.Path(control.directory.name).exists())


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

    def test_fifty_long_kernels_fit_in_a_part(self):
        seconds = {scenario.name: scenario.seconds(1.5) for scenario in turn_scenarios.SHARES}
        self.assertEqual([seconds[name] for name in ("25-75", "50ms", "50ms-5us", "50ms-50ms")], [1.5, 5, 10, 10])

    def test_parts_are_exact_where_all_are_busy_and_nobody_has_what_is_left(self):
        exact = {scenario.name: [variant for variant in scenario.variants if scenario.is_exact(variant)]
                 for scenario in turn_scenarios.SHARES}
        self.assertEqual([exact[name] for name in ("10-90", "idle-neighbour", "20-light", "hard-5")],
                         [["fair", "hard"], ["hard"], [], ["hard"]])


if __name__ == "__main__":
    unittest.main()
