#include "node/driver/kernel_packages.h"

#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::driver {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const distribution::Distribution& row(const char* id, const char* version) {
  const auto found = distribution::find_distribution(id, version);
  EXPECT_TRUE(found) << id;
  return **found;
}

facts::HostFacts host_with(const char* release, const char* compiler) {
  facts::HostFacts host;
  host.kernel.release = release;
  facts::KernelImage& image = host.kernels.images.emplace_back();
  image.release = release;
  image.compiler = compiler;
  return host;
}

TEST(KernelPackages, CompilersOfRealKernels) {
  EXPECT_EQ(compiler_of("gcc (GCC) 8.5.0 20210514 (Red Hat 8.5.0-20)"),
            (Compiler{"gcc", 8}));
  EXPECT_EQ(compiler_of("gcc-12 (Debian 12.2.0-14) 12.2.0"),
            (Compiler{"gcc-12", 12}));
  EXPECT_EQ(compiler_of("x86_64-linux-gnu-gcc-13 (Ubuntu 13.2.0-23ubuntu4) "
                        "13.2.0"),
            (Compiler{"x86_64-linux-gnu-gcc-13", 13}));
  EXPECT_EQ(compiler_of("gcc (SUSE Linux) 7.5.0"), (Compiler{"gcc", 7}));
  EXPECT_EQ(compiler_of("gcc14-gcc (GCC) 14.2.1 20250110"),
            (Compiler{"gcc14-gcc", 14}));
  EXPECT_EQ(compiler_of("gcc version 4.8.5 20150623 (Red Hat 4.8.5-44) (GCC)"),
            (Compiler{"gcc", 4}));
  EXPECT_EQ(compiler_of("gcc"), (Compiler{"gcc", 0}));
  EXPECT_EQ(compiler_of(""), Compiler());
  EXPECT_EQ(compiler_of("rm -rf 8.5"), Compiler());
}

// Node.md 0.6: devel alone, of exactly the target, and never "the newest".
TEST(KernelPackages, DevelIsExactlyTheKernels) {
  const facts::HostFacts none;
  const auto devel = [&](const char* id, const char* version,
                         const char* release) {
    return devel_package(row(id, version), none, release);
  };
  EXPECT_EQ(devel("rocky", "8.9", "4.18.0-513.5.1.el8_9.x86_64"),
            "kernel-devel=4.18.0-513.5.1.el8_9");
  EXPECT_EQ(devel("rocky", "9.4", "5.14.0-427.13.1.el9_4.x86_64"),
            "kernel-devel-matched=5.14.0-427.13.1.el9_4");
  EXPECT_EQ(devel("rhel", "9.4", "5.14.0-427.13.1.el9_4.aarch64+64k"),
            "kernel-64k-devel-matched=5.14.0-427.13.1.el9_4");
  EXPECT_EQ(devel("ol", "8.9", "5.15.0-200.131.27.el8uek.x86_64"),
            "kernel-uek-devel=5.15.0-200.131.27.el8uek");
  EXPECT_EQ(devel("amzn", "2023", "6.12.40-63.114.amzn2023.x86_64"),
            "kernel6.12-devel=6.12.40-63.114.amzn2023");
  EXPECT_EQ(devel("ubuntu", "22.04", "6.8.0-1015-aws"),
            "linux-headers-6.8.0-1015-aws");
  EXPECT_EQ(devel("debian", "12", "6.1.0-25-cloud-amd64"),
            "linux-headers-6.1.0-25-cloud-amd64");
  EXPECT_EQ(devel("sles", "15.6", "6.4.0-150600.23.7-default"),
            "kernel-default-devel=6.4.0-150600.23.7");
}

TEST(KernelPackages, SusesHasOneNumberMoreThanItsKernel) {
  facts::HostFacts host;
  host.packages["kernel-default"] = {"6.4.0-150600.23.7.3"};
  EXPECT_EQ(
      devel_package(row("sles", "15.6"), host, "6.4.0-150600.23.7-default"),
      "kernel-default-devel=6.4.0-150600.23.7.3");
  // Another one came last.
  host.packages["kernel-default"] = {"6.4.0-150600.23.70.1"};
  EXPECT_EQ(
      devel_package(row("sles", "15.6"), host, "6.4.0-150600.23.7-default"),
      "kernel-default-devel=6.4.0-150600.23.7");
}

