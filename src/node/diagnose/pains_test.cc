// Each pain of docs/doctor.md: recognised by what it shows, and not where the
// same words or facts mean no harm.
#include "node/diagnose/pains.h"

#include <functional>
#include <initializer_list>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::diagnose {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr const char* kRunning = "4.18.0-513.el8.x86_64";
constexpr const char* kNext = "4.18.0-553.el8.x86_64";

/// A node that works: Rocky 8, an A10G, open modules 580, two kernels.
DoctorLook healthy() {
  DoctorLook look;
  look.host.os.id = "rocky";
  look.host.os.id_like = {"rhel", "centos", "fedora"};
  look.host.os.version_id = "8.9";
  look.host.gpus.push_back({"0000:00:1e.0", 0x2237, "NVIDIA A10G", "nvidia"});
  look.host.driver.loaded_version = "580.65.06";
  look.host.driver.is_loaded_open = true;
  look.host.driver.library = "580.65.06";
  look.host.driver.dkms = {{"nvidia", "580.65.06", kRunning, true},
                           {"nvidia", "580.65.06", kNext, true}};
  for (const char* release : {kRunning, kNext}) {
    facts::KernelImage image;
    image.release = release;
    image.has_devel = true;
    image.module.path = std::string("/lib/modules/") + release + "/nvidia.ko";
    look.host.kernels.images.push_back(image);
  }
  look.kernels.running = kRunning;
  look.kernels.running_module = "/lib/modules/a/nvidia.ko";
  look.kernels.is_loaded = true;
  look.kernels.next = {kNext, "the newest in /boot"};
  look.kernels.next_module = "/lib/modules/b/nvidia.ko";
  look.kernel_log_source = "journalctl -k -b";
  for (const char* unit : {"kubelet.service", "containerd.service"}) {
    look.host.units[unit] = {"loaded", "active", "enabled"};
  }
  look.has_device_links = true;
  return look;
}

void log(DoctorLook& look, const std::string& text) {
  look.kernel_log = read_kernel_log(text);
}

void containerd(DoctorLook& look, const std::string& toml) {
  look.host.files["/etc/containerd/config.toml"].content = toml;
}

void mount(DoctorLook& look, const std::string& point) {
  host::Mount mount;
  mount.mount_point = point;
  look.host.storage.mounts.push_back(mount);
}

facts::DiskFacts disk(const std::string& path) {
  facts::DiskFacts disk;
  disk.device.path = path;
  return disk;
}

using Change = std::function<void(DoctorLook&)>;

Findings found_after(const Change& change) {
  DoctorLook look = healthy();
  change(look);
  return find_pains(look);
}

TEST(Pains, OfAHealthyNodeThereAreNone) {
  EXPECT_THAT(found_after([](DoctorLook&) {}), IsEmpty());
  EXPECT_THAT(find_pains(DoctorLook{}), IsEmpty());
}

struct Case {
  const char* check;
  Severity severity;
  const char* seen;
  Change change;
};

void PrintTo(const Case& one, std::ostream* out) {
  *out << one.check;
}

class Pain : public testing::TestWithParam<Case> {};

TEST_P(Pain, IsToldOnceWithWhatItShowsAndWhatToDo) {
  const Case& wanted = GetParam();
  const Findings found = found_after(wanted.change);
  ASSERT_THAT(found, SizeIs(1)) << (found.empty() ? "" : found.back().what);
  EXPECT_EQ(found[0].check, wanted.check);
  EXPECT_EQ(found[0].severity, wanted.severity) << found[0].what;
  EXPECT_THAT(found[0].seen, HasSubstr(wanted.seen));
  EXPECT_NE(found[0].what, "");
  EXPECT_NE(found[0].next, "");
  for (const std::string& text :
       {found[0].what, found[0].next, found[0].why, found[0].seen}) {
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
  }
  for (const std::string& text : {found[0].what, found[0].next, found[0].why}) {
    EXPECT_FALSE(text.ends_with('.')) << text;
  }
}

