#!/usr/bin/env python3
"""The host package in a root that holds nothing else: no libc, no loader of a host.

What starts there starts on any host of the architecture, however old its glibc.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD, CMAKE = os.environ["BUILD"], os.environ["CMAKE"]
SKIPPED = 77


def enter(root, *argv, **options):
    return subprocess.Popen(["unshare", "--map-root-user", "--root", root, *argv],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            env={"GPUNODE_FAKE_NVML": "/profile.json"}, **options)


def namespaces_work():
    return subprocess.run(["unshare", "--map-root-user", "--root", "/", "true"],
                          capture_output=True, check=False).returncode == 0


class HostPackage(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = pathlib.Path(scratch.name)
        for component in ("Unspecified", "host"):
            subprocess.run([CMAKE, "--install", BUILD, "--prefix", "/usr", "--strip",
                            "--component", component], check=True, capture_output=True,
                           env={**os.environ, "DESTDIR": scratch.name})
        for name in ("dev", "proc", "etc", "var/lib/kubelet/device-plugins"):
            (self.root / name).mkdir(parents=True)

    def run_agent(self, *arguments):
        with enter(self.root, "/usr/bin/gpunode-agent", *arguments) as agent:
            return agent.communicate()[0], agent.returncode

    def test_starts_without_a_libc_of_the_host(self):
        self.assertEqual([], [p for p in self.root.rglob("*.so*") if "gpunode" not in str(p)])
        output, status = self.run_agent("--version")
        self.assertEqual((0, True), (status, output.startswith("gpunode-agent version ")), output)

    def test_brings_every_program(self):
        programs = {path.name for path in (self.root / "usr/bin").iterdir()}
        self.assertLessEqual({"gpunode", "gpunode-agent", "gpunode-probe", "gpunode-runtime",
                              "gpunode-vectoradd"}, programs)

    def test_brings_the_units_with_the_programs_where_they_are(self):
        units = self.root / "usr/lib/systemd/system"
        if not units.exists():
            units = self.root / "lib/systemd/system"
        for name in ("gpunode-agent.service", "gpunode-cdi-refresh.service"):
            text = (units / name).read_text()
            self.assertIn("ExecStart=/usr/bin/gpunode", text)
            self.assertNotIn("@GPUNODE", text)

    def test_opens_a_driver_library_that_needs_libc(self):
        shutil.copy(os.environ["FAKE_NVML"], self.root / "libnvidia-ml.so.1")
        shutil.copy(os.environ["PROFILE"], self.root / "profile.json")
        with enter(self.root, "/usr/bin/gpunode-agent",
                   "--nvml-library=/libnvidia-ml.so.1") as agent:
            seen = []
            for line in agent.stdout:
                seen.append(line)
                if "1 GPUs" in line or len(seen) > 200:
                    break
            agent.terminate()
            agent.communicate()
        self.assertIn("1 GPUs", seen[-1], "".join(seen))

    def test_asks_for_its_own_files_alone(self):
        header = subprocess.run(["readelf", "-ld", self.root / "usr/bin/gpunode-agent"],
                                check=True, capture_output=True, text=True).stdout
        self.assertIn("interpreter: /usr/lib/gpunode/glibc/ld-linux", header)
        needed = [line.split("[")[1].rstrip("]") for line in header.splitlines()
                  if "(NEEDED)" in line]
        private = self.root / "usr/lib/gpunode/glibc"
        self.assertEqual([], [name for name in needed if not (private / name).is_file()])


if __name__ == "__main__":
    if not namespaces_work():
        print("no user namespaces here: a root of one's own cannot be entered")
        sys.exit(SKIPPED)
    unittest.main()
