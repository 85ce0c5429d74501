#!/usr/bin/env python3
"""Makes the disks that the test machines boot from, out of Debian packages, and caches them.

A recipe is a release, packages, and two scripts of guest/ that run around their installation. The
disk of one lies under GPUNODE_CACHE (default /var/cache/gpunode), named by the hash of all of it:

    vm/<name>-<hash>/root.img          an ext4 filesystem, sparse; never written to by a machine
    vm/<name>-<hash>/vmlinuz, initrd   of a recipe with a kernel
    vm/<name>-<hash>/loader.img        of a recipe with a boot loader: a disk that starts it
    vm/<name>-<hash>/complete.json     what was made, and how long that took; published by a rename

A finished disk is used without asking the network. Prints the directories on stdout.

    python3 tests/vm/image.py [--rebuild]
"""

import argparse
import dataclasses
import fcntl
import hashlib
import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
GUEST = HERE / "guest"
DRIVER_DISK = HERE / "driver-disk"
HOST_REPOSITORY = HERE / "host-repository"
MIRROR = "http://deb.debian.org/debian"
SECURITY_MIRROR = "http://deb.debian.org/debian-security"
UNUSED_DAYS = 30  # A disk of another recipe goes when no run has used it for so long.
TIME_LIMIT = 1800  # For the packages, on a slow mirror and a busy machine.
DISK_NEEDED = 2 << 30

# Packages' files that no test reads; a third of them.
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")


class ImageError(Exception):
    """A failure that a person can act on; its text says what, why and what next."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    name: str
    release: str
    packages: tuple
    size_gib: int
    boots: bool  # Has a kernel, an initrd and the agent of guest/.
    labels: bool = False  # Its files have the labels of its SELinux policy.
    kernel_options: str = "audit=0"  # For the kernel's command line.
    updates_kernel: bool = False  # Has a later kernel in /srv/updates, and a boot loader: driver-disk.
    offers: tuple = ()  # Packages that it can install, with what they need: host-repository.

    def text(self):
        """All that decides what the disk holds, for its hash."""
        decides = dataclasses.asdict(self)
        del decides["kernel_options"]
        if not decides["updates_kernel"]:
            del decides["updates_kernel"]
        if not decides["offers"]:
            del decides["offers"]
        parts = [json.dumps(decides, sort_keys=True), *LEFT_OUT]
        if self.updates_kernel:
            parts.append(DRIVER_DISK.read_text())
        if self.offers:
            parts.append(HOST_REPOSITORY.read_text())
        if self.boots:
            parts += [f"{path.name}\n{path.read_text()}" for path in sorted(GUEST.iterdir())]
        return "\n".join(parts)

    def directory(self):
        digest = hashlib.sha256(self.text().encode()).hexdigest()
        return cache_root() / f"{self.name}-{digest[:16]}"


# What the machines run: systemd, the engine and the low-level runtime of Debian 12.
DEBIAN_12 = Recipe("debian12", "bookworm", boots=True, size_gib=4, packages=(
    "linux-image-cloud-amd64", "systemd-sysv", "udev", "dbus", "kmod", "iproute2", "runc",
    "containerd",
    # What `gpunode apply` finds there, for the machine has no network to fetch it from.
    "attr", "conntrack", "ethtool", "lvm2", "mdadm", "socat", "systemd-timesyncd", "xfsprogs"))

# The same with SELinux enforcing, every file labelled as Debian's policy says.
DEBIAN_12_SELINUX = Recipe(
    "debian12-selinux", "bookworm", boots=True, size_gib=4, labels=True,
    kernel_options="security=selinux selinux=1 enforcing=1 audit=1",
    packages=(*DEBIAN_12.packages, "selinux-policy-default", "policycoreutils", "selinux-utils"))

# With what DKMS builds modules with, and the kernel that comes after its own.
DEBIAN_12_DRIVER = Recipe(
    "debian12-driver", "bookworm", boots=True, size_gib=14, updates_kernel=True,
    packages=(*DEBIAN_12.packages, "dkms", "gcc", "g++", "make", "linux-headers-cloud-amd64",
              "grub2-common", "grub-pc-bin"))

# As an installer leaves it: what a node needs beside Debian's own is to be installed, from a disk for want of a network.
DEBIAN_12_BARE = Recipe(
    "debian12-bare", "bookworm", boots=True, size_gib=4,
    packages=("linux-image-cloud-amd64", "systemd-sysv", "udev", "dbus", "kmod", "iproute2", "procps", "curl",
              "python3"),  # Of every installation, and slow to unpack in emulation.
    offers=("containerd", "containernetworking-plugins", "conntrack", "ebtables", "ethtool", "iptables", "runc", "socat",
            "chrony", "xfsprogs"))

# A container's root of an older C library than the one that gpunode was built with.
DEBIAN_11 = Recipe("debian11", "bullseye", boots=False, size_gib=1, packages=())


@dataclasses.dataclass(frozen=True)
class Image:
    directory: pathlib.Path
    kernel_options: str = "audit=0"

    @property
    def disk(self):
        return self.directory / "root.img"

    @property
    def kernel(self):
        return self.directory / "vmlinuz"

    @property
    def initrd(self):
        return self.directory / "initrd"

    @property
    def loader(self):
        return self.directory / "loader.img"


def cache_root():
    return pathlib.Path(os.environ.get("GPUNODE_CACHE") or "/var/cache/gpunode") / "vm"


def say(text):
    print(f"vm: {text}", file=sys.stderr, flush=True)


def apt_says(*argv):
    """Lines of an apt tool's output; none where there is no such tool or it has nothing to say."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.splitlines()


