"""One virtual machine: qemu, a disk of its own over a cached image, and scripts run in it as root.

Emulated (TCG): no /dev/kvm is needed, nor any privilege. It has no network, or one with a single address in it. Its
kernel and systemd talk to a serial line, which is a log file here; scripts and their output go through a
second line to guest/agent. qemu dies with this process, however that ends.
"""

import base64
import dataclasses
import fcntl
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "cluster"))
from process import Failed, run, tail  # noqa: E402

BASE = "gpunode-vm"
BOOT_LIMIT = 300  # 15 s on an idle machine; emulation on a busy one is another matter.
COMMAND_LIMIT = 120
PROCESSORS = 2
RELAY = pathlib.Path(__file__).resolve().parent / "relay.py"
MEMORY_MIB = 1024

# no_timer_check: on a busy machine the emulated timer is late for the check, and the kernel panics.
KERNEL_LINE = ("console=ttyS0 loglevel=7 systemd.show_status=1 no_timer_check"
               " mitigations=off random.trust_cpu=on")

KERNEL_ENDS = b"reboot: Restarting system"
# Where the host's other work gets between two looks at an emulated clock, the kernel takes the
# clock's speed wrongly and hangs. That is over before its first program, and is tried again.
KERNEL_UP = b"Run /init as init process"
KERNEL_LIMIT = 60
KERNEL_TRIES = 4


@dataclasses.dataclass(frozen=True)
class Answer:
    """How a script ended, and what it printed."""
    status: int
    out: str
    err: str

    @property
    def words(self):
        """For messages: what it complained about, or else what it said."""
        return (self.err.strip() or self.out.strip() or "(nothing)")[-2000:]


class RunDirectory:
    """A run's files, below GPUNODE_VM_DIR (default /var/tmp); locked while the run lives."""

    def __init__(self, base=None):
        base = pathlib.Path(base or os.environ.get("GPUNODE_VM_DIR") or "/var/tmp") / BASE
        try:
            base.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Failed(f"{base}: {error.strerror}; next: set GPUNODE_VM_DIR") from error
        for left in base.glob("run-*"):  # A killed run's: nobody holds its lock any more.
            lock = self.take_lock(left)
            if lock is not None:
                shutil.rmtree(left, ignore_errors=True)
                os.close(lock)
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="run-", dir=base))
        self.lock = self.take_lock(self.path)

    @staticmethod
    def take_lock(path):
        """A descriptor that holds the lock, or None if another run does."""
        try:
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return None
        return lock

    def close(self):
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self.lock)


def make_disk(path, source, label):
    """A small ext4 filesystem with the files of the directory `source`, to be mounted read-only."""
    used = sum(file.lstat().st_size for file in pathlib.Path(source).rglob("*"))
    run(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-L", label,
         "-d", str(source), str(path), f"{(used >> 20) * 5 // 4 + 8}M"])
    return path


