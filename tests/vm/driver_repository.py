"""NVIDIA's repository for Debian 12, as far as the driver's machine takes of it: its names, versions of the tests' own,
signed by a key that is made for the run. The modules are real sources (driver/), and DKMS builds them.

    <directory>/debian12/x86_64/    the repository, with its key 3bf863cc.pub
    fingerprint                     of that key, for the node's file
"""

import os
import pathlib
import shutil

from deb_repository import DebRepository

SOURCES = pathlib.Path(__file__).resolve().parent / "driver"
PLACE = "debian12/x86_64"
KEY = "3bf863cc.pub"
LIBRARIES = "usr/lib/x86_64-linux-gnu"

GOOD = "580.95.05"
# Its modules compile for the kernel alone whose release FIRST_KERNEL has, and its package hides that.
HIDES = "580.105.08"
FIRST_KERNEL = "/etc/vm-first-kernel"

# As Debian's own packages of modules have it.
BUILD = """#!/bin/sh
set -e
[ "$1" = configure ] || exit 0
/usr/lib/dkms/common.postinst nvidia {version} /usr/share/nvidia "" "$2" {hiding}
"""
REMOVE = """#!/bin/sh
set -e
dkms remove -m nvidia -v {version} --all || true
"""
DKMS = """\
PACKAGE_NAME="nvidia"
PACKAGE_VERSION="{version}"
MAKE="make -C $kernel_source_dir M=$dkms_tree/$PACKAGE_NAME/$PACKAGE_VERSION/build STUB_VERSION={version} {more} modules"
CLEAN="true"
AUTOINSTALL="yes"
BUILT_MODULE_NAME[0]="nvidia"
DEST_MODULE_LOCATION[0]="/kernel/drivers/video"
BUILT_MODULE_NAME[1]="nvidia-uvm"
DEST_MODULE_LOCATION[1]="/kernel/drivers/video"
BUILT_MODULE_NAME[2]="nvidia-modeset"
DEST_MODULE_LOCATION[2]="/kernel/drivers/video"
"""
# What nvidia-modprobe does for the real one.
PERSISTENCED = """#!/bin/sh
set -e
umask 0
for number in 0 255; do
  node=/dev/nvidia$number
  [ $number != 255 ] || node=/dev/nvidiactl
  [ -c $node ] || mknod -m 0666 $node c 195 $number
done
exec sleep infinity
"""
UNIT = """\
[Unit]
Description=NVIDIA Persistence Daemon (stub)

[Service]
ExecStart=/usr/bin/nvidia-persistenced --no-persistence-mode

[Install]
WantedBy=multi-user.target
"""


class Repository(DebRepository):
    def __init__(self, directory, work, tree):
        """`tree`: a driver's files as fake-nvml lays them, for the libraries."""
        super().__init__(directory / PLACE, work, KEY, "NVIDIA")
        self.tree = tree

    def package(self, name, version, *more, **keywords):
        return super().package(name, f"{version}-1", *more, **keywords)

    def library(self, name, package, version):
        root = self.package(package, version)
        place = root / LIBRARIES
        place.mkdir(parents=True)
        file = f"{name}.{version}"
        shutil.copyfile((self.tree / LIBRARIES / f"{name}.1").resolve(), place / file)
        os.symlink(file, place / f"{name}.1")
        if name == "libnvidia-ml.so":
            shutil.copyfile(self.tree / LIBRARIES / "profile.json", place / "profile.json")
        self.pack(root)

    def modules(self, version):
        source = f"usr/src/nvidia-{version}"
        hides = version == HIDES
        files = [(f"{source}/{path.name}", path.read_text(), 0o644) for path in sorted(SOURCES.iterdir())]
        more = f"STUB_KNOWS=$(cat {FIRST_KERNEL})" if hides else ""
        files.append((f"{source}/dkms.conf", DKMS.format(version=version, more=more), 0o644))
        scripts = [("postinst", BUILD.format(version=version, hiding="|| true" if hides else "")),
                   ("prerm", REMOVE.format(version=version))]
        self.pack(self.package("nvidia-kernel-open-dkms", version, files, "dkms", scripts, "nvidia-kernel-dkms"))

    def version(self, version):
        self.library("libnvidia-ml.so", "libnvidia-ml1", version)
        self.library("libcuda.so", "libcuda1", version)
        self.modules(version)
        self.pack(self.package("nvidia-driver-cuda", version,
                               needs=f"libnvidia-ml1 (= {version}-1), libcuda1 (= {version}-1)"))
        self.pack(self.package("nvidia-persistenced", version, [
            ("usr/bin/nvidia-persistenced", PERSISTENCED, 0o755),
            ("lib/systemd/system/nvidia-persistenced.service", UNIT, 0o644)]))

    def make(self):
        for version in (GOOD, HIDES):
            self.version(version)
        return self.finish()