def own_source(release):
    """Where this machine has Debian's packages of that release from; None if it has none of them."""
    for line in apt_says("apt-get", "indextargets", "--format",
                         "$(ORIGIN) $(RELEASE) $(COMPONENT) $(REPO_URI)", "Created-By: Packages"):
        words = line.split()
        if words[:3] == ["Debian", release, "main"] and words[3].startswith("http"):
            return words[3]
    return None


def mirror():
    """Where this machine has its own Debian packages from."""
    return os.environ.get("GPUNODE_DEBIAN_MIRROR") or own_source(DEBIAN_12.release) or MIRROR


def security_mirror():
    return (os.environ.get("GPUNODE_DEBIAN_SECURITY_MIRROR")
            or own_source(f"{DEBIAN_12.release}-security") or SECURITY_MIRROR)


def command(recipe, root):
    argv = ["mmdebstrap", "--mode=root", "--variant=minbase", "--format=directory",
            "--dpkgopt=force-unsafe-io", '--aptopt=APT::Install-Recommends "false"',
            "--aptopt=Acquire::Retries 3"]
    # The machine's own apt.conf isn't read by mmdebstrap, and its proxy may be the only way out.
    argv += ["--aptopt=" + line for line in apt_says("apt-config", "dump")
             if line.lower().startswith("acquire::http::proxy ")]
    argv += [f"--dpkgopt=path-exclude={path}" for path in LEFT_OUT]
    if recipe.packages:
        argv.append("--include=" + ",".join(recipe.packages))
    if recipe.boots:
        argv += [f"--essential-hook={GUEST}/before-packages",
                 f"--customize-hook={GUEST}/after-packages"]
    if recipe.updates_kernel:
        argv.append(f"--customize-hook={shlex.quote(str(DRIVER_DISK))} \"$1\""
                    f" {shlex.quote(security_mirror())}")
    if recipe.offers:
        argv.append(f"--customize-hook={shlex.quote(str(HOST_REPOSITORY))} \"$1\" {' '.join(recipe.offers)}")
    return [*argv, recipe.release, str(root),
            "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] "
            f"{mirror()} {recipe.release} main"]