void no_module_for_next(DoctorLook& look) {
  look.kernels.next_module.clear();
  look.host.kernels.images[1].module = {};
}

FailedBuild build_of(const char* kernel, const std::string& line) {
  FailedBuild build;
  build.path = "/var/lib/dkms/nvidia/580.65.06/build/make.log";
  build.version = "580.65.06";
  build.verdict = read_build_log(
      std::string("DKMS make.log for nvidia-580.65.06 for kernel ") + kernel +
      " (x86_64)\n" + line + "\n");
  return build;
}

INSTANTIATE_TEST_SUITE_P(
    Kernel, Pain,
    testing::Values(
        Case{"kernel.headers", Severity::kBad, "is of 4.18.0-553.8",
             [](DoctorLook& look) {
               no_module_for_next(look);
               look.host.kernels.images[1].has_devel = false;
               look.host.kernels.images[1].devel_release = "4.18.0-553.8";
             }},
        Case{"kernel.headers", Severity::kWarning, "leads nowhere",
             [](DoctorLook& look) {
               look.host.kernels.images[0].has_devel = false;
             }},
        Case{"kernel.module", Severity::kBad, kNext, no_module_for_next},
        Case{"kernel.precompiled", Severity::kBad, kNext,
             [](DoctorLook& look) {
               no_module_for_next(look);
               look.host.driver.dkms.clear();
               look.host.packages["kmod-nvidia-580.65.06-4.18.0-513"] = {"1"};
             }},
        Case{"dkms.failed", Severity::kBad, "too few arguments",
             [](DoctorLook& look) {
               look.builds = {
                   build_of(kRunning, "nv.c:1: error: too few arguments")};
             }},
        Case{"dkms.failed", Severity::kWarning, "No space left",
             [](DoctorLook& look) {
               look.builds = {build_of(kNext, "ld: No space left on device")};
             }},
        Case{"kernel.compiler", Severity::kWarning, "unrecognized",
             [](DoctorLook& look) {
               look.builds = {build_of(
                   kNext, "gcc: error: unrecognized command-line option '-x'")};
             }},
        Case{"kernel.magic", Severity::kBad, "version magic",
             [](DoctorLook& look) {
               look.host.driver.loaded_version.clear();
               log(look, "nvidia: version magic '1' should be '2'\n");
             }}));

