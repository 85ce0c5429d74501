#include "node/provision/preflight.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/fake_command_runner.h"
#include "base/host/host_tree.h"
#include "node/provision/preflight_facts.h"

namespace gpunode::provision {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30U;
constexpr std::int64_t kIn2026 = 1'790'000'000;

Plan plan_of(std::vector<Action> actions) {
  Plan plan;
  plan.steps.push_back({"a", "", "", {.actions = std::move(actions)}});
  return plan;
}

/// Room everywhere, and nobody in the way.
PreflightFacts good() {
  PreflightFacts facts;
  for (const char* path : {"/", "/etc", "/usr", "/var", "/boot"}) {
    facts.space[path] = {100 * kGiB, 1000, false};
  }
  facts.now = kIn2026;
  return facts;
}

std::vector<std::string> ids(const std::vector<Action>& actions,
                             const PreflightFacts& facts) {
  std::vector<std::string> found;
  for (const auto& one :
       preflight_obstacles(preflight_needs(plan_of(actions)), facts)) {
    EXPECT_THAT(one.why, Not(IsEmpty()));
    EXPECT_THAT(one.fix, HasSubstr("`")) << one.id << ": no command in it";
    found.push_back(one.id);
  }
  return found;
}

const std::vector<Action> kStorage = {MakeFilesystem{{{"m", "s", 1}}},
                                      WriteFile{"/etc/fstab", "x"}};
const std::vector<Action> kTools = {InstallPackages{{"socat"}}};
const std::vector<Action> kDriver = {InstallPackages{{"nvidia-driver=570"}}};

TEST(Preflight, NothingInTheWayAndNothingToDoAreFine) {
  EXPECT_THAT(ids(kStorage, good()), IsEmpty());
  EXPECT_THAT(ids(kDriver, good()), IsEmpty());
  PreflightFacts bad = good();
  bad.now = 0;
  bad.space["/var"] = {0, 0, true};
  EXPECT_THAT(ids({}, bad), IsEmpty());
}

TEST(Preflight, AsksOnlyForTheRoomThatIsNeeded) {
  PreflightFacts facts = good();
  facts.space["/usr"].available_bytes = 0;
  facts.space["/boot"].available_bytes = 0;
  EXPECT_THAT(ids(kStorage, facts), IsEmpty());
  EXPECT_THAT(ids(kTools, facts), ElementsAre("space-usr"));
  EXPECT_THAT(ids(kDriver, facts), ElementsAre("space-boot", "space-usr"));
  facts.space["/usr"].available_bytes = kGiB;
  EXPECT_THAT(ids(kTools, facts), IsEmpty());
  EXPECT_THAT(ids(kDriver, facts), ElementsAre("space-boot", "space-usr"));
}

TEST(Preflight, WhatSharesAFileSystemIsNeededTogether) {
  PreflightFacts facts = good();
  for (auto& [path, space] : facts.space) {
    space.available_bytes = 5 * kGiB;
    space.device = 1;
  }
  // 5 GiB for /usr, 2 for /var, and some for /boot.
  EXPECT_THAT(ids(kDriver, facts),
              ElementsAre("space-boot", "space-usr", "space-var"));
  for (auto& [path, space] : facts.space) space.available_bytes = 8 * kGiB;
  EXPECT_THAT(ids(kDriver, facts), IsEmpty());
}

TEST(Preflight, AnInitramfsIsWrittenBesideTheOldOne) {
  const std::vector<Action> kRebuild = {
      RunProgram{{"/usr/bin/dracut", "--force", "--kver", "6.1.0"}}};
  PreflightFacts facts = good();
  facts.space["/boot"].available_bytes = std::uint64_t{100} << 20U;
  EXPECT_THAT(ids(kRebuild, facts), ElementsAre("space-boot"));
  // What modules are built with lies below /usr.
  EXPECT_THAT(
      ids({InstallPackages{{"kernel-devel=5.14.0-1.el9", "gcc"}}}, facts),
      IsEmpty());
  EXPECT_THAT(ids({InstallPackages{{"kernel=5.14.0-1.el9"}}}, facts),
              ElementsAre("space-boot"));
  // As much as is free on a /boot of 1 GiB with three kernels.
  facts.space["/boot"].available_bytes = std::uint64_t{400} << 20U;
  EXPECT_THAT(ids(kRebuild, facts), IsEmpty());
  EXPECT_THAT(ids(kDriver, facts), IsEmpty());
}

TEST(Preflight, EvenAJournalNeedsRoomAndInodes) {
  PreflightFacts facts = good();
  facts.space["/var"].available_bytes = 1 << 20U;
  EXPECT_THAT(ids(kStorage, facts), ElementsAre("space-var"));
  facts.space["/var"] = {kGiB, 0, false};
  EXPECT_THAT(ids(kStorage, facts), ElementsAre("space-var"));
}

TEST(Preflight, AClusterIsAskedFirstWhereItIsJoinedLast) {
  const auto planned = [](const char* id, std::vector<Action> actions) {
    PlannedStep step;
    step.id = id;
    step.plan.actions = std::move(actions);
    return step;
  };
  JoinCluster join;
  join.endpoint = "10.0.0.10:6443";
  Plan plan;
  plan.steps = {planned("kubernetes.join", {join})};
  EXPECT_FALSE(preflight_needs(plan).join);  // It looks for itself.
  plan.steps.insert(plan.steps.begin(),
                    planned("prep.swap", {SetModule{"overlay", true}}));
  ASSERT_TRUE(preflight_needs(plan).join);
  EXPECT_EQ(preflight_needs(plan).join->endpoint, join.endpoint);
  PreflightFacts facts = good();
  facts.cluster = {"the token has expired", "make another"};
  const auto obstacles = preflight_obstacles(preflight_needs(plan), facts);
  ASSERT_THAT(obstacles, testing::SizeIs(1));
  EXPECT_EQ(obstacles[0].id, "cluster");
  EXPECT_THAT(obstacles[0].why, HasSubstr("the token has expired"));
  // A clock that is about to be set may be all that is wrong.
  plan.steps.insert(plan.steps.begin(),
                    planned("prep.time", {SetModule{"overlay", true}}));
  EXPECT_FALSE(preflight_needs(plan).join);
}

TEST(Preflight, AReadOnlyRootAndAWrongClockAreTold) {
  PreflightFacts facts = good();
  facts.space["/"].read_only = true;
  facts.now = 86'400;
  EXPECT_THAT(ids(kTools, facts), ElementsAre("root-read-only", "clock"));
  facts.now = std::int64_t{1} << 40U;
  EXPECT_THAT(ids(kTools, facts), ElementsAre("root-read-only", "clock"));
  // A disk that came back blank is made anew before any time service runs.
  EXPECT_THAT(ids(kStorage, facts), ElementsAre("root-read-only"));
}

TEST(Preflight, PackageToolsMatterOnlyToWhatUsesThem) {
  PreflightFacts facts = good();
  facts.lock_holders = {"apt-get -y upgrade (pid 5225)"};
  facts.half_configured = {{"libfoo", "dpkg --configure -a"}};
  EXPECT_THAT(ids(kStorage, facts), IsEmpty());
  EXPECT_THAT(ids(kTools, facts), ElementsAre("package-lock", "package-state"));
}

TEST(Preflight, WhatWasNotSeenIsNoObstacle) {
  EXPECT_THAT(ids(kDriver, {}), IsEmpty());
}

TEST(Preflight, BlocksWithEveryReasonButWhatIsIgnored) {
  PreflightFacts facts = good();
  facts.now = 0;
  facts.space["/var"].available_bytes = 0;
  const auto obstacles =
      preflight_obstacles(preflight_needs(plan_of(kTools)), facts);
  const PlannedStep step = preflight_step(obstacles, {});
  EXPECT_EQ(step.id, kPreflightId);
  EXPECT_EQ(step.plan.state, StepState::kBlocked);
  EXPECT_THAT(step.plan.why, HasSubstr("the year 1970"));
  EXPECT_THAT(step.plan.why, HasSubstr("/var has 0 MiB free"));
  EXPECT_THAT(step.plan.fix, HasSubstr("--ignore-preflight=space-var"));
  const PlannedStep one = preflight_step(obstacles, {"clock"});
  EXPECT_THAT(one.plan.why, Not(HasSubstr("1970")));
  EXPECT_THAT(one.plan.notes, SizeIs(1));
  EXPECT_EQ(preflight_step(obstacles, {"all"}).plan.state, StepState::kOk);
}

TEST(Preflight, AnIdThatIsNoneIsTold) {
  EXPECT_TRUE(check_preflight_ids({"clock", "all"}));
  const auto wrong = check_preflight_ids({"clok"});
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message(), HasSubstr("clock"));
}

