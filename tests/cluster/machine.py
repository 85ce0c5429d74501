"""Inside the namespaces: the mounts, nodes and addresses of a bare machine for a kubelet.

The node's /dev is a tmpfs of this run, so that /dev/nvidia0 and its kin can be made there; the
machine's own /dev never sees them.
"""

import os
import pathlib
import stat

from process import Failed, run

ADDRESS = "10.200.0.1"  # On the loopback interface: a kubelet refuses 127.0.0.1 for its node.

# name -> (major, minor), what runc and the kubelet look for.
PLAIN_NODES = {
    "null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9),
    "kmsg": (1, 11), "tty": (5, 0),
}
# What a loaded driver shows where the kernel shows things.
DRIVER_DIRECTORIES = ("/proc/driver", "/sys/bus/pci/devices")


def mount(*arguments):
    run(["mount", *map(str, arguments)])


def bind(source, target):
    pathlib.Path(source).mkdir(parents=True, exist_ok=True)
    mount("--bind", source, target)


def make_node(path, numbers):
    path = pathlib.Path(path)
    if path.exists():
        path.unlink()
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(*numbers))
    path.chmod(0o666)


def make_dev(directory):
    """A /dev of our own: plain nodes, pts and shm, then mounted over the machine's."""
    directory.mkdir()
    mount("-t", "tmpfs", "-o", "mode=755,size=4m", "dev", directory)
    for name, numbers in PLAIN_NODES.items():
        make_node(directory / name, numbers)
    for name in ("pts", "shm"):
        (directory / name).mkdir()
    mount("--bind", "/dev/pts", directory / "pts")
    mount("-t", "tmpfs", "-o", "mode=1777,size=256m", "shm", directory / "shm")
    for name, target in (("ptmx", "pts/ptmx"), ("fd", "/proc/self/fd"), ("stdin", "fd/0"),
                         ("stdout", "fd/1"), ("stderr", "fd/2")):
        (directory / name).symlink_to(target)
    mount("--move", directory, "/dev")


def show_driver(root):
    """Lays what a driver's tree has for /proc and /sys over what this machine shows there."""
    for directory in DRIVER_DIRECTORIES:
        if os.path.ismount(directory):
            run(["umount", directory])
        mount("--bind", f"{root}{directory}", directory)


def overlay_works(directory):
    """Whether a container's root can be an overlay there: not on every filesystem."""
    names = {name: directory / "overlay-trial" / name for name in ("lower", "upper", "work", "at")}
    for path in names.values():
        path.mkdir(parents=True)
    try:
        mount("-t", "overlay", "overlay", "-o", f"lowerdir={names['lower']},"
              f"upperdir={names['upper']},workdir={names['work']}", names["at"])
    except Failed:
        return False
    run(["umount", str(names["at"])])
    return True


def set_up(state):
    """Turns the fresh namespaces into a machine. `state` is the run's directory on a disk."""
    if os.getpid() == 1 or not pathlib.Path("/proc/self").exists():
        raise Failed("not inside the run's namespaces")
    run(["ip", "link", "set", "lo", "up"])
    run(["ip", "address", "add", f"{ADDRESS}/32", "dev", "lo"])
    pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    make_dev(state / "dev")
    for target in ("/run", "/var/log"):  # Sockets, network namespaces, /var/log/pods.
        mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", target)
    pathlib.Path("/run/lock").mkdir()
    bind(state / "kubelet", "/var/lib/kubelet")
    bind(state / "cni", "/var/lib/cni")
    bind(state / "gpunode", "/var/lib/gpunode")
