#!/usr/bin/env python3
"""The table of distributions and Steps: what is tried is found, what is not is not claimed."""
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import distribution_steps as steps  # noqa: E402


def row(id, version, refusals=()):
    return steps.Distribution({"id": id, "version": version, "refusals": refusals})


class DistributionSteps(unittest.TestCase):
    def gather(self, files, *rows):
        """With `files` beside those that the script names, which are empty."""
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text in {**{file: "" for file, *_ in steps.CALLS}, **files}.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            steps.gather(root, rows)
        return rows

    def test_what_nothing_shows_is_its_kins(self):
        [mine] = self.gather({}, row("mine", "1"))
        self.assertEqual({mine.word(step) for step in steps.STEPS}, {"kin"})

    def test_fixtures_and_calls_are_found_by_release(self):
        eight, eighty = self.gather({
            "tests/fixtures/distributions/mine-8/etc/os-release": 'ID="mine"\nVERSION_ID="8.9"\n',
            "tests/fixtures/distributions/mine-8.plan": "",
            "tests/fixtures/hosts/a/etc/os-release": "ID=mine\nVERSION_ID=80\n",
            "tests/fixtures/driver_plans/mine-8.plan": "",
            "tests/packages/driver_test.cc": 'is("mine", "rhel fedora", "8.9");',
        }, row("mine", "8"), row("mine", "80"))
        self.assertEqual([eight.word(step) for step in ("facts", "packages", "driver packages", "modules", "doctor")],
                         ["planned", "planned", "stubs", "kin", "kin"])
        self.assertEqual([eighty.word(step) for step in ("facts", "packages", "hold", "doctor")],
                         ["planned", "kin", "kin", "planned"])

    def test_a_driver_plan_is_of_all_its_steps_unless_it_is_refused(self):
        plans = "tests/fixtures/driver_plans"
        whole, same, keyed, stopped = self.gather({
            f"{plans}/whole-1.plan": "T4, fresh\n  kernel.nouveau: change\n",
            f"{plans}/same-1.plan": "All as in whole-1.plan.\n",
            f"{plans}/keyed-1-with-a-key.plan": "T4, fresh\n  kernel.nouveau: change\n",
            f"{plans}/stopped-1.plan": "T4, fresh\n  driver.packages: blocked\n",
            "tests/packages/driver_plans_test.cc": '{"same", "", "1", "whole-1", Tool::kApt},',
        }, *(row(name, "1") for name in ("whole", "same", "keyed", "stopped")))
        told = [[one.word(step) for step in ("kernel", "hold", "modules")] for one in (whole, same, keyed, stopped)]
        self.assertEqual(told, [["planned"] * 3, ["planned", "stubs", "planned"], ["planned"] * 3,
                                ["kin", "planned", "kin"]])

    def test_what_is_refused_is_said_whatever_was_tried(self):
        files = {"tests/fixtures/driver_plans/mine-1.plan": ""}
        [refused] = self.gather(files, row("mine", "1", ["no driver"]))
        self.assertEqual([refused.word(step) for step in ("driver packages", "modules", "kernel", "storage")],
                         ["refused", "refused", "kin", "kin"])

    def test_a_bundle_is_not_for_zypper(self):
        suse = steps.Distribution({"id": "mine", "version": "1", "refusals": (), "packageManager": "zypper"})
        self.assertEqual([suse.word("bundle"), suse.word("runtime")], ["refused", "kin"])
        self.assertEqual(row("mine", "1").word("bundle"), "kin")

    def test_a_claim_whose_test_is_gone_is_told(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "t.py").write_text("it installs")
            good = ("mine 1", ("facts",), "real", "t.py", "it installs")
            gone = ("mine 1", ("facts",), "real", "t.py", "it reboots")
            self.assertEqual(steps.check_claims(root, (good, gone)), ['mine 1: t.py has no "it reboots"'])

    def test_the_page_proves_nothing_of_itself(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / steps.PAGE).parent.mkdir(parents=True)
            (root / steps.PAGE).write_text("it was looked at")
            circle = ("mine 1", ("facts",), "looked at", steps.PAGE, "it was looked at")
            self.assertEqual(steps.check_claims(root, (circle,)), [f"mine 1: {steps.PAGE} is no test, and shows nothing"])

    def test_claims_and_calls_are_of_this_repository(self):
        self.assertEqual(steps.check_claims(steps.ROOT), [])
        for file, *_ in steps.CALLS:
            self.assertTrue((steps.ROOT / file).exists(), file)
        for _, tried, word, *_ in steps.CLAIMS:
            self.assertTrue(set(tried) <= set(steps.STEPS) and word in steps.WORDS)

    def test_the_page_has_a_line_for_each(self):
        before, table, after = steps.parts_of("a\n" + steps.BEGIN + "old\n" + steps.END + "b\n")
        self.assertEqual((table, after), ("old\n", steps.END + "b\n"))
        self.assertTrue(before.endswith(steps.BEGIN))
        self.assertEqual(steps.table_of([row("mine", "1")]).splitlines()[2], "| mine 1 " + "| kin " * len(steps.STEPS) + "|")


if __name__ == "__main__":
    unittest.main()
