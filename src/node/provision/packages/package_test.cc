#include "node/provision/packages/package.h"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "node/provision/packages/plan_applier.h"
#include "node/provision/packages/transaction_policy.h"

namespace gpunode::packages {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

PackageChange change(ChangeKind kind, const std::string& name,
                     const std::string& old_version,
                     const std::string& new_version) {
  return {kind, name, "all", old_version, new_version, "", std::nullopt};
}

Observation installed(const std::map<std::string, std::string>& versions) {
  Observation observation;
  for (const auto& [name, version] : versions) {
    observation.installed.push_back({name, version, "all"});
  }
  return observation;
}

TEST(Package, TheInverseOfEveryChange) {
  const Transaction inverse =
      inverse_of({change(ChangeKind::kInstall, "new", "", "1"),
                  change(ChangeKind::kUpgrade, "up", "1", "2"),
                  change(ChangeKind::kRemove, "gone", "3", "")});
  EXPECT_THAT(inverse.remove, ElementsAre(Wanted{"new", "1"}));
  EXPECT_THAT(inverse.install,
              ElementsAre(Wanted{"up", "1"}, Wanted{"gone", "3"}));
  EXPECT_TRUE(inverse.may_downgrade);
}

TEST(Package, AKernelBesideAnotherIsOneChange) {
  Observation before;
  before.installed = {{"kernel-core", "5.14-1", "x86_64"}};
  Observation after = before;
  after.installed.push_back({"kernel-core", "5.14-2", "x86_64"});
  const auto changes = changes_between(before, after);
  ASSERT_THAT(changes, SizeIs(1));
  EXPECT_EQ(changes[0].kind, ChangeKind::kInstall);
  EXPECT_THAT(inverse_of(changes).remove,
              ElementsAre(Wanted{"kernel-core", "5.14-2"}))
      << "and not the one that was there before";
}

TEST(Package, ChangesLeadFromOneDatabaseToTheOther) {
  using Versions = std::map<std::string, std::string>;
  const auto names = [](const std::map<int, int>& numbers) {
    Versions versions;
    for (const auto& [name, version] : numbers) {
      versions["p" + std::to_string(name % 8)] = std::to_string(version % 3);
    }
    return versions;
  };
  EXPECT_TRUE(
      rc::check([&](const std::map<int, int>& a, const std::map<int, int>& b) {
        const Versions old_ones = names(a);
        const Versions new_ones = names(b);
        Versions made = old_ones;
        const auto changes =
            changes_between(installed(old_ones), installed(new_ones));
        for (const PackageChange& one : changes) {
          if (one.new_version.empty()) {
            made.erase(one.name);
          } else {
            made[one.name] = one.new_version;
          }
        }
        RC_ASSERT(made == new_ones);
        // And their inverse back again.
        const Transaction back = inverse_of(changes);
        for (const Wanted& one : back.remove) made.erase(one.name);
        for (const Wanted& one : back.install) made[one.name] = one.version;
        RC_ASSERT(made == old_ones);
      }));
}

TEST(Package, WordsThatAToolWouldTakeForSomethingElse) {
  for (const char* bad : {"", "-y", "--root=/", "a b", "a*", "a;b", "a\nb",
                          "$(x)", "/etc/passwd", "a?", "[a]", "a=b", "!a"}) {
    EXPECT_FALSE(check_names({bad})) << bad;
    EXPECT_FALSE(check_words({{{"good", std::string(bad) + "*"}}, {}})) << bad;
    EXPECT_FALSE(check_words({{}, {{bad}}})) << bad;
  }
  for (const char* good : {"libc6", "g++", "libstdc++6:i386", "python3.11",
                           "NetworkManager", "kernel-core", "lib_x"}) {
    EXPECT_TRUE(check_names({good})) << good;
  }
  EXPECT_TRUE(
      check_words({{{"a", "1:2.3-4~rc1+deb12u1"}, {"b", "3^git1-1"}}, {}}));
}

TEST(TransactionPolicy, NeverRemovesWhatTheMachineNeeds) {
  for (const char* vital :
       {"linux-image-6.1.0-18-amd64", "kernel-core", "grub-efi-amd64-signed",
        "shim-x64", "systemd", "libc6:i386", "glibc", "dpkg", "kernel-default",
        "dracut", "linux-modules-6.8.0-1012-aws"}) {
    TransactionPlan plan;
    plan.request.remove = {{vital}};
    plan.changes = {change(ChangeKind::kRemove, vital, "1", "")};
    const auto verdict = check_transaction(plan, {{"*"}, {}});
    ASSERT_FALSE(verdict) << vital;
    EXPECT_EQ(verdict.error().code(), ErrorCode::kUnsupported);
    EXPECT_THAT(verdict.error().message(),
                HasSubstr(std::string(vital) + " 1"));
  }
  for (const char* other :
       {"kernel-devel", "linux-headers-6.1.0-18-amd64", "nvidia-driver-580",
        "linux-modules-nvidia-580-server-6.8.0-1012-aws", "dkms",
        "kernel-default-devel", "glibc-devel"}) {
    EXPECT_FALSE(is_protected(other)) << other;
  }
}

TEST(TransactionPolicy, RemovesWhatANodeNeedsOnlyWhereItIsNamed) {
  for (const char* needed :
       {"kubelet", "containerd.io", "containerd", "lvm2"}) {
    TransactionPlan plan;
    plan.request.remove = {{"socat"}};
    plan.changes = {change(ChangeKind::kRemove, "socat", "1", ""),
                    change(ChangeKind::kRemove, needed, "1", "")};
    const auto verdict = check_transaction(plan, {{"*"}, {}});
    ASSERT_FALSE(verdict) << needed;
    EXPECT_THAT(verdict.error().message(),
                HasSubstr(std::string(needed) + " 1"));
    plan.request.remove.push_back({needed});
    EXPECT_TRUE(check_transaction(plan, {})) << needed;
  }
}

TEST(TransactionPolicy, RemovesOnlyWhatWasAskedOrAllowed) {
  TransactionPlan plan;
  plan.request.remove = {{"cuda-keyring", "1"}};
  plan.changes = {change(ChangeKind::kRemove, "cuda-keyring", "1", ""),
                  change(ChangeKind::kRemove, "libnvidia-gl", "5", ""),
                  change(ChangeKind::kInstall, "nvidia-open", "", "6")};
  const auto refused = check_transaction(plan, {});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("libnvidia-gl 5"));
  EXPECT_THAT(refused.error().message(), Not(HasSubstr("cuda-keyring")));
  EXPECT_TRUE(check_transaction(plan, {{"libnvidia-*"}, {}}));
  plan.changes[0].old_version = "2";
  EXPECT_FALSE(check_transaction(plan, {{"libnvidia-*"}, {}}))
      << "another version was asked for";
}

