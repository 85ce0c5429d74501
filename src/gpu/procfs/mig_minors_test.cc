#include "gpu/procfs/mig_minors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::procfs {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

TEST(MigMinors, ReadEveryKindOfLine) {
  const MigMinors minors = MigMinors::parse(
      "config 1\n"
      "monitor 2\n"
      "gpu0/gi0/access 3\n"
      "gpu0/gi0/ci0/access 4\n"
      "gpu12/gi14/ci7/access 2047");
  EXPECT_THAT(minors.problems(), IsEmpty());
  EXPECT_EQ(minors.config_path(), "/dev/nvidia-caps/nvidia-cap1");
  EXPECT_EQ(minors.monitor_path(), "/dev/nvidia-caps/nvidia-cap2");
  EXPECT_EQ(minors.gpu_instance_path({0}, 0), "/dev/nvidia-caps/nvidia-cap3");
  EXPECT_EQ(minors.compute_instance_path({0}, 0, 0),
            "/dev/nvidia-caps/nvidia-cap4");
  EXPECT_EQ(minors.compute_instance_path({12}, 14, 7),
            "/dev/nvidia-caps/nvidia-cap2047");
  EXPECT_EQ(minors.all(), (std::vector<unsigned>{1, 2, 3, 4, 2047}));
}

TEST(MigMinors, HaveNoPathForWhatIsNotListed) {
  const MigMinors minors = MigMinors::parse("gpu0/gi1/access 3\n");
  EXPECT_EQ(minors.gpu_instance_path({1}, 1), std::nullopt);
  EXPECT_EQ(minors.gpu_instance_path({0}, 0), std::nullopt);
  EXPECT_EQ(minors.compute_instance_path({0}, 1, 0), std::nullopt);
  EXPECT_EQ(minors.config_path(), std::nullopt);
}

class BadLine : public testing::TestWithParam<const char*> {};

TEST_P(BadLine, IsReportedAndCostsNoOther) {
  const MigMinors minors = MigMinors::parse(
      "gpu0/gi1/access 3\n" + std::string(GetParam()) + "\nmonitor 2\n");
  EXPECT_THAT(minors.problems(), SizeIs(1));
  EXPECT_EQ(minors.gpu_instance_path({0}, 1), "/dev/nvidia-caps/nvidia-cap3");
  EXPECT_EQ(minors.monitor_path(), "/dev/nvidia-caps/nvidia-cap2");
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, BadLine,
    testing::Values(
        "gpu", "gpu0", "gpu0/gi0", "gpu0/gi0/access", "gpu0/gi0/access ",
        "gpu0/gi0/access x", "gpu0/gi0/access -1", "gpu0/gi0/access 1 2",
        "gpu0/gi0/access  1", "gpuX/gi0/access 1", "gpu0/gi0/ci/access 1",
        "gpu0/gi0/ci0 1", "gpu0/gi0/ci0/accessory 1", "gpu-1/gi0/access 1",
        "gpu99999999999/gi0/access 1", "gpu0/gi0/access 99999999999", "config",
        " config 1", "GPU0/gi0/access 1"));

TEST(MigMinors, ReportALineByItsNumber) {
  EXPECT_EQ(MigMinors::parse("monitor 2\n\nwhat 3\n").problems().at(0),
            "/proc/driver/nvidia-caps/mig-minors:3: not a capability and its "
            "minor: what 3");
}

TEST(MigMinors, OfADriverWithoutMigAreNone) {
  const host::HostTree host;
  const auto minors = MigMinors::load(host.root());
  ASSERT_TRUE(minors);
  EXPECT_EQ(minors->config_path(), std::nullopt);
}

TEST(MigMinors, AreReadFromTheHostsProc) {
  const host::HostTree host{
      {"proc/driver/nvidia-caps/mig-minors", "config 1\n"}};
  const auto minors = MigMinors::load(host.root());
  ASSERT_TRUE(minors);
  EXPECT_EQ(minors->config_path(), "/dev/nvidia-caps/nvidia-cap1");
}

TEST(MigMinors, ThatCannotBeReadAreAnError) {
  const host::HostTree host;
  host.directory("proc/driver/nvidia-caps/mig-minors");
  EXPECT_FALSE(MigMinors::load(host.root()));
}

}  // namespace
}  // namespace gpunode::procfs
