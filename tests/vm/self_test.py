#!/usr/bin/env python3
"""Tests of the machine test's own parts that need neither root nor qemu."""

import base64
import dataclasses
import multiprocessing
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import unittest.mock

import container
import image
import machine
import run as program
import seed_cluster
from claim import Lacking
from machine import Failed, Machine, RunDirectory

READY = b"ready 11111111-2222-3333-4444-555555555555\n"


class Cache(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.enterContext(unittest.mock.patch.dict(os.environ, {"GPUNODE_CACHE": str(self.root)}))
        self.cache = self.root / "vm"
        self.cache.mkdir()
        self.made = []

    def finish(self, recipe):
        recipe.directory().mkdir()
        (recipe.directory() / "complete.json").write_text("{}")

    def ensure(self, recipe, **how):
        def make(recipe, work):
            self.made.append(recipe.name)
            (work / "root.img").write_text("new")
        with unittest.mock.patch.object(image, "make", make), \
                unittest.mock.patch.object(image, "say"):
            return image.ensure(recipe, **how)

    def test_a_finished_disk_is_used_as_it_is(self):
        self.finish(image.DEBIAN_12)
        self.assertEqual(self.ensure(image.DEBIAN_12).directory, image.DEBIAN_12.directory())
        self.assertEqual(self.made, [])

    def test_another_recipe_is_another_disk(self):
        other = dataclasses.replace(image.DEBIAN_12, packages=("systemd-sysv",))
        self.assertNotEqual(other.directory(), image.DEBIAN_12.directory())
        self.finish(image.DEBIAN_12)
        self.assertEqual(self.ensure(other).disk.read_text(), "new")
        self.assertTrue(image.DEBIAN_12.directory().exists())

    def test_what_makes_the_drivers_disk_is_part_of_its_recipe_alone(self):
        text = image.DRIVER_DISK.read_text()
        self.assertIn(text, image.DEBIAN_12_DRIVER.text())
        self.assertNotIn(text, image.DEBIAN_12.text())
        argv = image.command(image.DEBIAN_12_DRIVER, "/nowhere")
        self.assertTrue(any(str(image.DRIVER_DISK) in word and image.security_mirror() in word for word in argv))

    def test_what_runs_in_the_guest_is_part_of_the_recipe(self):
        for name in ("agent", "vm-agent.service", "before-packages", "after-packages"):
            self.assertIn((image.GUEST / name).read_text(), image.DEBIAN_12.text())

    def test_a_rebuild_replaces_a_disk_and_leaves_no_work_behind(self):
        self.finish(image.DEBIAN_11)
        self.assertEqual(self.ensure(image.DEBIAN_11, rebuild=True).disk.read_text(), "new")
        self.assertEqual([path.name for path in self.cache.iterdir() if path.is_dir()],
                         [image.DEBIAN_11.directory().name])

    def test_a_failed_build_leaves_nothing(self):
        with unittest.mock.patch.object(image, "make", side_effect=image.ImageError("no mirror")), \
                unittest.mock.patch.object(image, "say"):
            with self.assertRaisesRegex(image.ImageError, "no mirror"):
                image.ensure(image.DEBIAN_11)
        self.assertEqual([path for path in self.cache.iterdir() if path.is_dir()], [])

    def test_disks_that_nobody_uses_go_when_one_is_made(self):
        old = self.cache / "debian12-0000000000000000"
        killed = self.cache / ".work-killed"
        recent = self.cache / "debian12-1111111111111111"
        for path in (old, killed, recent):
            path.mkdir()
        long_ago = time.time() - (image.UNUSED_DAYS + 1) * 86400
        os.utime(old, (long_ago, long_ago))
        self.ensure(image.DEBIAN_11)
        self.assertEqual([old.exists(), killed.exists(), recent.exists()], [False, False, True])

    def test_the_mirror_is_this_machines_own(self):
        lines = ["Nodesource nodistro main https://deb.nodesource.com/node_20.x",
                 "Debian bookworm main http://mirror.test/debian/",
                 "Debian bookworm-updates main http://other.test/debian/"]
        with unittest.mock.patch.object(image, "apt_says", return_value=lines):
            self.assertEqual(image.mirror(), "http://mirror.test/debian/")
        with unittest.mock.patch.object(image, "apt_says", return_value=[]):
            self.assertEqual(image.mirror(), image.MIRROR)

    def test_a_proxy_of_apts_reaches_the_build(self):
        lines = ['Acquire::http::Proxy "http://proxy.test:3128";', 'Acquire::http::Timeout "5";']
        with unittest.mock.patch.object(image, "apt_says", return_value=lines):
            argv = image.command(image.DEBIAN_11, "/nowhere")
        self.assertIn("--aptopt=" + lines[0], argv)
        self.assertNotIn("--aptopt=" + lines[1], argv)


class Line(unittest.TestCase):
    """Machine's end of the line to the agent; the other end is a thread here."""

    def setUp(self):
        directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.vm = Machine(image.Image(directory), directory)
        self.vm.line, self.guest = socket.socketpair()
        self.addCleanup(self.guest.close)
        self.addCleanup(self.vm.cut_power)

    def answer(self, make_reply):
        """Answers the next line with make_reply(id, seconds, script)."""
        def serve():
            number, seconds, script = self.guest.makefile("rb").readline().split()
            reply = make_reply(number.decode(), int(seconds), base64.b64decode(script).decode())
            if reply:
                self.guest.sendall(reply)
            else:
                self.guest.close()
        thread = threading.Thread(target=serve)
        thread.start()
        self.addCleanup(thread.join)

    @staticmethod
    def reply(number, status, out=b"", err=b""):
        words = [number, str(status), *(base64.b64encode(text).decode() for text in (out, err))]
        return " ".join(words).encode() + b"\n"

    def test_a_script_and_its_answer(self):
        self.answer(lambda number, seconds, script: self.reply(
            number, 3, f"{seconds} {script}".encode(), "naïve\n".encode()))
        got = self.vm.run("echo a; exit 3", timeout=7)
        self.assertEqual((got.status, got.out, got.err), (3, "7 echo a; exit 3", "naïve\n"))

    def test_a_script_that_must_succeed_and_does_not_is_quoted(self):
        self.answer(lambda number, *_: self.reply(number, 1, err=b"no such unit"))
        with self.assertRaisesRegex(Failed, "(?s)systemctl start x.*ended with 1: no such unit"):
            self.vm.sh("systemctl start x")

    def test_a_script_that_takes_too_long_is_named(self):
        self.answer(lambda number, *_: self.reply(number, 124))
        with self.assertRaisesRegex(Failed, "not done in its time"):
            self.vm.sh("sleep 1000")

    def test_an_answer_to_something_else_is_refused(self):
        self.answer(lambda *_: READY)
        with self.assertRaisesRegex(Failed, "is not an answer to: true"):
            self.vm.run("true")

    def test_the_end_of_the_machine_ends_the_wait(self):
        self.vm.qemu = subprocess.Popen(["/bin/sh", "-c", "exit 9"])
        self.answer(lambda *_: None)
        with self.assertRaisesRegex(Failed, "qemu exited with 9"):
            self.vm.run("poweroff -f")

    def test_a_start_discards_answers_to_what_was_asked_before(self):
        self.guest.sendall(self.reply("1", 0) + READY)
        self.answer(lambda number, *_: self.reply(number, 0, b"running\n"))
        self.vm.wait_started(20)

    def test_a_machine_with_failed_units_has_not_started_well(self):
        def degraded(number, *_):
            self.answer(lambda number, *_: self.reply(number, 0, b"broken.service loaded failed"))
            return self.reply(number, 1, b"degraded\n")
        self.guest.sendall(READY)
        self.answer(degraded)
        with self.assertRaisesRegex(Failed, "degraded: broken.service"):
            self.vm.wait_started(20)


    def test_a_reboot_of_its_own_is_waited_for(self):
        self.vm.qemu = subprocess.Popen(["sleep", "1000"])
        earlier = "[ 9.0] reboot: Restarting system\n[ 1.0] Run /init as init process\n"
        self.vm.console.write_text(earlier)
        begin = self.vm.console_size()
        with self.assertRaisesRegex(Failed, "did not reboot within 0.2 s"):
            self.vm.reboots(begin, 0.2)
        self.vm.console.write_text(2 * earlier)
        self.guest.sendall(READY)
        self.answer(lambda number, *_: self.reply(number, 0, b"running\n"))
        self.vm.reboots(begin, 20)

    def test_its_own_loader_chooses_the_kernel_once_it_has_one(self):
        self.assertIn("-kernel", self.vm.command(0))
        self.vm.has_loader = True
        argv = self.vm.command(0)
        self.assertNotIn("-kernel", argv)
        self.assertIn(f"if=none,id=loader,file={self.vm.image.loader},format=raw,readonly=on", argv)


    def test_a_machine_reaches_what_it_is_let_and_nothing_else(self):
        self.assertNotIn("-netdev", self.vm.command(0))
        self.vm.reaches = {"10.0.2.100:6443": 4711}
        argv = self.vm.command(0)
        network = argv[argv.index("-netdev") + 1]
        self.assertIn("restrict=on", network)
        self.assertRegex(network, r"guestfwd=tcp:10\.0\.2\.100:6443-cmd:\S+ \S+relay\.py 4711$")


class Relay(unittest.TestCase):
    def setUp(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.server.close)

    def start(self, port):
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        with theirs:
            process = subprocess.Popen([sys.executable, str(machine.RELAY), str(port)], stdin=theirs.fileno())
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return ours, process

    def test_it_hands_on_both_ways_until_both_have_ended(self):
        ours, process = self.start(self.server.getsockname()[1])
        theirs, _ = self.server.accept()
        with theirs:
            ours.sendall(b"hello" * 100000)
            ours.shutdown(socket.SHUT_WR)
            self.assertEqual(theirs.makefile("rb").read(), b"hello" * 100000)
            theirs.sendall(b"good-bye")
        self.assertEqual(ours.makefile("rb").read(), b"good-bye")
        self.assertEqual(process.wait(timeout=30), 0)

    def test_where_nobody_listens_it_ends(self):
        port = self.server.getsockname()[1]
        self.server.close()
        ours, process = self.start(port)
        self.assertEqual(process.wait(timeout=60), 1)
        self.assertEqual(ours.recv(1), b"")


class Join(unittest.TestCase):
    def test_its_checks_are_skipped_with_the_reason_where_kubernetes_cannot_be_had(self):
        with unittest.mock.patch.object(seed_cluster.build_kubernetes, "ensure",
                                        side_effect=seed_cluster.build_kubernetes.BuildError("no compiler")), \
                unittest.mock.patch.object(seed_cluster.shutil, "which", return_value="/usr/bin/etcd"):
            self.assertEqual(seed_cluster.programs_of_kubernetes(), (None, "no compiler"))
        with unittest.mock.patch.object(seed_cluster.shutil, "which", return_value=None):
            self.assertIn("tools/setup cluster", seed_cluster.programs_of_kubernetes()[1])

    def test_what_a_bare_machine_can_install_is_part_of_its_recipe_alone(self):
        text = image.HOST_REPOSITORY.read_text()
        self.assertIn(text, image.DEBIAN_12_BARE.text())
        self.assertNotIn(text, image.DEBIAN_12.text())
        self.assertNotIn("offers", image.DEBIAN_12.text())
        argv = image.command(image.DEBIAN_12_BARE, "/nowhere")
        self.assertTrue(any(str(image.HOST_REPOSITORY) in word and "containerd" in word for word in argv))
        self.assertNotIn("containerd", ",".join(image.DEBIAN_12_BARE.packages))


class Skips(unittest.TestCase):
    def said(self, uid, found):
        with unittest.mock.patch.object(os, "geteuid", return_value=uid), \
                unittest.mock.patch.object(program.shutil, "which", side_effect=found), \
                unittest.mock.patch.object(program, "say") as say:
            status = program.main([])
        return status, say.call_args.args[0]

    def test_a_place_without_such_machines_is_told_why(self):
        status, words = self.said(0, lambda name: None if name.startswith("qemu") else name)
        self.assertEqual(status, 77)
        self.assertIn("no qemu-system-x86_64, qemu-img here; next: tools/setup vm", words)
        status, words = self.said(1000, str)
        self.assertEqual(status, 77)
        self.assertIn("needs root", words)


class Time(unittest.TestCase):
    def test_no_check_begins_after_its_end_and_each_is_named(self):
        clock = unittest.mock.patch.object(program.time, "time", side_effect=[10, 21, 22])
        said = unittest.mock.patch.object(program, "say")
        made = []
        checks = [(name, lambda vm, name=name: made.append(name)) for name in ("one", "two", "three")]
        with clock, said as say:
            outcome = program.make_checks(unittest.mock.Mock(), checks, until=20)
        self.assertEqual((made, outcome.failed, outcome.left_out), (["one"], [], ["two", "three"]))
        self.assertEqual(say.call_args.args[0], "left out         three (no time left)")

    def test_a_check_for_which_something_lacks_is_left_out_and_says_for_want_of_what(self):
        def lacks(vm):
            raise Lacking("no helm here")
        with unittest.mock.patch.object(program, "say") as say:
            outcome = program.make_checks(unittest.mock.Mock(), [("one", lacks), ("two", lambda vm: None)])
        self.assertEqual((outcome.failed, outcome.left_out), ([], ["one"]))
        self.assertEqual(say.call_args_list[0].args[0], "left out         one (no helm here)")

    def test_a_machine_whose_checks_have_no_time_does_not_boot(self):
        arguments = program.parse(["--until", "0"])
        with unittest.mock.patch.object(program, "say"):
            outcome = program.run_machine("node", [("one", None)], None, None, arguments)
        self.assertEqual(outcome.left_out, ["one"])


class Fleets(unittest.TestCase):
    CHECKS = {kind: [(f"a claim of {kind}", None)] for kind in ("node", "selinux", "driver")}

    def setUp(self):
        self.root = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.said = self.enterContext(unittest.mock.patch.object(program, "say"))

    def run_fleet(self, run_one):
        return sorted(program.Fleet(run_one).run(self.CHECKS).failed)

    def test_no_more_than_two_run_at_once_and_the_longest_first(self):
        started = multiprocessing.SimpleQueue()
        go = multiprocessing.Event()
        order = []

        def run_one(kind, checks, found):
            started.put(kind)
            if kind != "selinux":
                go.wait()
            found.send(program.Outcome())

        def let_go():
            order.extend((started.get(), started.get()))
            order.append(started.empty())
            go.set()
            order.append(started.get())
        watcher = threading.Thread(target=let_go)
        watcher.start()
        self.assertEqual(self.run_fleet(run_one), [])
        watcher.join()
        self.assertEqual((sorted(order[:2]), order[2:]), (["driver", "node"], [True, "selinux"]))

    def test_what_failed_on_any_is_told(self):
        def run_one(kind, checks, found):
            found.send(program.Outcome(name for name, _ in checks if kind != "node"))
        self.assertEqual(self.run_fleet(run_one), ["a claim of driver", "a claim of selinux"])

    def test_one_that_ends_without_a_word_has_made_no_check(self):
        def run_one(kind, checks, found):
            if kind == "selinux":
                os._exit(0)
            found.send(program.Outcome())
        self.assertEqual(self.run_fleet(run_one), ["a claim of selinux"])

    def test_none_outlives_the_run(self):
        running = multiprocessing.SimpleQueue()

        def run_one(kind, checks, found):
            running.put(os.getpid())
            time.sleep(1000)  # It is ended.
        fleet = program.Fleet(run_one)

        def out_of_time(*_):
            raise Failed("not done")
        before = signal.signal(signal.SIGALRM, out_of_time)
        self.addCleanup(signal.signal, signal.SIGALRM, before)
        main = threading.main_thread().ident

        def end():
            self.pids = [running.get(), running.get()]
            signal.pthread_kill(main, signal.SIGALRM)
        watcher = threading.Thread(target=end)
        watcher.start()
        with self.assertRaises(Failed):
            fleet.run(self.CHECKS)
        watcher.join()
        for pid in self.pids:
            self.assertFalse(pathlib.Path(f"/proc/{pid}").exists())

    def test_a_run_that_ends_as_a_machine_starts_forgets_it_not(self):
        def run_one(kind, checks, found):
            time.sleep(1000)  # It is ended.
        fleet = program.Fleet(run_one)
        process = multiprocessing.Process
        started = []

        def out_of_time(*_):
            raise Failed("not done")
        before = signal.signal(signal.SIGALRM, out_of_time)
        self.addCleanup(signal.signal, signal.SIGALRM, before)

        class Started(process):
            def start(self):
                super().start()
                started.append(self)
                signal.raise_signal(signal.SIGALRM)
        with unittest.mock.patch.object(multiprocessing, "Process", Started), \
                self.assertRaises(Failed):
            fleet.run(self.CHECKS)
        self.assertEqual([process.is_alive() for process in started], [False])


class Kernel(unittest.TestCase):
    def setUp(self):
        directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.vm = Machine(image.Image(directory), directory)
        self.vm.qemu = subprocess.Popen(["sleep", "1000"])
        self.addCleanup(self.vm.cut_power)

    def test_it_is_up_when_it_says_so(self):
        self.vm.console.write_text("[ 1.0] Run /init as init process\n")
        self.assertTrue(self.vm.kernel_is_up(0))

    def test_what_an_earlier_one_said_does_not_count(self):
        self.vm.console.write_text("[ 1.0] Run /init as init process\n")
        self.assertFalse(self.vm.kernel_is_up(self.vm.console_size(), timeout=0.3))

    def test_a_qemu_that_cannot_start_is_no_kernel_that_hangs(self):
        self.vm.qemu.kill()
        with self.assertRaisesRegex(Failed, "qemu exited"):
            self.vm.kernel_is_up(0)


class Directories(unittest.TestCase):
    def test_a_killed_runs_files_go_and_a_living_runs_stay(self):
        base = self.enterContext(tempfile.TemporaryDirectory())
        living = RunDirectory(base)
        killed = living.path.parent / "run-killed"
        killed.mkdir()
        (killed / "disk.qcow2").touch()
        other = RunDirectory(base)
        self.assertFalse(killed.exists())
        self.assertTrue(living.path.exists())
        for directory in (living, other):
            directory.close()
            self.assertFalse(directory.path.exists())


class Access(unittest.TestCase):
    """What a container's opens say: no driver answers ENXIO, the device cgroup EPERM."""

    class Guest:
        def __init__(self, said):
            self.said = said

        def sh(self, _):
            return self.said

    def may_open(self, *lines):
        said = "".join(f"{gpu}: {line}\n" for gpu, line in enumerate(lines))
        return container.Container(self.Guest(said), "name").may_open(len(lines))

    def test_each_gpu_by_its_error(self):
        self.assertEqual(self.may_open(
            "sh: 4: cannot create /dev/nvidia0: No such device or address",
            "sh: 4: cannot create /dev/nvidia1: Operation not permitted"), [0])

    def test_any_other_answer_is_a_failure(self):
        with self.assertRaisesRegex(Failed, "open of GPU 0: sh: no such file"):
            self.may_open("sh: no such file")


if __name__ == "__main__":
    unittest.main()