INSTANTIATE_TEST_SUITE_P(
    Driver, Pain,
    testing::Values(
        Case{"driver.mismatch", Severity::kBad, "580.65.06",
             [](DoctorLook& look) { look.host.driver.library = "580.95.05"; }},
        Case{"driver.mismatch", Severity::kBad, "API mismatch",
             [](DoctorLook& look) {
               look.host.driver.library.clear();
               log(look,
                   "NVRM: API mismatch: the client 'x' (pid 1)\n"
                   "NVRM: has the version 580.95.05, but this kernel module "
                   "has\nNVRM: the version 580.65.06.  Please make sure\n");
             }},
        Case{"driver.flavour", Severity::kBad,
             "requires use of the NVIDIA open",
             [](DoctorLook& look) {
               look.host.driver.is_loaded_open = false;
               log(look,
                   "NVRM: The NVIDIA GPU 0000:19:00.0 (PCI ID: 10de:2901)\n"
                   "NVRM: installed in this system requires use of the NVIDIA "
                   "open kernel modules.\n"
                   "NVRM: GPU 0000:19:00.0: RmInitAdapter failed! "
                   "(0x22:0x56:894)\n");
             }},
        Case{"driver.flavour", Severity::kBad, "169",
             [](DoctorLook& look) {
               look.host.driver.is_loaded_open = false;
               log(look, "NVRM: Xid (PCI:0000:00:1e): 169, pid=1, name=a\n");
             }},
        Case{"driver.flavour", Severity::kBad, "0x62:0x55:2477",
             [](DoctorLook& look) {
               look.host.driver.is_loaded_open = false;
               log(look,
                   "NVRM: GPU 0000:00:1e.0: RmInitAdapter failed! "
                   "(0x62:0x55:2477)\n");
             }},
        Case{"gpu.init", Severity::kBad, "0x62:0x55:2477",
             [](DoctorLook& look) {
               log(look,
                   "NVRM: GPU 0000:00:1e.0: RmInitAdapter failed! "
                   "(0x62:0x55:2477)\n");
             }},
        Case{"driver.flavour", Severity::kBad, "10de:2901",
             [](DoctorLook& look) {
               look.host.gpus[0].device_id = 0x2901;
               look.host.driver.is_loaded_open = false;
             }},
        Case{"driver.flavour", Severity::kBad, "10de:1db4",
             [](DoctorLook& look) { look.host.gpus[0].device_id = 0x1db4; }},
        Case{"driver.branch", Severity::kBad, "legacy GPU",
             [](DoctorLook& look) {
               log(look, "NVRM: ignoring the legacy GPU 0000:02:00.0\n");
             }},
        Case{"driver.gsp", Severity::kBad, "(2 times)",
             [](DoctorLook& look) {
               const std::string line =
                   "NVRM: Xid (PCI:0000:00:1e): 119, pid=1, Timeout after 6s "
                   "of waiting for RPC response from GPU0 GSP!\n";
               log(look, line + line);
             }},
        Case{"secureboot.rejected", Severity::kBad, "unsigned module",
             [](DoctorLook& look) {
               look.host.driver.loaded_version.clear();
               log(look, "Loading of unsigned module is rejected\n");
             }},
        Case{"secureboot.rejected", Severity::kBad, "names no signer",
             [](DoctorLook& look) {
               look.host.driver.loaded_version.clear();
               look.host.secure_boot.enforces_signatures = true;
               look.host.kernels.images[0].module.version = "580.65.06";
             }},
        Case{"fabric.manager", Severity::kBad, "inactive",
             [](DoctorLook& look) {
               look.host.gpus.push_back(
                   {"0000:05:00.0", 0x22a3, "NVIDIA NVSwitch", "nvidia", true});
               look.host.units["nvidia-fabricmanager.service"] = {
                   "not-found", "inactive", ""};
             }},
        Case{"fabric.version", Severity::kBad, "570.1-1",
             [](DoctorLook& look) {
               look.host.gpus.push_back(
                   {"0000:05:00.0", 0x22a3, "NVIDIA NVSwitch", "nvidia", true});
               look.host.units["nvidia-fabricmanager.service"] = {
                   "loaded", "active", "enabled"};
               look.host.packages["nvidia-fabricmanager"] = {"570.1-1"};
             }},
        Case{"fabric.needless", Severity::kWarning, "failed",
             [](DoctorLook& look) {
               look.host.units["nvidia-fabricmanager.service"] = {
                   "loaded", "failed", "enabled"};
             }},
        Case{"gpu.lost", Severity::kBad, "Xid (PCI:0000:00:1e): 79",
             [](DoctorLook& look) {
               log(look,
                   "NVRM: Xid (PCI:0000:00:1e): 79, GPU has fallen off the "
                   "bus.\n");
             }},
        Case{"gpu.lost", Severity::kBad, "config is all ones",
             [](DoctorLook& look) {
               look.host.gpus[0].condition.is_lost = true;
               log(look,
                   "NVRM: Xid (PCI:0000:00:1e): 79, GPU has fallen off the "
                   "bus.\n");
             }},
        Case{"gpu.region", Severity::kBad, "resource has a region",
             [](DoctorLook& look) {
               look.host.gpus[0].condition.memory = procfs::PciMemory::kLacking;
             }},
        Case{"gpu.region", Severity::kBad, "PCI I/O region",
             [](DoctorLook& look) {
               log(look,
                   "NVRM: This PCI I/O region assigned to your NVIDIA device "
                   "is invalid:\n");
             }},
        Case{"gpu.held", Severity::kBad, "probe routine",
             [](DoctorLook& look) {
               log(look,
                   "NVRM: The NVIDIA probe routine was not called for 1 "
                   "device(s).\n");
             }},
        Case{"gpu.init", Severity::kBad, "RmInitAdapter",
             [](DoctorLook& look) {
               log(look,
                   "NVRM: GPU 0000:00:1e.0: RmInitAdapter failed! "
                   "(0x24:0xffff:1)\n");
             }},
        Case{"gpu.xid", Severity::kWarning, "48",
             [](DoctorLook& look) {
               log(look, "NVRM: Xid (PCI:0000:00:1e): 48, DBE\n");
             }},
        Case{"gpu.xid", Severity::kNote, "13",
             [](DoctorLook& look) {
               log(look, "NVRM: Xid (PCI:0000:00:1e): 13, pid=1, name=a\n");
             }},
        Case{"gpu.nouveau", Severity::kBad, "nouveau",
             [](DoctorLook& look) { look.host.gpus[0].driver = "nouveau"; }}));

