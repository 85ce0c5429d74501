#!/usr/bin/env python3
"""Tests of the cluster test's own parts that need neither root nor Kubernetes."""

import hashlib
import json
import os
import pathlib
import sys
import tarfile
import tempfile
import threading
import unittest

import build_kubernetes
import images
import sandbox
from process import Failed, Process, Processes, run, tail, wait_until


class BuildCache(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def finished(self, version, recipe=build_kubernetes.RECIPE, programs=build_kubernetes.PROGRAMS):
        directory = self.root / version
        (directory / "bin").mkdir(parents=True)
        for name in programs:
            (directory / "bin" / name).touch()
        (directory / "complete.json").write_text(json.dumps({"recipe": recipe}))
        return directory

    def test_a_finished_build_is_found(self):
        directory = self.finished("1.20.5+really1.20.2-1.1")
        self.assertEqual(build_kubernetes.published(self.root), [directory])

    def test_a_build_of_another_recipe_or_without_a_program_is_not(self):
        self.finished("1", recipe=build_kubernetes.RECIPE - 1)
        self.finished("2", programs=build_kubernetes.PROGRAMS[1:])
        (self.finished("3") / "complete.json").write_text("{")
        self.assertEqual(build_kubernetes.published(self.root), [])

    def test_publishing_replaces_an_older_recipe_and_ends_the_work(self):
        self.finished("1.20", recipe=build_kubernetes.RECIPE - 1)
        work = self.root / ".work"
        programs = work / "bin"
        programs.mkdir(parents=True)
        for name in build_kubernetes.PROGRAMS:
            (programs / name).write_text("new")
        directory = build_kubernetes.publish(self.root, work, programs, "1.20", "go1.19.8",
                                             build_kubernetes.Progress(quiet=True))
        self.assertEqual(build_kubernetes.published(self.root), [directory])
        self.assertEqual((directory / "bin/kubelet").read_text(), "new")
        self.assertFalse(work.exists())

    def test_the_version_told_is_upstreams(self):
        version = build_kubernetes.upstream_version
        self.assertEqual(version("1.20.5+really1.20.2-1.1+deb12u1"), "1.20.2")
        self.assertEqual(version("2:1.20.5-3"), "1.20.5")

    def test_only_tagged_packages_are_generated_for(self):
        for path, text in (("staging/src/k8s.io/api/v1/doc.go", "// +k8s:openapi-gen=true"),
                           ("staging/src/k8s.io/api/v2/doc.go", "package v2"),
                           ("pkg/apis/abac/v0/doc.go", "// +k8s:openapi-gen=true"),
                           ("pkg/apis/testdata/doc.go", "// +k8s:openapi-gen=true")):
            (self.root / path).parent.mkdir(parents=True)
            (self.root / path).write_text(text)
        (self.root / "plugin").mkdir()
        self.assertEqual(build_kubernetes.tagged_packages(self.root),
                         ["k8s.io/kubernetes/pkg/apis/abac/v0",
                          "k8s.io/kubernetes/vendor/k8s.io/api/v1"])


class ImageArchive(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def archive(self, name):
        root = images.RootDirectory(self.directory / name)
        root.add_program(sys.executable, "/usr/bin/program")
        target = self.directory / f"{name}.tar"
        images.write_archive(target, root.directory, "a.test/b:1", ["/usr/bin/program"], ["X=1"])
        return target

    def test_it_holds_what_its_manifest_names(self):
        with tarfile.open(self.archive("one")) as archive:
            [manifest] = json.load(archive.extractfile("manifest.json"))
            self.assertEqual(manifest["RepoTags"], ["a.test/b:1"])
            config = json.load(archive.extractfile(manifest["Config"]))
            layer = archive.extractfile(manifest["Layers"][0]).read()
        self.assertEqual(config["rootfs"]["diff_ids"],
                         ["sha256:" + hashlib.sha256(layer).hexdigest()])
        self.assertEqual(config["config"]["Entrypoint"], ["/usr/bin/program"])
        self.assertIn("X=1", config["config"]["Env"])

    def test_the_same_files_make_the_same_archive(self):
        self.assertEqual(self.archive("one").read_bytes(), self.archive("two").read_bytes())

    def test_a_dynamic_program_brings_its_loader_and_the_c_library(self):
        self.archive("one")
        names = {path.name for path in (self.directory / "one").rglob("*")}
        self.assertTrue(any(name.startswith("ld-") for name in names), names)
        self.assertTrue(any(name.startswith("libc.so") for name in names), names)


class Waiting(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def test_it_returns_the_value_of_the_condition(self):
        answers = iter([None, 0, "value"])
        self.assertEqual(wait_until(lambda: next(answers), "an answer", 20), "value")

    def test_a_wait_in_vain_says_what_for(self):
        with self.assertRaisesRegex(Failed, "the sea is dry"):
            wait_until(lambda: False, lambda: "the sea is dry", 0.01)

    def test_a_dead_process_ends_the_wait_with_its_last_words(self):
        processes = Processes()
        processes.start("talker", ["/bin/sh", "-c", "echo last words; exit 3"],
                        self.directory / "log")
        with self.assertRaisesRegex(Failed, "talker ended by itself with 3") as caught:
            wait_until(lambda: False, "never", 60, processes)
        self.assertIn("last words", tail(caught.exception.log))

    def test_stop_gets_rid_of_who_ignores_sigterm(self):
        log = self.directory / "log"
        script = "trap '' TERM; echo up; while :; do sleep 1; done"
        process = Process("deaf", ["/bin/sh", "-c", script], log).start()
        wait_until(lambda: "up" in log.read_text(), "the trap is set", 20)
        process.stop(timeout=0.1)
        self.assertFalse(process.alive())

    def test_a_failing_command_is_quoted(self):
        with self.assertRaisesRegex(Failed, "ended with 2: no such thing"):
            run(["/bin/sh", "-c", "echo no such thing >&2; exit 2"])


@unittest.skipIf(os.geteuid() != 0, "cgroups are root's")
class Sweeping(unittest.TestCase):
    def setUp(self):
        self.base = self.enterContext(tempfile.TemporaryDirectory())

    def test_a_killed_runs_leftovers_go_and_a_living_runs_stay(self):
        living = sandbox.Run(self.base)
        self.addCleanup(living.close)
        killed = living.base / "run-killed"
        (killed / "containerd").mkdir(parents=True)
        (killed / "lock").touch()
        for _, mount in sandbox.cgroup_mounts():
            (mount / "gpunode-cluster-run-killed/pod").mkdir(parents=True)
        other = sandbox.Run(self.base)
        self.addCleanup(other.close)
        self.assertFalse(killed.exists())
        self.assertTrue(living.directory.exists())
        for _, mount in sandbox.cgroup_mounts():
            self.assertFalse((mount / "gpunode-cluster-run-killed").exists())

    def test_the_end_of_a_run_is_the_end_of_what_it_started(self):
        run_ = sandbox.Run(self.base)
        # Process 1's child leaves an orphan behind that outlives it, were it not for the kernel.
        marker = run_.directory / "pid"
        script = f"setsid sleep 1000 & readlink /proc/self/ns/pid > {marker}; exit 7"
        self.assertEqual(run_.enter(["/bin/sh", "-c", script], timeout=60), 7)
        namespace = marker.read_text().strip()
        run_.close()

        def members():
            found = []
            for link in pathlib.Path("/proc").glob("[0-9]*/ns/pid"):
                try:
                    found += [link] if os.readlink(link) == namespace else []
                except OSError:
                    pass
            return found
        wait_until(lambda: not members(), "nobody is left in the namespace", 20)
        self.assertFalse(run_.directory.exists())

    def test_it_can_be_ended_from_another_thread(self):
        run_ = sandbox.Run(self.base)
        started = run_.directory / "started"
        codes = []
        thread = threading.Thread(target=lambda: codes.append(run_.enter(
            ["/bin/sh", "-c", f"touch {started}; sleep 1000"], timeout=None)))
        thread.start()
        wait_until(started.exists, "the namespaces are there", 60)
        run_.child.kill()
        thread.join()
        run_.close()
        self.assertNotEqual(codes[0], 0)


if __name__ == "__main__":
    unittest.main()
