"""A machine as a GPU node: gpunode installed as `cmake --install` does it, a simulated driver of
four T4, and roots for containers. All of it comes on a disk that is made for the run.

The nodes of the driver are real nodes with no driver behind them: where a container's device cgroup
lets an open through the kernel answers ENXIO, and where it does not EPERM.
"""

import json
import os
import pathlib
import shutil

import kubernetes_repository
from driver_repository import FIRST_KERNEL, GOOD, Repository
from machine import KERNEL_LINE, Failed, make_disk, run
from images import RootDirectory, write_archive

HERE = pathlib.Path(__file__).resolve().parent
PROFILES = HERE.parent / "fixtures/profiles"
DRIVER = "t4-x4"  # The one that the machine boots with.
OTHER_DRIVERS = ("a100-x8-mig-empty", "a100-x8-mig-mixed")
SEED_DRIVER = "a10g-x1"  # Of the machine that joins a cluster.
NEXT_DRIVER, NEXT_VERSION = "a10g-x1-next", "550.163.01"  # What that one is updated to.
SEED_IMAGE = "nvcr.io/nvidia/k8s/cuda-sample:vectoradd-cuda10.2"
SANDBOX_IMAGE = "registry.k8s.io/pause:3.2"  # Of Kubernetes 1.20.
GPUS = 4
RECORDED_HOST = HERE.parent / "fixtures/hosts/g5-rocky8"  # For a check of a GPU that the driver has not.
DISK = "node.img"

# What a driver's modules and packages do at boot, before anybody looks for GPUs.
DRIVER_UNIT = """\
[Unit]
Description=A simulated NVIDIA driver
DefaultDependencies=no
RequiresMountsFor=/disks/node
After=systemd-udevd.service local-fs.target
Before=gpunode-cdi-refresh.service sysinit.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=cp -a /etc/vm-driver/dev/. /dev/
ExecStart=mount --bind /etc/vm-driver/proc/driver /proc/driver
ExecStart=mount --bind /etc/vm-driver/sys/bus/pci/devices /sys/bus/pci/devices

[Install]
WantedBy=sysinit.target
"""

# systemd gives the service a /proc of its own, as it is. The real driver's files are the kernel's,
# and are there too; ours are a mount.
SERVICE_SEES_DRIVER = """\
[Service]
BindReadOnlyPaths=/etc/vm-driver/proc/driver:/proc/driver
"""


class Build:
    """Where a build directory has the programs."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory).resolve()
        self.shipped = [self.directory / "apps" / name for name in (
            "gpunode/gpunode", "runtime/gpunode-runtime", "probe/gpunode-probe",
            "vectoradd/gpunode-vectoradd", "agent/gpunode-agent", "agent/host/gpunode-agent")]
        self.cuda = self.directory / "tests/doubles/cuda/libcuda.so.1"
        self.nvml = self.directory / "tests/doubles/nvml/libnvidia-ml.so.1"
        self.fake_nvml = self.directory / "tests/doubles/nvml/fake-nvml"
        self.vectoradd = self.directory / "apps/vectoradd/gpunode-vectoradd"
        self.holder = self.directory / "tests/cluster/gpunode-cluster-holder"
        self.agent_image = self.directory / "image/gpunode-agent.tar"
        self.host_image = self.directory / "image/gpunode-host.tar"

    def check(self):
        wanted = [*self.shipped, self.cuda, self.nvml, self.fake_nvml, self.holder, self.agent_image, self.host_image]
        missing = [str(path) for path in wanted if not path.exists()]
        if missing:
            raise Failed(f"not built: {', '.join(missing)}; next: ninja -C {self.directory}")


def make_node_disk(build, directory, kubernetes=None):
    """The run's disk: install/ for the node's root, drivers/NAME/ and hosts/NAME/, and cuda/, a mirror of NVIDIA's; with the
    programs of Kubernetes in the directory `kubernetes` also kubernetes/, a repository of them, and images/."""
    stage = directory / "stage"
    run(["cmake", "--install", str(build.directory), "--prefix", "/usr", "--strip"],
        env={**os.environ, "DESTDIR": str(stage / "install")})
    for name in (DRIVER, *OTHER_DRIVERS, SEED_DRIVER):
        make_driver(build, PROFILES / f"{name}.json", stage / "drivers" / name)
    make_next_driver(build, stage / "drivers" / NEXT_DRIVER, directory / "next-driver.json")
    shutil.copytree(RECORDED_HOST, stage / "hosts" / RECORDED_HOST.name, symlinks=True)
    make_repository(build, stage / "cuda", directory / "repository")
    if kubernetes is not None:
        kubernetes_repository.Repository(stage / "kubernetes", directory / "kubernetes", kubernetes).make()
        make_images(build, stage / "images", directory / "image-root")
        shutil.copy(pathlib.Path(kubernetes) / "kube-proxy", stage / "kube-proxy")
    return make_disk(directory / DISK, stage, "node")


def make_driver(build, profile, tree):
    run([str(build.fake_nvml), "tree", "--profile", str(profile), "--root", str(tree), "--library", str(build.nvml),
         "--copy", str(build.cuda)])


def make_next_driver(build, tree, profile):
    """The seed's machine with another version of its driver."""
    told = json.loads((PROFILES / f"{SEED_DRIVER}.json").read_text())
    told["driverVersion"] = NEXT_VERSION
    profile.write_text(json.dumps(told))
    make_driver(build, profile, tree)


