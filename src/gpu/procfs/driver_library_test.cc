#include "gpu/procfs/driver_library.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::procfs {
namespace {

using testing::ElementsAre;

constexpr std::string_view kNvml = "libnvidia-ml.so.1";

class DriverLibraryIn : public testing::TestWithParam<const char*> {};

TEST_P(DriverLibraryIn, IsFoundUnderAMountedRoot) {
  const std::string directory = GetParam();
  const host::HostTree host{
      {"usr/share/doc/x", ""},
      {directory + "/libnvidia-ml.so.1", "elf"},
  };
  EXPECT_EQ(find_driver_library(host.root(), kNvml).path,
            host.path(directory + "/libnvidia-ml.so.1"));
}

INSTANTIATE_TEST_SUITE_P(
    EveryLayout, DriverLibraryIn,
    testing::Values("usr/lib64", "usr/lib/x86_64-linux-gnu",
                    "usr/lib/aarch64-linux-gnu", "lib64",
                    "lib/x86_64-linux-gnu", "usr/local/nvidia/lib64",
                    "home/kubernetes/bin/nvidia/lib64",
                    "usr/lib/x86_64-linux-gnu/nvidia/current"));

TEST(DriverLibrary, LinksAreFollowedInsideTheRoot) {
  const host::HostTree host{
      {"opt/driver/libnvidia-ml.so.545.23.08", "elf"},
  };
  host.directory("usr/lib64");
  // Absolute on the host, so it means the root's /opt, not ours.
  host.link("usr/lib64/libnvidia-ml.so.1",
            "/opt/driver/libnvidia-ml.so.545.23.08");
  EXPECT_EQ(find_driver_library(host.root(), kNvml).path,
            host.path("opt/driver/libnvidia-ml.so.545.23.08"));
}

TEST(DriverLibrary, ALinkOutOfTheRootIsNotFollowedOutside) {
  const host::HostTree outside{{"libnvidia-ml.so.1", "elf"}};
  const host::HostTree host;
  host.directory("usr/lib64");
  host.link("usr/lib64/libnvidia-ml.so.1", outside.path("libnvidia-ml.so.1"));
  const DriverLibrary found = find_driver_library(host.root(), kNvml);
  EXPECT_EQ(found.path, kNvml);
  EXPECT_THAT(found.looked_in,
              ElementsAre(host.path("usr/lib64/libnvidia-ml.so.1") +
                          " (a link that leads nowhere)"));
}

TEST(DriverLibrary, AbsentEverywhereIsLeftToTheLinkerAndTellsWhereItLooked) {
  const host::HostTree host;
  host.directory("usr/lib64");
  host.directory("usr/lib/x86_64-linux-gnu");
  host.link("lib64", "usr/lib64");
  host.link("lib", "usr/lib");
  const DriverLibrary found = find_driver_library(host.root(), kNvml);
  EXPECT_EQ(found.path, kNvml);
  EXPECT_THAT(
      found.looked_in,
      ElementsAre(host.path("usr/lib64"), host.path("usr/lib/x86_64-linux-gnu"),
                  host.path("usr/lib")));
}

TEST(DriverLibrary, ARootThatIsNotMountedIsSaidSo) {
  const host::HostRoot root("/nonexistent-driver-root");
  const DriverLibrary found = find_driver_library(root, kNvml);
  EXPECT_EQ(found.path, kNvml);
  EXPECT_THAT(found.looked_in,
              ElementsAre("/nonexistent-driver-root (it has no library "
                          "directory; is the driver's root mounted there?)"));
}

TEST(DriverLibrary, ADirectoryOfThatNameIsNoLibrary) {
  const host::HostTree host;
  host.directory("usr/lib64/libnvidia-ml.so.1");
  EXPECT_EQ(find_driver_library(host.root(), kNvml).path, kNvml);
}

TEST(DriverLibrary, OfTheOwnRootIsTheLinkersToChoose) {
  // Any program's C library: in a system directory of every machine.
  const DriverLibrary found =
      find_driver_library(host::HostRoot("/"), "libc.so.6");
  EXPECT_EQ(found.path, "libc.so.6");
}

}  // namespace
}  // namespace gpunode::procfs
