#!/usr/bin/env python3
"""tools/setup on a machine of doubles: dpkg-query, apt-get, sudo and id are little scripts."""
import pathlib
import subprocess
import tempfile
import unittest

SETUP = pathlib.Path(__file__).parent / "setup"
DEBIAN_12 = 'ID=debian\nVERSION_ID="12"\n'

# Prints each asked-for package that the file `installed` has; fails as the real one does otherwise.
DPKG_QUERY = """\
echo query >> "$HERE/calls"
shift 3
for name in "$@"; do
  if grep -qx "$name" "$HERE/installed"; then echo "$name installed"; else status=1; fi
done
exit ${status:-0}
"""
APT_GET = """\
echo "apt-get $*" >> "$HERE/calls"
case " $* " in
  *" update "*) exit "$(cat "$HERE/update_status")" ;;
esac
if [ -s "$HERE/apt_error" ]; then cat "$HERE/apt_error"; exit 100; fi
echo "0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded."
for name in "$@"; do
  case $name in -*|*=*|install) ;; *) echo "$name" >> "$HERE/installed"; echo "Setting up $name (1.0) ..." ;; esac
done
"""


class Setup(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.here = pathlib.Path(folder.name)
        (self.here / "bin").mkdir()
        for name, text in {"dpkg-query": DPKG_QUERY, "apt-get": APT_GET, "id": "echo 0"}.items():
            self.program(name, text)
        for name, text in {"installed": "", "calls": "", "update_status": "0", "apt_error": "",
                           "os-release": DEBIAN_12}.items():
            (self.here / name).write_text(text)

    def program(self, name, text):
        path = self.here / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def run_setup(self, *arguments, path="/usr/bin:/bin"):
        env = {"PATH": f"{self.here}/bin:{path}", "HERE": str(self.here), "TMPDIR": str(self.here),
               "GPUNODE_OS_RELEASE": str(self.here / "os-release")}
        return subprocess.run(["/bin/bash", str(SETUP), *arguments], env=env, text=True,
                              capture_output=True, check=False, timeout=300)

    def calls(self):
        return (self.here / "calls").read_text().splitlines()

    def has(self, *names):
        with (self.here / "installed").open("a") as out:
            out.writelines(name + "\n" for name in names)

    def has_all_of(self, group, but=()):
        """Installs the group's packages, whichever they are today, except `but`."""
        names = self.run_setup("--dry-run", group).stdout.strip().split(": ")[-1].split()
        for name in but:
            names.remove(name)
        self.has(*names)
        (self.here / "calls").write_text("")

    def test_calls_no_apt_when_nothing_is_missing(self):
        self.has_all_of("bench")
        done = self.run_setup("bench")
        self.assertEqual((0, "setup: nothing to install (bench)\n"), (done.returncode, done.stdout))
        self.assertEqual(["query"], self.calls())

    def test_lists_groups_wherever_it_is_asked(self):
        (self.here / "bin/dpkg-query").unlink()  # No Debian is needed to know.
        done = self.run_setup("--list", "package", "arm64", path="/usr/bin:/bin")
        names = done.stdout.split()
        self.assertEqual((0, sorted(set(names))), (done.returncode, names))
        self.assertLessEqual({"rpm", "dpkg-dev", "g++-aarch64-linux-gnu"}, set(names))
        self.assertNotIn("cmake", names)
        self.assertEqual([], self.calls())

    def test_installs_exactly_what_is_missing(self):
        self.has_all_of("package", but=["dpkg-dev"])
        self.has_all_of("bench", but=["dpkg-dev", "libbenchmark-dev"])
        done = self.run_setup("package", "bench")
        self.assertEqual(0, done.returncode, done.stderr)
        install = self.calls()[2]
        self.assertTrue(install.endswith("install --no-install-recommends dpkg-dev libbenchmark-dev"),
                        install)
        self.assertIn("installing 2 packages", done.stdout)
        self.assertIn("done (package bench)", done.stdout)
        self.assertEqual([], list(self.here.glob("*.log")))

    def test_uses_sudo_when_it_is_not_root(self):
        self.program("id", "echo 1000")
        self.program("sudo", 'echo sudo >> "$HERE/calls"; exec "$@"')
        self.assertEqual(0, self.run_setup("bench").returncode)
        self.assertEqual(2, self.calls().count("sudo"))

    def test_says_what_to_do_without_rights(self):
        self.has_all_of("bench", but=["libbenchmark-dev"])
        self.program("id", "echo 1000")
        for tool in ("bash", "sh", "grep", "sed", "sort", "comm", "env", "mktemp", "cat"):
            (self.here / "bin" / tool).symlink_to(pathlib.Path("/usr/bin") / tool)
        done = self.run_setup("bench", path="/nowhere")  # No sudo.
        self.assertEqual(1, done.returncode)
        self.assertIn("next, as root: apt-get update && apt-get install libbenchmark-dev", done.stderr)
        self.assertEqual(["query"], self.calls())

    def test_goes_on_when_only_a_foreign_repository_is_down(self):
        (self.here / "update_status").write_text("100")
        self.assertEqual(0, self.run_setup("bench").returncode)

    def test_says_that_the_mirror_does_not_answer(self):
        (self.here / "apt_error").write_text("E: Failed to fetch http://x/y.deb\n")
        done = self.run_setup("bench")
        self.assertEqual(1, done.returncode)
        for word in ("E: Failed to fetch http://x/y.deb", "why:  no network", "next: check the network"):
            self.assertIn(word, done.stderr)

    def test_passes_other_failures_of_apt_on(self):
        (self.here / "apt_error").write_text("E: You don't have enough free space.\n")
        done = self.run_setup("bench")
        self.assertEqual(1, done.returncode)
        self.assertIn("enough free space", done.stderr)
        self.assertIn("apt-get install failed", done.stderr)

    def test_lists_the_packages_on_other_systems(self):
        self.has_all_of("bench", but=["libbenchmark-dev"])
        (self.here / "os-release").write_text('ID=debian\nVERSION_ID="13"\n')
        done = self.run_setup("bench")
        self.assertEqual(1, done.returncode)
        self.assertIn("these packages are missing: libbenchmark-dev", done.stderr)
        self.assertEqual(["query"], self.calls())

    def test_dry_run_changes_nothing(self):
        self.has_all_of("bench", but=["libbenchmark-dev"])
        done = self.run_setup("--dry-run", "bench")
        self.assertEqual((0, "setup: would install: libbenchmark-dev\n"),
                         (done.returncode, done.stdout))
        self.assertEqual(["query"], self.calls())

    def test_explains_itself_and_refuses_unknown_groups(self):
        self.assertIn("usage: tools/setup", self.run_setup("--help").stdout)
        done = self.run_setup("everything")
        self.assertEqual(1, done.returncode)
        self.assertIn("groups: build test cluster vm storage chart packages bench package", done.stderr)


if __name__ == "__main__":
    unittest.main()