def make_repository(build, place, work):
    """A mirror of NVIDIA's repositories in `place`, for one A10G; `place`/fingerprint is its key's."""
    profile = json.loads((PROFILES / "a10g-x1.json").read_text())
    work.mkdir()
    tree = work / "tree"
    profile["driverVersion"] = GOOD
    (work / "profile.json").write_text(json.dumps(profile))
    make_driver(build, work / "profile.json", tree)
    fingerprint = Repository(place, work, tree).make()
    (place / "fingerprint").write_text(fingerprint)


def make_images(build, place, work):
    """What the node's containers are made of, as archives for `ctr images import`."""
    place.mkdir()
    root = RootDirectory(work)
    root.add(build.holder, "/pause")
    write_archive(place / "pause.tar", root.directory, SANDBOX_IMAGE, ["/pause"])
    root = RootDirectory(work)
    root.add_program(build.vectoradd, "/usr/bin/vectoradd")
    root.add_libraries_of(build.cuda)
    write_archive(place / "vectoradd.tar", root.directory, SEED_IMAGE, ["/usr/bin/vectoradd"])
    for archive in (build.agent_image, build.host_image):
        shutil.copyfile(archive, place / archive.name)


def install(vm):
    """Puts gpunode on the machine that has been booted for the first time, and has its disks there
    from now on."""
    names = " ".join(vm.disks)
    vm.sh(f"""
for name in {names}; do
  mkdir -p /disks/$name
  echo "/dev/disk/by-id/virtio-$name /disks/$name ext4 ro,noload 0 0" >>/etc/fstab
done
systemctl daemon-reload
systemctl start local-fs.target
cp -a /disks/node/install/* /
systemctl daemon-reload
""")


def label(vm):
    """What a package manager does after an installation where there is SELinux."""
    vm.sh("restorecon -F $(find /disks/node/install -mindepth 1 -printf '/%P '); restorecon -F /disks;"
          " restorecon -R /etc")


def set_up(vm, driver=DRIVER):
    """Makes the machine that has been booted for the first time a node."""
    install(vm)
    vm.sh(f"""
cat >/etc/systemd/system/vm-driver.service <<'UNIT'
{DRIVER_UNIT}UNIT
mkdir /etc/systemd/system/gpunode-cdi-refresh.service.d
cat >/etc/systemd/system/gpunode-cdi-refresh.service.d/vm-driver.conf <<'UNIT'
{SERVICE_SEES_DRIVER}UNIT
ln -s /disks/node/drivers/{driver} /etc/vm-driver
cp -a /etc/vm-driver/usr/. /usr/
ldconfig
systemctl daemon-reload
systemctl enable --now vm-driver.service
systemctl preset gpunode-cdi-refresh.service gpunode-cdi-refresh.path
""")


