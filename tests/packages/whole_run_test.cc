// `gpunode apply` and `rollback` of NVIDIA's driver as runs of the whole
// program, with the real apt and dnf: from the repository to loaded modules.
#include <sstream>
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

  static std::vector<std::string> apply(
      const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {"apply", "--yes"};
    std::vector<std::string> steps = {"driver.repository", "driver.packages",
                                      "driver.hold", "driver.modules",
                                      "driver.load"};
    steps.insert(steps.end(), more.begin(), more.end());
    for (std::string& step : steps) {
      words.emplace_back("--only");
      words.push_back(std::move(step));
    }
    return words;
  }

  /// Keys that rpm took out of a bundle's repository stay, as those that it
  /// takes out of a distribution's do.
  static std::string without_keys(const std::string& packages) {
    std::string rest;
    std::istringstream lines(packages);
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with("gpg-pubkey-")) rest += line + "\n";
    }
    return rest;
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

// The same file on both; the second host has no repository and no network, and
// all that its node needs of packages comes out of what was carried to it.
TEST_P(WholeRun, ABundleOfAnotherMachineIsEnoughWithoutTheInternet) {
  const std::string bundle = "  bundle: /srv/bundle\n";
  const ProgramHost online(GetParam());
  online.spec(kVersion, bundle);
  const Completed made = online.run({"bundle", "/srv/bundle"});
  ASSERT_EQ(made.status, 0) << made.out << made.err;
  EXPECT_THAT(made.out,
              AllOf(HasSubstr("\n  driver.packages: "),
                    HasSubstr("\n  kernel.build: "), Not(HasSubstr("LACKS"))));

  ProgramHost host(GetParam());
  host.spec(kVersion, bundle);
  host.go_offline();
  const auto before = host.files();
  const std::string packages_before = host.packages();
  const auto words = apply({"prep.bundle", "prep.packages", "kernel.build"});
  // Nothing has been carried over yet.
  const Completed empty = host.run(words);
  EXPECT_NE(empty.status, 0);
  EXPECT_THAT(empty.out + empty.err, HasSubstr("no bundle at /srv/bundle"));
  EXPECT_EQ(host.packages(), packages_before);

  online.carry("/srv/bundle", host);
  expect_good(host.run(words));
  const std::string packages = host.packages();
  // What dkms needs is in no list of ours.
  EXPECT_THAT(packages, AllOf(HasSubstr(kVersion), HasSubstr("ethtool"),
                              HasSubstr("dkms"), HasSubstr("patch")));
  EXPECT_THAT(host.text("/proc/driver/nvidia/version"), HasSubstr(kVersion));
  const Completed again = host.run(words);
  expect_good(again);
  EXPECT_THAT(again.out, HasSubstr("0 to change"));

  // Another version than it was made with is told before anything is done.
  host.spec("580.65.06", bundle);
  const Completed other = host.run(words);
  EXPECT_NE(other.status, 0);
  EXPECT_THAT(other.out + other.err,
              AllOf(HasSubstr("the bundle at /srv/bundle was made without"),
                    HasSubstr("in version 580.65.06")));
  EXPECT_EQ(host.packages(), packages);

  host.spec(kVersion, bundle);
  expect_good(host.run({"rollback", "--yes"}));
  EXPECT_EQ(without_keys(host.packages()), packages_before);
  EXPECT_EQ(host.files(), before);
}

std::string name_of_tool(const ::testing::TestParamInfo<Tool>& info) {
  return info.param == Tool::kApt ? "Apt" : "Dnf";
}

INSTANTIATE_TEST_SUITE_P(Real, WholeRun,
                         ::testing::Values(Tool::kApt, Tool::kDnf),
                         name_of_tool);

}  // namespace
}  // namespace gpunode::packages
