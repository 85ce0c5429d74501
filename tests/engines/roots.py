"""Roots of containers: what images look like, and what hostile ones do. None has anything of a
driver; each has a static shell as /busybox."""

import os
import shutil

from process import Failed, run

# What every root needs so that there is something to mount upon.
PLACES = ("proc", "dev", "sys", "tmp", "etc")
LD_SO_CONF = "include /etc/ld.so.conf.d/*.conf\n"


def add(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)
    target.chmod(0o755)


def make_plain(node, root):
    root.mkdir(parents=True)
    for name in PLACES:
        (root / name).mkdir()
    add(node.part("busybox", "busybox"), root / "busybox")


def make_debian(node, root, part="debian12"):
    """The C library's packages of a Debian release, where Debian has them."""
    shutil.copytree(node.parts / part, root, symlinks=True)
    for name in PLACES:
        (root / name).mkdir(exist_ok=True)
    add(node.part("busybox", "busybox"), root / "busybox")
    add(node.build.vectoradd, root / "usr/bin/vectoradd")
    (root / "etc/ld.so.conf").write_text(LD_SO_CONF)
    # As images have it, who are made by installing packages.
    run(["chroot", str(root), "/sbin/ldconfig"])


def make_musl(node, root):
    """Alpine's layout: musl's loader is the C library, and there is no ld.so.conf."""
    make_plain(node, root)
    loaders = list((node.parts / "musl").rglob("ld-musl-*.so.1"))
    if not loaders:
        raise Failed(f"{node.parts}/musl has no loader")
    add(os.path.realpath(loaders[0]), root / "lib" / loaders[0].name)
    add(node.build.musl_probe, root / "usr/bin/probe")
    (root / "etc/alpine-release").write_text("3.20.0\n")


def make_empty(node, root):
    """A static program and nothing else, as `FROM scratch` with a Go program has it."""
    root.mkdir(parents=True)
    add(node.part("busybox", "busybox"), root / "busybox")


def make_hostile(node, root):
    """Links where the runtime and its hook write and mount, to places of the host."""
    make_debian(node, root)
    outside = node.outside
    shutil.rmtree(root / "etc")
    (root / "etc").symlink_to(f"{outside}/etc")
    shutil.rmtree(root / "usr/lib64")
    (root / "usr/lib64").symlink_to("../../../../../../../../../../" + str(outside / "lib64"))
    (root / "usr/sbin/ldconfig").unlink(missing_ok=True)
    (root / "usr/sbin/ldconfig").write_text(f"#!/busybox sh\n/busybox touch {outside}/ran\n")
    (root / "usr/sbin/ldconfig").chmod(0o755)
    # The program's loader by a path that the links leave alone.
    (root / "lib64").unlink()
    (root / "lib64").mkdir()
    for path in (root / "usr/lib").rglob("ld-linux-*.so.2"):
        shutil.copy(os.path.realpath(path), root / "lib64" / path.name)


def make_outside(node):
    """What hostile roots point at."""
    for name in ("etc/ld.so.conf.d", "lib64"):
        (node.outside / name).mkdir(parents=True)
    for name in ("etc/ld.so.cache", "etc/ld.so.conf", "lib64/file"):
        (node.outside / name).write_text("outside")


def outside_is_as_it_was(node):
    found = {str(path.relative_to(node.outside)): path.read_text() for path in
             node.outside.rglob("*") if path.is_file()}
    return found == {name: "outside" for name in
                     ("etc/ld.so.cache", "etc/ld.so.conf", "lib64/file")}


def give_to(root, user):
    """All of the root belongs to `user`, whose namespace has it as its root."""
    for path, directories, files in os.walk(root):
        for name in (path, *(os.path.join(path, n) for n in directories + files)):
            os.lchown(name, user, user)