TEST(Pains, AFlavourThatIsLoadedByNowIsNotAskedForAgain) {
  EXPECT_THAT(found_after([](DoctorLook& look) {
                log(look,
                    "NVRM: The NVIDIA GPU 0000:00:1e.0 (PCI ID: 10de:2901)\n"
                    "NVRM: installed in this system requires use of the NVIDIA "
                    "open kernel modules.\n");
              }),
              IsEmpty());
}

TEST(Pains, AReloadIsAdvisedWithAllThatMustStopForIt) {
  const auto mismatch = [](DoctorLook& look) {
    look.host.driver.library = "580.95.05";
    for (const char* unit :
         {"gpunode-agent.service", "nvidia-dcgm.service",
          "nvidia-fabricmanager.service", "nvidia-persistenced.service"}) {
      look.host.units[unit] = {"loaded", "active", "enabled"};
    }
    look.host.units["nvidia-imex.service"] = {"loaded", "inactive", "enabled"};
  };
  const Findings found = found_after(mismatch);
  ASSERT_THAT(found, testing::Not(IsEmpty()));
  EXPECT_THAT(found[0].next,
              AllOf(HasSubstr("systemctl stop gpunode-agent nvidia-dcgm "
                              "nvidia-fabricmanager nvidia-persistenced &&"),
                    HasSubstr("systemctl start nvidia-persistenced "
                              "nvidia-fabricmanager nvidia-dcgm "
                              "gpunode-agent`")));
}

TEST(Pains, WhatWasMendedSinceIsNotTold) {
  EXPECT_THAT(found_after([](DoctorLook& look) {
                log(look,
                    "Loading of unsigned module is rejected\n"
                    "nvidia: version magic '1' should be '2'\n"
                    "NVRM: API mismatch: the client 'x' (pid 1)\n"
                    "NVRM: has the version 580.65.06, but this kernel module "
                    "has\nNVRM: the version 570.1.  Please make sure\n");
              }),
              IsEmpty());
  EXPECT_THAT(found_after([](DoctorLook& look) {
                look.builds = {build_of(kRunning, "x.c:1: error: y")};
                look.builds[0].has_module = true;
              }),
              IsEmpty());
}

TEST(Pains, OfAHostThatHasNoDriverYetThereAreNone) {
  EXPECT_THAT(found_after([](DoctorLook& look) {
                look.host.driver = {};
                look.host.gpus[0].driver = "nouveau";
                look.kernels = {};
                look.kernels.running = kRunning;
                for (auto& image : look.host.kernels.images) {
                  image.module = {};
                  image.has_devel = false;
                }
              }),
              IsEmpty());
}

facts::FstabLine line(const std::string& source, const std::string& target,
                      const std::string& options = "defaults") {
  return {source, target, "xfs", options, 0, 7};
}