TEST(TransactionPolicy, OlderVersionsOnlyWhereAskedFor) {
  TransactionPlan plan;
  plan.request.install = {{"nvidia-open", "5"}};
  plan.changes = {change(ChangeKind::kDowngrade, "nvidia-open", "6", "5")};
  EXPECT_TRUE(check_transaction(plan, {}));
  plan.changes.push_back(change(ChangeKind::kDowngrade, "openssl", "3", "1"));
  EXPECT_FALSE(check_transaction(plan, {}));
  EXPECT_TRUE(check_transaction(plan, {{}, {"openssl"}}));
}

/// A package database that does what it is told, or less.
struct Tool1 {
  Observation now;
  std::vector<PackageChange> answer;
  int runs = 0;
  bool does_nothing = false;

  PlanSteps steps() {
    return {[this]() -> Result<Observation> { return now; },
            [this](const Transaction&) -> Result<std::vector<PackageChange>> {
              return answer;
            },
            [this](const Transaction& exact) -> Result<void> {
              ++runs;
              if (does_nothing) return {};
              for (const Wanted& one : exact.install) {
                now.installed.push_back({one.name, one.version, "all"});
              }
              return {};
            },
            {}};
  }
};

TEST(PlanApplier, RunsWhatWasPlannedAndTellsWhatChanged) {
  TransactionPlan plan;
  plan.request.install = {{"a", ""}};
  plan.changes = {change(ChangeKind::kInstall, "a", "", "1"),
                  change(ChangeKind::kInstall, "dep", "", "2")};
  EXPECT_THAT(pinned(plan).install,
              ElementsAre(Wanted{"a", "1"}, Wanted{"dep", "2"}));
  EXPECT_THAT(new_dependencies(plan, {}), ElementsAre("dep"));
  Tool1 tool;
  tool.answer = plan.changes;
  const Applied applied = apply_plan(plan, tool.steps());
  EXPECT_TRUE(applied.outcome);
  EXPECT_THAT(applied.changed, SizeIs(2));
  EXPECT_EQ(tool.runs, 1);
}

TEST(PlanApplier, DoesNotRunAPlanThatChanged) {
  TransactionPlan plan;
  plan.changes = {change(ChangeKind::kInstall, "a", "", "1")};
  Tool1 tool;
  tool.answer = {change(ChangeKind::kInstall, "a", "", "2")};
  const Applied applied = apply_plan(plan, tool.steps());
  ASSERT_FALSE(applied.outcome);
  EXPECT_EQ(applied.outcome.error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(tool.runs, 0);
}

TEST(PlanApplier, BelievesTheDatabaseAndNotTheExitStatus) {
  TransactionPlan plan;
  plan.changes = {change(ChangeKind::kInstall, "a", "", "1")};
  Tool1 tool;
  tool.answer = plan.changes;
  tool.does_nothing = true;
  const Applied applied = apply_plan(plan, tool.steps());
  ASSERT_FALSE(applied.outcome);
  EXPECT_THAT(applied.outcome.error().message(),
              HasSubstr("did not install a 1"));
  EXPECT_THAT(applied.changed, IsEmpty());
}

TEST(PlanApplier, AnEmptyPlanAsksNobody) {
  Tool1 tool;
  EXPECT_TRUE(apply_plan({}, tool.steps()).outcome);
  EXPECT_EQ(tool.runs, 0);
}

}  // namespace
}  // namespace gpunode::packages