TEST(KernelPackages, KernelsThemselves) {
  EXPECT_EQ(kernel_package(row("rocky", "9.4"), "5.14.0-427.13.1.el9_4.x86_64"),
            "kernel=5.14.0-427.13.1.el9_4");
  EXPECT_EQ(kernel_package(row("ol", "8.9"), "5.15.0-200.131.27.el8uek.x86_64"),
            "kernel-uek=5.15.0-200.131.27.el8uek");
  EXPECT_EQ(kernel_package(row("ubuntu", "22.04"), "6.8.0-1015-aws"),
            "linux-image-6.8.0-1015-aws");
  EXPECT_EQ(kernel_package(row("sles", "15.6"), "6.4.0-150600.23.7-default"),
            "kernel-default=6.4.0-150600.23.7");
}

TEST(KernelPackages, ToolsAreTheKernelsOwn) {
  const char* rocky = "4.18.0-513.5.1.el8_9.x86_64";
  facts::HostFacts host =
      host_with(rocky, "gcc (GCC) 8.5.0 20210514 (Red Hat 8.5.0-20)");
  EXPECT_THAT(
      missing_tools(row("rocky", "8.9"), host, rocky),
      ElementsAre("gcc", "gcc-c++", "make", "elfutils-libelf-devel", "dkms"));
  EXPECT_EQ(compiler_path(row("rocky", "8.9"), host, rocky), "");
  for (const char* name :
       {"gcc", "gcc-c++", "make", "elfutils-libelf-devel", "dkms"}) {
    host.packages[name] = {"1"};
  }
  EXPECT_THAT(missing_tools(row("rocky", "8.9"), host, rocky), IsEmpty());
}

// The system's gcc of Ubuntu 22.04 is 11, and this kernel's is 12.
TEST(KernelPackages, UbuntusNewerKernelsHaveANewerCompiler) {
  const char* release = "6.8.0-1015-aws";
  const facts::HostFacts host = host_with(
      release, "x86_64-linux-gnu-gcc-12 (Ubuntu 12.3.0-1ubuntu1~22.04) 12.3.0");
  const auto& ubuntu = row("ubuntu", "22.04");
  EXPECT_THAT(missing_tools(ubuntu, host, release), Contains("gcc-12"));
  EXPECT_THAT(missing_tools(ubuntu, host, release), Contains("g++-12"));
  EXPECT_EQ(compiler_path(ubuntu, host, release), "/usr/bin/gcc-12");
}

TEST(KernelPackages, OraclesUekNeedsAToolset) {
  const char* release = "5.15.0-200.131.27.el8uek.x86_64";
  const facts::HostFacts host =
      host_with(release, "gcc (GCC) 11.2.1 20220127 (Red Hat 11.2.1-9.2.0.1)");
  const auto& oracle = row("ol", "8.9");
  EXPECT_THAT(missing_tools(oracle, host, release),
              Contains("gcc-toolset-11-gcc"));
  EXPECT_EQ(compiler_path(oracle, host, release),
            "/opt/rh/gcc-toolset-11/root/usr/bin/gcc");
  EXPECT_EQ(devel_package(oracle, host, release),
            "kernel-uek-devel=5.15.0-200.131.27.el8uek");
  EXPECT_EQ(kernel_package(oracle, release),
            "kernel-uek=5.15.0-200.131.27.el8uek");
  // UEK 8 on 9.
  const char* eight = "6.12.0-100.28.2.el9uek.x86_64";
  const facts::HostFacts newer =
      host_with(eight, "gcc (GCC) 13.3.1 20240611 (Red Hat 13.3.1-2.1.0.1)");
  EXPECT_THAT(missing_tools(row("ol", "9.4"), newer, eight),
              Contains("gcc-toolset-13-gcc"));
  EXPECT_EQ(compiler_path(row("ol", "9.4"), newer, eight),
            "/opt/rh/gcc-toolset-13/root/usr/bin/gcc");
  // On Oracle Linux 9 it is the system's own.
  const auto& nine = row("ol", "9.4");
  EXPECT_THAT(missing_tools(nine, host, release),
              Not(Contains("gcc-toolset-11-gcc")));
}

TEST(KernelPackages, AmazonsNewKernelsNeedGcc14) {
  const char* release = "6.12.40-63.114.amzn2023.x86_64";
  const facts::HostFacts host =
      host_with(release, "gcc14-gcc (GCC) 14.2.1 20250110");
  EXPECT_THAT(missing_tools(row("amzn", "2023"), host, release),
              Contains("gcc14"));
  EXPECT_EQ(compiler_path(row("amzn", "2023"), host, release),
            "/usr/bin/gcc14-gcc");
}