INSTANTIATE_TEST_SUITE_P(
    Storage, Pain,
    testing::Values(
        Case{"disk.names", Severity::kWarning, "/etc/fstab:7: /dev/nvme1n1",
             [](DoctorLook& look) {
               look.host.fstab = {line("/dev/nvme1n1", "/data")};
               look.host.storage.disks = {disk("/dev/nvme1n1")};
             }},
        Case{"disk.partition", Severity::kBad, "/dev/nvme0n11",
             [](DoctorLook& look) {
               look.host.fstab = {line("/dev/nvme0n11", "/data")};
               look.host.storage.disks = {disk("/dev/nvme0n1")};
             }},
        Case{"disk.missing", Severity::kBad, "UUID=1",
             [](DoctorLook& look) {
               mount(look, "/");
               look.host.machine.cloud = "aws";
               look.host.units["containerd.service"].active_state = "inactive";
               look.host.fstab = {line("UUID=1", "/var/lib/containerd")};
             }},
        Case{"runtime.order", Severity::kBad, "UUID=1",
             [](DoctorLook& look) {
               mount(look, "/");
               look.host.fstab = {line("UUID=1", "/var/lib/containerd/")};
             }},
        Case{"xfs.ftype", Severity::kBad, "d_type", [](DoctorLook& look) {
               log(look, "overlayfs: upper fs needs to support d_type.\n");
             }}));

TEST(Pains, AreNotSeenInMountsAsTheyShouldBe) {
  EXPECT_THAT(found_after([](DoctorLook& look) {
                mount(look, "/");
                mount(look, "/var/lib/containerd");
                look.host.fstab = {
                    line("UUID=0", "/"), line("UUID=1", "/var/lib/containerd"),
                    line("UUID=2", "/backup"),
                    line("UUID=3", "/var/lib/docker", "noauto,nofail")};
              }),
              IsEmpty());
  // Another root: nothing is mounted there.
  EXPECT_THAT(found_after([](DoctorLook& look) {
                look.host.fstab = {line("UUID=1", "/var/lib/containerd")};
              }),
              IsEmpty());
}

constexpr const char* kGoodToml = R"(version = 2
disabled_plugins = []
[plugins."io.containerd.grpc.v1.cri".containerd]
default_runtime_name = "nvidia"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nvidia]
runtime_type = "io.containerd.runc.v2"
)";

INSTANTIATE_TEST_SUITE_P(
    Runtime, Pain,
    testing::Values(
        Case{"cri.disabled", Severity::kBad, "config.toml:1",
             [](DoctorLook& look) {
               containerd(look, "disabled_plugins = [\"cri\"]\n");
             }},
        Case{"runtime.default", Severity::kBad, "default_runtime_name",
             [](DoctorLook& look) {
               containerd(look,
                          "version = 3\n[plugins.\"io.containerd.cri.v1."
                          "runtime\".containerd]\ndefault_runtime_name = "
                          "\"nvidia\"\n");
             }},
        Case{"runtime.default", Severity::kWarning, "runtimes without one",
             [](DoctorLook& look) {
               look.host.packages["nvidia-container-toolkit"] = {"1.17"};
               containerd(look,
                          "version = 2\n[plugins.\"io.containerd.grpc.v1."
                          "cri\".containerd.runtimes.runc]\nruntime_type = "
                          "\"x\"\n");
             }},
        Case{"runtime.config", Severity::kBad, "config.toml:1",
             [](DoctorLook& look) { containerd(look, "a = = b\n"); }},
        Case{"runtime.device-links", Severity::kWarning, "/dev/char",
             [](DoctorLook& look) { look.has_device_links = false; }},
        Case{"selinux.labels", Severity::kBad, "unlabeled_t",
             [](DoctorLook& look) {
               look.host.machine.selinux_enforcing = true;
               look.host.trees["/var/lib/containerd"].selinux_label =
                   "system_u:object_r:unlabeled_t:s0";
             }},
        Case{"join.unfinished", Severity::kWarning, "bootstrap-kubelet.conf",
             [](DoctorLook& look) { look.is_joining = true; }},
        Case{"files.writable", Severity::kBad, "/usr/bin/runc",
             [](DoctorLook& look) {
               look.writable_programs = {"/usr/bin/runc"};
             }}));