TEST(PreflightFacts, AreOfTheHostUnderTheRoot) {
  const host::HostTree tree{{"proc/stat", "cpu 1 2\nbtime 1000\nprocesses 7\n"},
                            {"proc/uptime", "500.25 1.0\n"},
                            {"var/lib/x", ""}};
  host::FakeCommandRunner runner;
  facts::OsRelease os;
  os.id = "debian";
  const PreflightFacts seen = observe_preflight(
      tree.root(), runner, os, preflight_needs(plan_of(kTools)), true);
  EXPECT_EQ(seen.now, 1500);
  EXPECT_TRUE(seen.space.contains("/var"));
  EXPECT_FALSE(seen.space.contains("/boot"));
  EXPECT_THAT(seen.lock_holders, IsEmpty());
  EXPECT_THAT(runner.commands(), IsEmpty());
}

TEST(PreflightFacts, WhatDpkgLeftHalfWayIsInItsFiles) {
  const host::HostTree tree{
      {"var/lib/dpkg/updates/0001", ""},
      {"var/lib/dpkg/status",
       "Package: good\nStatus: install ok installed\nVersion: 1\n"
       "Architecture: amd64\n\n"
       "Package: bad\nStatus: install ok half-configured\nVersion: 2\n"
       "Architecture: amd64\nDescription: x\n Status: ok\n\n"
       "Package: gone\nStatus: deinstall ok config-files\nVersion: 3\n"
       "Architecture: amd64\n"}};
  host::FakeCommandRunner runner;
  facts::OsRelease os;
  os.id = "debian";
  const PreflightFacts seen = observe_preflight(
      tree.root(), runner, os, preflight_needs(plan_of(kTools)), true);
  ASSERT_THAT(seen.half_configured, SizeIs(2));
  EXPECT_THAT(seen.half_configured[0].what, HasSubstr("interrupted"));
  EXPECT_THAT(seen.half_configured[1].what, HasSubstr("bad 2"));
  EXPECT_EQ(seen.half_configured[1].remedy, "dpkg --configure -a");
  // What it wrote is hostile as any file.
  for (const char* text : {"", "\n\n\n", "Package: \n\nStatus: a\n",
                           "Package: x\nStatus: one\n\n", "Package: x\tz"}) {
    tree.file("var/lib/dpkg/status", text);
    EXPECT_THAT(observe_preflight(tree.root(), runner, os,
                                  preflight_needs(plan_of(kTools)), true)
                    .half_configured,
                SizeIs(1));
  }
}

}  // namespace
}  // namespace gpunode::provision
