// `gpunode apply` and `rollback` of NVIDIA's driver as runs of the whole
// program, with the real apt and dnf: from the repository to loaded modules.
#include <string>
#include <utility>
#include <vector>

#include "tests/packages/program_host.h"

namespace gpunode::packages {
namespace {

using host::Completed;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kVersion = "580.95.05";

class WholeRun : public ::testing::TestWithParam<Tool> {
 protected:
  void SetUp() override {
    const std::string obstacle = ProgramHost::obstacle();
    if (!obstacle.empty()) GTEST_SKIP() << obstacle;
  }

  static std::vector<std::string> apply() {
    std::vector<std::string> words = {"apply", "--yes"};
    for (const char* step : {"driver.repository", "driver.packages",
                             "driver.hold", "driver.modules", "driver.load"}) {
      words.emplace_back("--only");
      words.emplace_back(step);
    }
    return words;
  }

  static void expect_good(const Completed& done) {
    EXPECT_EQ(done.status, 0) << done.out << done.err;
  }
};

TEST_P(WholeRun, BringsTheDriverTakesItAwayAndIsNoOtherForBeingKilled) {
  const ProgramHost host(GetParam());
  host.spec(kVersion);
  const auto before = host.files();
  const std::string packages_before = host.packages();
  expect_good(host.run(apply()));
  EXPECT_THAT(host.packages(), HasSubstr(kVersion));
  EXPECT_THAT(host.text("/proc/modules"), HasSubstr("nvidia_uvm 1"));
  EXPECT_THAT(host.text("/proc/driver/nvidia/version"), HasSubstr(kVersion));
  const auto done = host.files();
  const std::string done_packages = host.packages();
  EXPECT_NE(done, before);
  const Completed again = host.run(apply());
  expect_good(again);
  EXPECT_THAT(again.out, HasSubstr("0 to change"));
  EXPECT_EQ(host.files(), done);

  const Completed back = host.run({"rollback", "--yes"});
  expect_good(back);
  EXPECT_THAT(back.out,
              AllOf(HasSubstr("driver.packages"), HasSubstr("(compensated)")));
  EXPECT_EQ(host.files(), before);
  // Keys of rpm's are among them.
  EXPECT_EQ(host.packages(), packages_before);
  EXPECT_THAT(host.text("/proc/modules"), Not(HasSubstr("nvidia")));

  // As the Steps of holding, building and loading begin.
  const bool is_apt = GetParam() == Tool::kApt;
  const std::vector<std::pair<std::string, std::string>> kills = {
      {is_apt ? "usr/bin/apt-mark" : "usr/bin/dnf",
       is_apt ? "hold" : "versionlock add"},
      {"usr/sbin/dkms", "build"},
      {"usr/sbin/modprobe", ""}};
  for (const auto& [program, word] : kills) {
    const ProgramHost::Killer killer(host, program, word);
    const Completed killed = host.run(apply());
    EXPECT_EQ(killed.status, 137) << program << killed.out << killed.err;
  }
  expect_good(host.run(apply()));
  EXPECT_EQ(host.files(), done);
  EXPECT_EQ(host.packages(), done_packages);
  EXPECT_THAT(host.text("/proc/driver/nvidia/version"), HasSubstr(kVersion));
  EXPECT_THAT(host.run(apply()).out, HasSubstr("0 to change"));
}

// The packages are well, and the module of their version cannot be built.
TEST_P(WholeRun, ADriverThatCannotBeBuiltLeavesTheOneBeforeIt) {
  const ProgramHost host(GetParam());
  host.spec("580.65.06");
  expect_good(host.run(apply()));
  const std::string packages = host.packages();
  // As with a newer kernel than the driver knows.
  const std::string dkms = host.text("/layer/sbin/dkms");
  host.program("usr/sbin/dkms",
               "case \"$1 $5\" in \"build 580.95.05\") echo too new >&2; exit "
               "3;; esac\n" +
                   dkms);
  host.spec("580.95.05");
  const Completed failed = host.run(apply());
  EXPECT_NE(failed.status, 0);
  EXPECT_THAT(failed.out + failed.err,
              AllOf(HasSubstr("nvidia 580.95.05 cannot be built for"),
                    HasSubstr("too new"),
                    HasSubstr("the driver that was there is back, with its "
                              "modules")));
  EXPECT_EQ(host.packages(), packages);
  EXPECT_THAT(host.text("/proc/driver/nvidia/version"), HasSubstr("580.65.06"));
  host.spec("580.65.06");
  const Completed again = host.run(apply());
  expect_good(again);
  EXPECT_THAT(again.out, HasSubstr("0 to change"));
}

std::string name_of_tool(const ::testing::TestParamInfo<Tool>& info) {
  return info.param == Tool::kApt ? "Apt" : "Dnf";
}

INSTANTIATE_TEST_SUITE_P(Real, WholeRun,
                         ::testing::Values(Tool::kApt, Tool::kDnf),
                         name_of_tool);

}  // namespace
}  // namespace gpunode::packages