TEST(Pains, AreNotSeenInAGoodConfiguration) {
  EXPECT_THAT(found_after([](DoctorLook& look) {
                look.host.packages["nvidia-container-toolkit"] = {"1.17"};
                containerd(look, kGoodToml);
              }),
              IsEmpty());
  // Drop-ins may have what the file lacks.
  EXPECT_THAT(found_after([](DoctorLook& look) {
                look.host.packages["nvidia-container-toolkit"] = {"1.17"};
                containerd(look,
                           "version = 2\nimports = [\"/x/*.toml\"]\n[plugins."
                           "\"io.containerd.grpc.v1.cri\".containerd]\n"
                           "default_runtime_name = \"nvidia\"\n");
              }),
              IsEmpty());
  // Docker's own host, no kubelet.
  EXPECT_THAT(found_after([](DoctorLook& look) {
                look.host.units.erase("kubelet.service");
                containerd(look, "disabled_plugins = [\"cri\"]\n");
              }),
              IsEmpty());
  EXPECT_THAT(found_after([](DoctorLook& look) {
                look.host.machine.selinux_enforcing = true;
                look.host.trees["/var/lib/containerd"].selinux_label =
                    "system_u:object_r:container_var_lib_t:s0";
              }),
              IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(
    Repository, Pain,
    testing::Values(
        Case{"repository.kubernetes", Severity::kWarning, "apt.kubernetes.io",
             [](DoctorLook& look) {
               look.host.files["/etc/apt/sources.list.d/k.list"].content =
                   "# old\ndeb https://apt.kubernetes.io/ kubernetes-xenial "
                   "main\n";
             }},
        Case{"repository.toolkit", Severity::kWarning, "nvidia-docker",
             [](DoctorLook& look) {
               look.host.files["/etc/yum.repos.d/n.repo"].content =
                   "[n]\nbaseurl=https://nvidia.github.io/nvidia-docker/x\n"
                   "enabled=1\n";
             }},
        Case{"repository.key", Severity::kWarning, "NO_PUBKEY",
             [](DoctorLook& look) {
               look.packages = {{"/var/log/apt/term.log",
                                 {PackageFault::kKey, "W: NO_PUBKEY A4B4"}}};
             }},
        Case{"packages.modular", Severity::kWarning, "modular filtering",
             [](DoctorLook& look) {
               look.packages = {
                   {"/var/log/dnf.log",
                    {PackageFault::kModular, "by modular filtering"}}};
             }},
        Case{"kernel.headers", Severity::kWarning, "kernel-devel",
             [](DoctorLook& look) {
               look.packages = {
                   {"/var/log/dnf.log",
                    {PackageFault::kNoDevel, "nothing provides kernel-devel"}}};
             }}));

TEST(Pains, AreNotSeenInRepositoriesThatAreSwitchedOff) {
  EXPECT_THAT(
      found_after([](DoctorLook& look) {
        look.host.files["/etc/yum.repos.d/k.repo"].content =
            "[a]\nenabled=1\nbaseurl=https://pkgs.k8s.io/x\n[k]\nenabled=0\n"
            "baseurl=https://packages.cloud.google.com/yum/repos/kubernetes\n";
        look.host.files["/etc/apt/sources.list"].content =
            "# deb https://apt.kubernetes.io/ kubernetes-xenial main\n";
        look.host.files["/etc/motd"].content = "apt.kubernetes.io";
      }),
      IsEmpty());
}

TEST(Pains, ComeWithTheWorstFirst) {
  const Findings found = found_after([](DoctorLook& look) {
    log(look, "NVRM: Xid (PCI:0000:00:1e): 13, pid=1, name=a\n");
    look.has_device_links = false;
    look.writable_programs = {"/usr/bin/runc"};
  });
  ASSERT_THAT(found, SizeIs(3));
  EXPECT_EQ(found[0].check, "files.writable");
  EXPECT_EQ(found[1].check, "runtime.device-links");
  EXPECT_EQ(found[2].check, "gpu.xid");
}

}  // namespace
}  // namespace gpunode::diagnose
