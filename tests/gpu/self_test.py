#!/usr/bin/env python3
"""Tests of these parts that need no GPU (T0)."""

import unittest

import driver_specs


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


if __name__ == "__main__":
    unittest.main()