TEST(KernelPackages, HoldersAreWhatBringsAnotherKernel) {
  facts::HostFacts host;
  host.kernel.release = "6.8.0-1015-aws";
  for (const char* name :
       {"linux-aws", "linux-image-aws", "linux-headers-aws",
        "linux-image-6.8.0-1015-aws", "linux-headers-6.8.0-1015-aws",
        "linux-image-6.8.0-1012-aws", "linux-modules-6.8.0-1015-aws",
        "linux-base", "linux-libc-dev", "linux-firmware", "gcc"}) {
    host.packages[name] = {"1"};
  }
  EXPECT_THAT(kernel_holders(host),
              ElementsAre("linux-aws", "linux-headers-aws", "linux-image-aws"));

  facts::HostFacts rocky;
  for (const char* name : {"kernel", "kernel-core", "kernel-modules",
                           "kernel-devel", "kernel-headers"}) {
    rocky.packages[name] = {"1"};
  }
  EXPECT_THAT(kernel_holders(rocky),
              ElementsAre("kernel", "kernel-core", "kernel-modules"));
}

TEST(KernelPackages, ArchivesAreToldWithTheLineToAdd) {
  facts::HostFacts host;
  host.os.id = "rocky";
  host.os.version_id = "8.9";
  host.kernel.machine = "x86_64";
  struct Case {
    const char* release;
    const char* point;
  };
  // The kernel's own point release: an update may bring one of the next.
  for (const Case& one : {Case{"4.18.0-513.5.1.el8_9.x86_64", "8.9"},
                          Case{"4.18.0-553.el8_10.x86_64", "8.10"},
                          Case{"4.18.0-80.el8.x86_64", "8.9"},
                          Case{"4.18.0-80.el8_x.x86_64", "8.9"}}) {
    EXPECT_THAT(
        archive_words(host, one.release),
        HasSubstr(fmt::format(
            "https://dl.rockylinux.org/vault/rocky/{}/AppStream/x86_64/os/",
            one.point)));
  }
  host.os.id = "debian";
  EXPECT_THAT(archive_words(host, "6.1.0-25-amd64"),
              HasSubstr("archive: YYYYMMDD"));
  host.os.id = "fedora";
  EXPECT_EQ(archive_words(host, "6.14.0-63.fc42.x86_64"),
            "install fedora-repos-archive");
  host.os.id = "opensuse-leap";
  EXPECT_EQ(archive_words(host, "6.4.0-150600.23.50-default"), "");
}

TEST(KernelPackages, ExtraModulesAreAPackageWhereCloudsHaveTheirOwnKernels) {
  EXPECT_EQ(extra_modules_package(row("ubuntu", "22.04"), "6.8.0-1021-aws"),
            "linux-modules-extra-6.8.0-1021-aws");
  EXPECT_EQ(extra_modules_package(row("amzn", "2023"),
                                  "6.12.37-61.105.amzn2023.x86_64"),
            "kernel6.12-modules-extra=6.12.37-61.105.amzn2023");
  EXPECT_EQ(extra_modules_package(row("amzn", "2023"),
                                  "6.1.144-170.251.amzn2023.x86_64"),
            "kernel-modules-extra=6.1.144-170.251.amzn2023");
  for (const char* id : {"rocky", "rhel"}) {
    EXPECT_EQ(extra_modules_package(row(id, "9"), "5.14.0-1.el9.x86_64"), "");
  }
  EXPECT_EQ(extra_modules_package(row("debian", "12"), "6.1.0-25-amd64"), "");
}

TEST(KernelPackages, HeadersFollowAKernelThatAnUpdateBrings) {
  facts::HostFacts host;
  const auto& debian = row("debian", "12");
  for (const char* name :
       {"linux-image-amd64", "linux-image-6.1.0-38-amd64", "linux-base",
        "linux-image-cloud-amd64", "linux-headers-cloud-amd64"}) {
    host.packages[name] = {"6.1.147-1"};
  }
  EXPECT_THAT(missing_followers(debian, host),
              ElementsAre("linux-headers-amd64"));
  host.packages["linux-headers-amd64"] = {"6.1.147-1"};
  EXPECT_THAT(missing_followers(debian, host), IsEmpty());
  // A hardware enablement kernel's meta package has digits at its end.
  facts::HostFacts ubuntu;
  ubuntu.packages["linux-image-generic-hwe-22.04"] = {"6.8"};
  EXPECT_THAT(missing_followers(row("ubuntu", "22.04"), ubuntu),
              ElementsAre("linux-headers-generic-hwe-22.04"));
  EXPECT_THAT(missing_followers(row("rocky", "8.9"), host), IsEmpty());
}

}  // namespace
}  // namespace gpunode::driver