NETWORK = """\
[Match]
Driver=virtio_net

[Network]
Address=10.0.2.15/24
Gateway=10.0.2.2
LinkLocalAddressing=no
"""
SITE = f"deb [signed-by=/etc/apt/keyrings/{kubernetes_repository.KEY}] file:/disks/node/kubernetes ./"


def set_up_seed(vm):
    """Makes the machine that has been booted for the first time a bare host with a network, an A10G, and a repository of its
    site's with an older Kubernetes."""
    set_up(vm, SEED_DRIVER)
    vm.sh(f"""
cat >/etc/systemd/network/10-vm.network <<'NETWORK'
{NETWORK}NETWORK
systemctl enable --now systemd-networkd.service
install -D -m 644 /disks/node/kubernetes/{kubernetes_repository.KEY} /etc/apt/keyrings/{kubernetes_repository.KEY}
echo '{SITE}' >/etc/apt/sources.list.d/site.list
hostnamectl set-hostname gpu-1
: >/etc/resolv.conf
apt-get -q update
""")


# A recorded host's GPU over the machine's own, from before anybody looks for one. It is not in the
# kernel's own tables: nothing binds to it.
GPU_UNIT = f"""\
[Unit]
Description=A recorded GPU
DefaultDependencies=no
RequiresMountsFor=/disks/node
After=local-fs.target systemd-udevd.service
Before=gpunode-resume.service gpunode-cdi-refresh.service sysinit.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=mount --bind /disks/node/hosts/{RECORDED_HOST.name}/sys/bus/pci/devices /sys/bus/pci/devices

[Install]
WantedBy=sysinit.target
"""

GRUB = f"""\
GRUB_DEFAULT=0
GRUB_TIMEOUT=0
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX="{KERNEL_LINE} audit=0"
GRUB_TERMINAL=serial
GRUB_DISABLE_OS_PROBER=true
"""


def set_up_bare(vm):
    """Makes the machine that has been booted for the first time a host with a GPU and no driver,
    which boots what its own boot loader says from then on."""
    install(vm)
    vm.sh(f"""
cat >/etc/systemd/system/vm-gpu.service <<'UNIT'
{GPU_UNIT}UNIT
cat >/etc/default/grub <<'GRUB'
{GRUB}GRUB
uname -r >{FIRST_KERNEL}
systemctl daemon-reload
systemctl enable --now vm-gpu.service
mkdir -p /boot/grub
update-grub
""", timeout=300)
    vm.has_loader = True
    vm.power_cycle()


SHOW_DRIVER = """
umount /proc/driver /sys/bus/pci/devices
ln -sfn /disks/node/drivers/{name} /etc/vm-driver
mount --bind /etc/vm-driver/proc/driver /proc/driver
mount --bind /etc/vm-driver/sys/bus/pci/devices /sys/bus/pci/devices
"""


def use_driver(vm, name):
    """Removes the driver that is there, with its nodes, and installs and loads another."""
    vm.sh(f"""
(cd /etc/vm-driver && find usr dev ! -type d) | (cd / && xargs rm -f)
{SHOW_DRIVER.format(name=name)}
cp -a /etc/vm-driver/usr/. /usr/
cp -a /etc/vm-driver/dev/. /dev/
ldconfig
""")


def change_mig(vm, name):
    """Makes MIG devices as nvidia-smi does: the kernel has them at once, and nvidia-modprobe makes
    their nodes one after the other."""
    vm.sh(f"""
{SHOW_DRIVER.format(name=name)}
for node in /etc/vm-driver/dev/nvidia-caps/*; do cp -an "$node" /dev/nvidia-caps/; done
""")


def remove_links(vm):
    """As the nodes of NVIDIA's driver come: not by udev, so nobody has made links."""
    vm.sh("""
for node in /dev/nvidia* /dev/nvidia-caps/*; do
  if [ -c "$node" ]; then
    rm -f "/dev/char/$((16#$(stat -c %t "$node"))):$((16#$(stat -c %T "$node")))"
  fi
done
""")
