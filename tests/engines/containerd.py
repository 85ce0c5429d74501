"""containerd of one release: its configuration, the daemon, and containers as a kubelet asks for
them."""

import os
import pathlib
import shutil

import images
import roots
from process import Failed, Process, run, wait_until

CONFIG = pathlib.Path("/etc/containerd/config.toml")
SOCKET = "/run/containerd/containerd.sock"
PAUSE, IMAGE = "gpunode.test/pause:1", "gpunode.test/debian:12"
CALL_LIMIT = 90
NOT_RUN = 125  # cri-run: the engine did not run the container.

# An administrator's file. {cri} is what the CRI plugin is called in that version.
COMMON = """\
root = "{state}/root"
state = "/run/containerd/state"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = "{socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{state}/opt"
[plugins."{cri}"]
  # Where a container manager lacks CAP_SYS_RESOURCE, runc could not lower oom_score_adj.
  restrict_oom_score_adj = true
  disable_apparmor = true
{pause_of_2}  [plugins."{cri}".containerd]
    default_runtime_name = "runc"
    [plugins."{cri}".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."{cri}".containerd.runtimes.runc.options]
        BinaryName = "{runc}"
"""
PAUSE_OF_3 = """\
[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "{pause}"
"""


def config_of(version, **values):
    if version == "2":
        return ("version = 3\n" + COMMON + PAUSE_OF_3).format(
            cri="io.containerd.cri.v1.runtime", pause=PAUSE, socket=SOCKET, pause_of_2="", **values)
    return ("version = 2\n" + COMMON).format(
        cri="io.containerd.grpc.v1.cri", socket=SOCKET,
        pause_of_2=f'  sandbox_image = "{PAUSE}"\n', **values)


class Containerd:
    """One release's daemon, shim and ctr, with a runc of its time."""

    def __init__(self, node, version):
        self.node, self.version = node, version
        self.part = f"containerd-{version}"
        self.bin = node.part(self.part, "containerd").parent
        self.runc = node.part("runc-new" if version == "2" else "runc-1.1", "runc")
        self.state = node.work / self.part
        self.daemon = None

    def __enter__(self):
        self.state.mkdir()
        shutil.rmtree(CONFIG.parent, ignore_errors=True)
        CONFIG.parent.mkdir()
        CONFIG.write_text(config_of(self.version, state=self.state, runc=self.runc))
        self.node.configure(self.runc)
        return self

    def __exit__(self, *_):
        if self.daemon is not None:
            self.daemon.stop()
        shutil.rmtree("/run/containerd", ignore_errors=True)
        shutil.rmtree(self.state, ignore_errors=True)

    def configure(self, *options):
        return run([str(self.node.build.gpunode), "runtime", "configure", "--runtime",
                    "containerd", "--engine-path", str(self.bin / "containerd"),
                    "--runtime-path", str(self.node.build.runtime), *options], timeout=60).stdout

    def dump(self):
        """The configuration that it would run with, in its own words."""
        return run([str(self.bin / "containerd"), "config", "dump"]).stdout

    def start(self):
        self.daemon = Process(
            self.part, [str(self.bin / "containerd")], self.node.state / f"{self.part}.log",
            env={"PATH": f"{self.bin}:/usr/sbin:/usr/bin:/sbin:/bin"}).start()
        wait_until(lambda: os.path.exists(SOCKET) or not self.daemon.alive(),
                   f"{self.part} listens", 60)
        if not self.daemon.alive():
            raise Failed(f"{self.part} ended", self.daemon.log)
        self.import_image(PAUSE, roots.make_empty, ["/busybox", "sleep", "1000"])
        self.import_image(IMAGE, roots.make_debian, ["/busybox", "true"])

    def import_image(self, name, make_root, entrypoint):
        root = self.state / "image"
        make_root(self.node, root)
        images.write_archive(self.state / "image.tar", root, name, entrypoint)
        shutil.rmtree(root)
        run([str(self.bin / "ctr"), "--address", SOCKET, "--namespace", "k8s.io", "images",
             "import", str(self.state / "image.tar")], timeout=CALL_LIMIT)

    def run(self, script, *options):
        """A Pod's container by the interface that a kubelet uses: what it prints."""
        return self.run_image(IMAGE, "/busybox", "sh", "-c", script, options=options)

    def run_image(self, image, *argv, options=()):
        logs = self.state / "logs"
        shutil.rmtree(logs, ignore_errors=True)
        logs.mkdir()
        done = run([str(self.node.build.cri_run), "--socket", SOCKET, "--image", image,
                    "--cgroup-parent", f"/{self.node.cgroup}", "--log-directory", str(logs),
                    *options, "--", *argv],
                   timeout=CALL_LIMIT, check=False)
        if done.returncode == NOT_RUN:
            raise Failed(done.stderr.strip(), self.daemon.log)
        return done.stdout

    def name(self):
        return f"containerd {self.node.version_of(self.part, 'containerd')}"