def run(argv, log, what):
    """Runs argv to its end with its output in `log`; its children end with it."""
    with open(log, "ab") as out:
        try:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                       start_new_session=True)
        except OSError as error:
            raise ImageError(f"{what}: cannot start {argv[0]}: {error.strerror}\n"
                             "    next: tools/setup vm") from error
    try:
        code = process.wait(timeout=TIME_LIMIT)
    except subprocess.TimeoutExpired:
        raise ImageError(f"{what}: not done after {TIME_LIMIT} s") from None
    finally:
        if process.poll() is None:
            # mmdebstrap unmounts what it has mounted when it is asked to end, not when killed.
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if code != 0:
        words = "\n".join("    " + line for line in
                          log.read_text(errors="replace").splitlines()[-15:])
        raise ImageError(f"{what}: {argv[0]} ended with {code}\n{words}\n"
                         f"    next: is {mirror()} reachable from here? http_proxy and"
                         " GPUNODE_DEBIAN_MIRROR are honoured")


def make(recipe, work):
    """Fills the directory `work` with the recipe's disk, kernel and initrd."""
    root, log = work / "root", work / "log"
    run(command(recipe, root), log, f"the packages of {recipe.name}")
    if recipe.boots:
        shutil.copyfile(root / "vmlinuz", work / "vmlinuz")
        shutil.copyfile(root / "initrd.img", work / "initrd")
    if recipe.updates_kernel:
        (root / "loader.img").rename(work / "loader.img")
    if recipe.labels:
        run([str(GUEST / "label-files"), str(root)], log, f"the labels of {recipe.name}")
    run(["mke2fs", "-q", "-t", "ext4", "-L", recipe.name, "-d", str(root), str(work / "root.img"),
         f"{recipe.size_gib}G"], log, f"the disk of {recipe.name}")
    shutil.rmtree(root)


def build(recipe):
    root = cache_root()
    if shutil.disk_usage(root).free < DISK_NEEDED:
        raise ImageError(f"{root}: less than {DISK_NEEDED >> 30} GiB free; next: make room, or set"
                         " GPUNODE_CACHE to a directory on another filesystem")
    start = time.monotonic()
    say(f"making the disk of {recipe.name} (once; about a minute on an idle machine)")
    work = pathlib.Path(tempfile.mkdtemp(prefix=".work-", dir=root))
    try:
        work.chmod(0o755)
        make(recipe, work)
        seconds = round(time.monotonic() - start)
        (work / "complete.json").write_text(
            json.dumps({"packages": recipe.packages, "seconds": seconds}, indent=1) + "\n")
        shutil.rmtree(recipe.directory(), ignore_errors=True)
        work.rename(recipe.directory())
    finally:
        shutil.rmtree(work, ignore_errors=True)
    say(f"made {recipe.directory()} in {seconds} s")


def prune(root):
    """Disks of recipes that nobody uses any more, and what killed builds have left."""
    for path in root.iterdir():
        if path.name.startswith(".work-"):
            shutil.rmtree(path, ignore_errors=True)
        elif path.is_dir() and path.stat().st_mtime < time.time() - UNUSED_DAYS * 86400:
            shutil.rmtree(path, ignore_errors=True)


def ensure(recipe, rebuild=False):
    """The recipe's Image; makes it when there is none."""
    root, directory = cache_root(), recipe.directory()
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(f"{root}: {error.strerror}; next: set GPUNODE_CACHE to a directory that"
                         " you may write") from error
    # One builder at a time: the others wait and find its work done.
    with open(root / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if rebuild or not (directory / "complete.json").exists():
            prune(root)
            build(recipe)
        os.utime(directory)
    return Image(directory, recipe.kernel_options)


def main():
    parser = argparse.ArgumentParser(description="Make and cache the disks of the test machines.")
    parser.add_argument("--rebuild", action="store_true", help="make also those that are cached")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # So that the cleaning up happens.
    try:
        for recipe in (DEBIAN_12, DEBIAN_11, DEBIAN_12_SELINUX, DEBIAN_12_DRIVER, DEBIAN_12_BARE):
            print(ensure(recipe, arguments.rebuild).directory)
    except ImageError as error:
        print(f"vm: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