class Machine:
    """It keeps its disk from one boot() to the next, so a check may cut its power."""

    def __init__(self, image, directory, disks=None):
        """`disks`: name -> raw image; it gets them read-only, as /dev/disk/by-id/virtio-NAME."""
        self.image, self.directory = image, pathlib.Path(directory)
        self.disks = dict(disks or {})
        # Serial -> raw image: NVMe disks of the next boot, in the order in which its kernel finds
        # them. The model of all is "QEMU NVMe Ctrl".
        self.nvme = {}
        self.has_loader = False  # From the next boot on its own loader chooses the kernel, and not qemu.
        self.nvme_write_limit = None  # Bytes a second that each of them takes, from the next boot on.
        self.memory_mib = MEMORY_MIB
        # From the next boot on: "10.0.2.100:6443" -> port of this machine's loopback. Nothing else is on its network.
        self.reaches = {}
        self.console = self.directory / "console.log"
        self.qemu_log = self.directory / "qemu.log"
        self.overlay = self.directory / "disk.qcow2"
        self.qemu = None
        self.line = None  # Our end of the line to the agent.
        self.received = b""
        self.sent = 0

    def command(self, line):
        argv = [
            # A killed run takes its machine with it.
            "setpriv", "--pdeathsig", "KILL",
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none",
            "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max",
            "-smp", str(PROCESSORS), "-m", str(self.memory_mib),
            *self.boot_arguments(),
            "-chardev", f"file,id=console,path={self.console},append=on",
            "-serial", "chardev:console",
            "-device", "virtio-serial-pci",
            "-chardev", f"socket,id=agent,fd={line}",
            "-device", "virtserialport,chardev=agent,name=gpunode.vm",
            "-device", "virtio-rng-pci",
            "-device", "pci-testdev",  # For a check that needs one without a driver.
            *self.disk_arguments("system", self.overlay, "qcow2"),
        ]
        for name, disk in self.disks.items():
            argv += self.disk_arguments(name, disk, "raw,readonly=on")
        slow = f",throttling.bps-write={self.nvme_write_limit}" if self.nvme_write_limit else ""
        for serial, disk in self.nvme.items():
            argv += ["-drive", f"if=none,id={serial},file={disk},format=raw{slow}",
                     "-device", f"nvme,drive={serial},serial={serial}"]
        return argv + self.network_arguments()

    def network_arguments(self):
        if not self.reaches:
            return []
        ways = "".join(f",guestfwd=tcp:{address}-cmd:{sys.executable} {RELAY} {port}"
                       for address, port in self.reaches.items())
        return ["-netdev", f"user,id=network,restrict=on{ways}", "-device", "virtio-net-pci,netdev=network"]

    def boot_arguments(self):
        if self.has_loader:
            return ["-drive", f"if=none,id=loader,file={self.image.loader},format=raw,readonly=on",
                    "-device", "virtio-blk-pci,drive=loader,serial=loader,bootindex=0"]
        return ["-kernel", str(self.image.kernel), "-initrd", str(self.image.initrd),
                "-append", f"root=/dev/disk/by-id/virtio-system rw {KERNEL_LINE} {self.image.kernel_options}"]

    @staticmethod
    def disk_arguments(name, file, form):
        return ["-drive", f"if=none,id={name},file={file},format={form}",
                "-device", f"virtio-blk-pci,drive={name},serial={name}"]

    def boot(self, timeout=BOOT_LIMIT):
        """Switches it on and waits until systemd has started all; returns the seconds it took."""
        start = time.monotonic()
        if not self.overlay.exists():
            run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b",
                 str(self.image.disk), str(self.overlay)])
        for _ in range(KERNEL_TRIES):
            begin = self.console_size()
            self.switch_on()
            if self.kernel_is_up(begin):
                break
            self.cut_power()
        else:
            raise Failed(f"the kernel did not come up in {KERNEL_TRIES} times {KERNEL_LIMIT} s",
                         self.console)
        self.wait_started(timeout)
        return time.monotonic() - start

    def wait_started(self, timeout):
        deadline = time.monotonic() + timeout
        while not self.receive(deadline, "the machine's agent is up").startswith("ready "):
            pass  # An answer to what was sent before a reboot.
        state = self.run("systemctl is-system-running --wait", timeout).out.strip()
        if state != "running":
            units = self.run("systemctl --failed --no-legend --plain").out
            raise Failed(f"systemd says that the machine is {state}: {units}", self.console)

    def reboots(self, begin, timeout):
        """Waits until it has started anew by itself, of which its console tells after `begin`, and
        until all that its units do is done."""
        deadline = time.monotonic() + timeout
        while (ended := self.console_tells(begin, KERNEL_ENDS)) is None:
            if time.monotonic() > deadline:
                raise Failed(f"the machine did not reboot within {timeout} s", self.console)
            time.sleep(0.1)
        if self.kernel_is_up(ended):
            self.wait_started(timeout)
        else:  # The emulated clock's doing, before there was anything to lose.
            self.cut_power()
            self.boot(timeout)

    def console_tells(self, begin, what):
        """Where, after `begin`, the console's first `what` ends; None if it has none."""
        if not self.console.exists():
            return None
        with open(self.console, "rb") as console:
            console.seek(begin)
            at = console.read().find(what)
        return None if at < 0 else begin + at + len(what)

    def console_size(self):
        return self.console.stat().st_size if self.console.exists() else 0

    def switch_on(self):
        self.line, theirs = socket.socketpair()
        self.received = b""
        with theirs, open(self.qemu_log, "ab") as log:
            try:
                self.qemu = subprocess.Popen(
                    self.command(theirs.fileno()), stdin=subprocess.DEVNULL, stdout=log,
                    stderr=log, pass_fds=[theirs.fileno()], process_group=0)
            except OSError as error:
                raise Failed(f"cannot start qemu: {error.strerror}; next: tools/setup vm"
                             ) from error

    def kernel_is_up(self, begin, timeout=KERNEL_LIMIT):
        """Whether it runs its first program in time; `begin` is where its log begins."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self.console_tells(begin, KERNEL_UP) is not None:
                return True
            if self.qemu.poll() is not None:
                raise Failed(f"qemu exited with {self.qemu.returncode}", self.qemu_log)
            time.sleep(0.1)
        return False

    def receive(self, deadline, what):
        """The next line from the agent."""
        while b"\n" not in self.received:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Failed(f"not within its time: {what}", self.console)
            self.line.settimeout(min(left, 5))
            try:
                got = self.line.recv(1 << 16)
            except TimeoutError:
                continue
            if not got:
                raise Failed("the machine has ended: qemu exited with"
                             f" {self.qemu.wait(timeout=30)} before {what}\n{tail(self.qemu_log)}",
                             self.console)
            self.received += got
        line, self.received = self.received.split(b"\n", 1)
        return line.decode(errors="replace")

    def send(self, script, timeout):
        self.sent += 1
        text = base64.b64encode(script.encode()).decode()
        self.line.settimeout(30)
        self.line.sendall(f"{self.sent} {timeout} {text}\n".encode())

    def run(self, script, timeout=COMMAND_LIMIT):
        """Runs a bash script in the machine; an Answer, whatever it is."""
        self.send(script, timeout)
        what = f"an answer to: {script.strip()[:300]}"
        answer = self.receive(time.monotonic() + timeout + 60, what)
        words = answer.split(" ")
        if len(words) != 4 or words[0] != str(self.sent):
            raise Failed(f"{answer[:200]!r} is not {what}", self.console)
        out, err = (base64.b64decode(word).decode(errors="replace") for word in words[2:])
        return Answer(int(words[1]), out, err)

    def sh(self, script, timeout=COMMAND_LIMIT):
        """Runs a bash script that must succeed, each of its commands too; returns its output."""
        answer = self.run("set -eu -o pipefail\n" + script, timeout)
        if answer.status != 0:
            ending = "was not done in its time" if answer.status == 124 else (
                f"ended with {answer.status}")
            raise Failed(f"{script.strip()[:500]}\n    {ending}: {answer.words}")
        return answer.out

    def runs(self):
        return self.qemu is not None and self.qemu.poll() is None

    def new_nvme(self, serial, mib):
        """A blank disk for `nvme`; sparse. One of that serial that was there is gone."""
        disk = self.directory / f"nvme-{serial}.img"
        disk.unlink(missing_ok=True)
        with open(disk, "wb") as file:
            file.truncate(mib << 20)
        return disk

    def power_cycle(self):
        """Everything is on the disks; what runs is not told."""
        self.sh("sync")
        self.cut_power()
        return self.boot()

    def cut_power(self):
        """Nothing is written back any more. boot() switches it on again."""
        if self.qemu is not None:
            self.qemu.kill()
            self.qemu.wait()
            self.qemu = None
        if self.line is not None:
            self.line.close()
            self.line = None
