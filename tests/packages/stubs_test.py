#!/usr/bin/env python3
"""Tests of what makes the stub repositories (T0)."""

import os
import pathlib
import tempfile
import unittest
from unittest import mock

import stubs

# Where the mirror does not answer; where it does, with a package of two files.
DEAD = "#!/bin/sh\necho 'E: Unable to fetch' >&2\nexit 100\n"
ALIVE = f"""#!/bin/sh
set -e
mkdir -p deb/DEBIAN deb{stubs.DIST_PACKAGES}/dnf-plugins deb{stubs.DIST_PACKAGES}/dnfpluginscore
printf 'Package: dnf-plugins-core\\nVersion: 4\\nArchitecture: all\\nMaintainer: x <x@stub.invalid>\\nDescription: x\\n' \
  > deb/DEBIAN/control
touch deb{stubs.DIST_PACKAGES}/dnf-plugins/versionlock.py deb{stubs.DIST_PACKAGES}/dnfpluginscore/__init__.py
dpkg-deb --build deb dnf-plugins-core_4_all.deb > /dev/null
rm -r deb
"""


class DnfPlugins(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "stubs").mkdir()
        (self.folder / "bin").mkdir()

    def make(self, apt_get, installed="nowhere"):
        program = self.folder / "bin/apt-get"
        program.write_text(apt_get)
        program.chmod(0o755)
        path = f"{self.folder}/bin:{os.environ['PATH']}"
        with mock.patch.dict(os.environ, PATH=path):
            stubs.Stubs(self.folder / "stubs").dnf_plugins(self.folder / installed)
        return sorted(str(file.relative_to(self.folder / "stubs"))
                      for file in (self.folder / "stubs").rglob("*") if file.is_file())

    FILES = ["dnf-plugins/enabled/versionlock.py", "dnf-plugins/lib/dnfpluginscore/__init__.py"]

    def test_a_download_that_failed_is_tried_again(self):
        self.assertEqual(self.make(DEAD), [])
        self.assertEqual(self.make(ALIVE), self.FILES)

    def test_what_was_had_is_not_fetched_anew(self):
        self.assertEqual(self.make(ALIVE), self.FILES)
        self.assertEqual(self.make(DEAD), self.FILES)

    def test_what_is_installed_is_taken(self):
        for file in ("dnf-plugins/versionlock.py", "dnfpluginscore/__init__.py"):
            path = self.folder / "installed" / file
            path.parent.mkdir(parents=True)
            path.touch()
        self.assertEqual(self.make(DEAD, "installed"), self.FILES)


if __name__ == "__main__":
    unittest.main()
