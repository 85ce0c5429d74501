#include "node/provision/package_forecast.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/host/fake_command_runner.h"
#include "node/provision/package_forecast_text.h"
#include "node/provision/plan_text.h"
#include "node/provision/run_json.h"

namespace gpunode::provision {
namespace {

using packages::ChangeKind;
using packages::PackageChange;
using packages::Transaction;
using packages::TransactionPlan;
using packages::Wanted;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;

PackageChange change(ChangeKind kind, const std::string& name,
                     const std::string& from, const std::string& to) {
  PackageChange change;
  change.kind = kind;
  change.name = name;
  change.old_version = from;
  change.new_version = to;
  return change;
}

PackageChange comes(const std::string& name, const std::string& version) {
  return change(ChangeKind::kInstall, name, "", version);
}

PackageChange goes(const std::string& name, const std::string& version) {
  return change(ChangeKind::kRemove, name, version, "");
}

facts::OsRelease distribution(const std::string& id, const std::string& name) {
  facts::OsRelease os;
  os.id = id;
  os.pretty_name = name;
  return os;
}

/// Answers from a table, by the first package that is wanted.
class ToldManager final : public packages::PackageManager {
 public:
  std::map<std::string, TransactionPlan> answers;
  std::vector<Transaction> asked;

  Result<TransactionPlan> simulate(const Transaction& wanted) override {
    asked.push_back(wanted);
    const auto found = answers.find(wanted.install.front().name);
    if (found == answers.end()) {
      return Error(ErrorCode::kNotFound,
                   "no package " + wanted.install.front().name);
    }
    TransactionPlan plan = found->second;
    plan.request = wanted;
    return plan;
  }

  packages::Tool tool() const override { return packages::Tool::kApt; }
  Result<packages::Observation> observe(
      const std::vector<std::string>& /*names*/) override {
    return changed();
  }
  Result<std::vector<packages::Candidate>> candidates(
      const std::vector<std::string>& /*names*/) override {
    return changed();
  }
  Result<void> refresh() override { return changed(); }
  packages::Applied apply(const TransactionPlan& /*plan*/) override {
    return {{}, changed()};
  }
  Result<void> trust(const std::string& /*key_file*/) override {
    return changed();
  }
  Result<std::vector<packages::Hold>> holds() override { return changed(); }
  Result<void> hold(const std::vector<std::string>& /*names*/) override {
    return changed();
  }
  Result<void> release(const std::vector<packages::Hold>& /*holds*/) override {
    return changed();
  }

 private:
  static Error changed() {
    ADD_FAILURE() << "a forecast only simulates";
    return {ErrorCode::kInternal, "a forecast only simulates"};
  }
};

PlannedStep step(const std::string& id, std::vector<Action> actions) {
  return {.id = id,
          .title = id,
          .reason = "",
          .plan = {.state = StepState::kChange, .actions = std::move(actions)}};
}

Plan plan_of(std::vector<PlannedStep> steps) {
  Plan plan;
  plan.steps = std::move(steps);
  return plan;
}

TransactionPlan chrony() {
  TransactionPlan plan;
  plan.request.install = {{"chrony"}, {"conntrack"}};
  plan.changes = {comes("chrony", "4.3-2"), comes("conntrack", "1.4.7-1"),
                  comes("libnetfilter-conntrack3", "1.0.9-3"),
                  change(ChangeKind::kUpgrade, "libc6", "2.36-9", "2.36-10")};
  plan.download_bytes = 2 * kMiB + kMiB / 10;
  plan.installed_bytes = static_cast<std::int64_t>(6 * kMiB);
  return plan;
}

std::string page_of(const Plan& plan, const PackageForecasts& forecasts) {
  return plan_page(plan, {.forecasts = forecasts}).render({});
}

TEST(PackageForecast, SaysWhatItFetchesAndTakes) {
  EXPECT_EQ(forecast_summary(chrony()),
            "4 packages, 2.1 MiB to fetch, 6.0 MiB on disk");
  TransactionPlan small = chrony();
  small.changes.resize(1);
  small.download_bytes = 1025;
  small.installed_bytes = -3 * static_cast<std::int64_t>(kMiB) * 1024 / 2;
  EXPECT_EQ(forecast_summary(small),
            "1 package, 2 KiB to fetch, 1.5 GiB freed on disk");
  small.download_bytes.reset();
  EXPECT_EQ(forecast_summary(small),
            "1 package, 1.5 GiB freed on disk, the rest of its sizes is not "
            "told");
  EXPECT_EQ(forecast_summary({}), "nothing to do, all of it is there");
}

TEST(PackageForecast, SaysWhatComesAlongAndWhatChanges) {
  TransactionPlan plan = chrony();
  plan.changes.push_back(goes("ntp", "4.2"));
  plan.changes.push_back(
      change(ChangeKind::kDowngrade, "libseccomp2", "2.6", "2.5"));
  plan.finishes = {"half-one"};
  EXPECT_THAT(
      forecast_details(plan),
      ElementsAre("comes along: libnetfilter-conntrack3 1.0.9-3",
                  "changes: libc6 2.36-9 to 2.36-10",
                  "becomes older: libseccomp2 2.6 to 2.5", "removes: ntp 4.2",
                  "finishes what was half installed: half-one"));
}

TEST(PackageForecast, OfManyCompanionsSomeAreNamedAndAllThatGo) {
  TransactionPlan plan;
  for (char c = 'a'; c < 'a' + 14; ++c) {
    plan.changes.push_back(comes(std::string(1, c), "1"));
    plan.changes.push_back(goes(std::string("old-") + c, "1"));
  }
  const auto lines = forecast_details(plan);
  ASSERT_THAT(lines, SizeIs(2));
  EXPECT_THAT(lines[0], HasSubstr("l 1, and 2 more"));
  EXPECT_THAT(lines[1], HasSubstr("old-n 1"));
}

TEST(PackageForecast, EachActionIsAskedAboutOnceInItsVersions) {
  ToldManager manager;
  manager.answers = {{"chrony", chrony()}, {"xfsprogs", {}}};
  const Plan plan = plan_of(
      {step("prep.time", {InstallPackages{{"chrony", "conntrack=1.4.7-1"}},
                          SetUnit{.unit = "chrony.service"}}),
       step("prep.packages", {InstallPackages{{"xfsprogs"}}})});
  const auto forecasts = forecast_packages(plan, manager);
  ASSERT_THAT(manager.asked, SizeIs(2));
  EXPECT_THAT(manager.asked[0].install,
              ElementsAre(Wanted{"chrony"}, Wanted{"conntrack", "1.4.7-1"}));
  const std::string page = page_of(plan, forecasts);
  EXPECT_THAT(page, HasSubstr("+ install chrony, conntrack=1.4.7-1: 4 "
                              "packages, 2.1 MiB to fetch, 6.0 MiB on disk\n"));
  EXPECT_THAT(page,
              HasSubstr("comes along: libnetfilter-conntrack3 1.0.9-3\n"));
  EXPECT_THAT(page, HasSubstr("Next: gpunode apply"));
  EXPECT_EQ(forecasts.find("prep.time", 1), nullptr);
  EXPECT_FALSE(forecasts.has_refusal());
}

TEST(PackageForecast, WhatWouldBeRefusedIsToldAsSuch) {
  ToldManager manager;
  TransactionPlan eater;
  eater.changes = {comes("chrony", "4"), goes("kubelet", "1.30.1")};
  manager.answers = {{"chrony", eater}};
  const Plan plan = plan_of({step("prep.time", {InstallPackages{{"chrony"}}})});
  const auto forecasts = forecast_packages(plan, manager);
  EXPECT_TRUE(forecasts.has_refusal());
  const std::string page = page_of(plan, forecasts);
  EXPECT_THAT(page, HasSubstr("x install chrony: change packages: refused: it "
                              "would remove what this machine needs: kubelet "
                              "1.30.1"));
  EXPECT_THAT(page, HasSubstr("Nothing is changed until what is marked x"));
  EXPECT_THAT(page, Not(HasSubstr("Next:")));
}

TEST(PackageForecast, AfterARepositoryChangesNothingIsAsked) {
  const std::vector<Action> changes = {
      WriteFile{.path = "/etc/apt/sources.list"},
      RemoveFile{.path = "/etc/yum.repos.d/epel.repo"},
      WriteFile{.path = "/etc/zypp/repos.d/hub.repo"},
      InstallPackages{{"epel-release"}},
      RunProgram{.argv = {"/usr/sbin/SUSEConnect"}}};
  for (const Action& change : changes) {
    ToldManager manager;
    manager.answers = {{"chrony", chrony()}, {"epel-release", {}}};
    const Plan plan =
        plan_of({step("prep.repositories", {change}),
                 step("prep.time", {InstallPackages{{"chrony"}}}),
                 step("prep.packages", {InstallPackages{{"chrony"}},
                                        InstallPackages{{"chrony"}}})});
    const auto forecasts = forecast_packages(plan, manager);
    EXPECT_FALSE(forecasts.find("prep.time", 0)->transaction)
        << describe(change);
    EXPECT_THAT(
        manager.asked,
        SizeIs(std::holds_alternative<InstallPackages>(change) ? 1 : 0));
    const std::string page = page_of(plan, forecasts);
    EXPECT_THAT(page,
                HasSubstr("sizes are not known (prep.time, prep.packages): a "
                          "repository is changed earlier in this plan\n"));
    EXPECT_THAT(page, HasSubstr("+ install chrony\n"));
  }
}

TEST(PackageForecast, WhatIsNotInTheIndexesIsNotKnown) {
  ToldManager manager;
  const Plan plan = plan_of({step("prep.time", {InstallPackages{{"chrony"}}})});
  const auto forecasts = forecast_packages(plan, manager);
  EXPECT_FALSE(forecasts.has_refusal());
  EXPECT_THAT(forecast_gaps(forecasts),
              ElementsAre("sizes are not known (prep.time): no package chrony "
                          "(by the indexes that are here; apply fetches new "
                          "ones)"));
}

/// A host whose programs take `each`, and more than they may.
class SlowRunner final : public host::CommandRunner {
 public:
  SlowRunner(FakeClock& clock, Duration each) : clock_(clock), each_(each) {}

  Result<host::Completed> run(const host::Command& command) override {
    commands.push_back(command);
    clock_.advance(std::min<Duration>(each_, command.timeout));
    return Error(ErrorCode::kUnavailable, "did not end in time");
  }

  std::vector<host::Command> commands;

 private:
  FakeClock& clock_;
  Duration each_;
};

TEST(PackageForecast, TheManagerIsAskedForALimitedTimeAndOnlyOfWhatIsHere) {
  const facts::OsRelease debian = distribution("debian", "Debian 12");
  FakeClock clock;
  SlowRunner runner(clock, std::chrono::seconds(15));
  std::vector<PlannedStep> steps;
  for (const char* id : {"a", "b", "c"}) {
    steps.push_back(step(id, {InstallPackages{{"chrony"}}}));
  }
  const auto forecasts =
      forecast_packages(plan_of(std::move(steps)), debian, runner, {}, clock);
  ASSERT_THAT(runner.commands, SizeIs(2)) << "the third is not asked";
  EXPECT_EQ(runner.commands[0].timeout, kForecastTime);
  EXPECT_EQ(runner.commands[1].timeout, std::chrono::seconds(5));
  EXPECT_THAT(runner.commands[0].argv,
              testing::IsSupersetOf(
                  {"/usr/bin/apt-get", "-s", "Dir::Cache::pkgcache="}));
  EXPECT_THAT(
      forecast_gaps(forecasts),
      ElementsAre(HasSubstr("sizes are not known (a, b): "),
                  HasSubstr("sizes are not known (c): resolve packages: the "
                            "package manager was asked for 20 s already")));
}

TEST(PackageForecast, NoToolRunsForAPlanThatInstallsNothing) {
  const facts::OsRelease debian = distribution("debian", "Debian 12");
  const FakeClock clock;
  host::FakeCommandRunner runner;
  EXPECT_THAT(forecast_packages(
                  plan_of({step("prep.swap", {SetSwap{.path = "/swap"}})}),
                  debian, runner, {}, clock)
                  .all,
              IsEmpty());
}

TEST(PackageForecast, AnUnknownDistributionIsSaid) {
  const facts::OsRelease other = distribution("plan9", "Plan 9");
  const FakeClock clock;
  host::FakeCommandRunner runner;
  const auto forecasts = forecast_packages(
      plan_of({step("prep.time", {InstallPackages{{"chrony"}}})}), other,
      runner, {}, clock);
  EXPECT_THAT(forecast_gaps(forecasts),
              ElementsAre("sizes are not known (prep.time): no package manager "
                          "is known for Plan 9"));
}

TEST(PackageForecast, ProgramsReadItBesideTheActions) {
  ToldManager manager;
  TransactionPlan eater = chrony();
  eater.changes = {comes("chrony", "4"), goes("kubelet", "1.30.1")};
  eater.installed_bytes.reset();
  manager.answers = {{"chrony", eater}};
  const Plan plan = plan_of({step("prep.swap", {SetSwap{.path = "/swap"}}),
                             step("prep.time", {SetUnit{.unit = "ntp.service"},
                                                InstallPackages{{"chrony"}},
                                                InstallPackages{{"absent"}}})});
  std::vector<nlohmann::json> lines;
  const FakeClock clock;
  RunJson json(
      [&](const std::string& line) {
        lines.push_back(nlohmann::json::parse(line));
      },
      clock);
  json.plan(plan, forecast_packages(plan, manager));
  ASSERT_THAT(lines, SizeIs(2));
  EXPECT_TRUE(lines[0]["transactions"].empty());
  const auto& told = lines[1]["transactions"];
  ASSERT_EQ(told.size(), 2U);
  EXPECT_EQ(told[0]["action"], 1);
  EXPECT_EQ(told[0]["changes"][1]["change"], "remove");
  EXPECT_EQ(told[0]["changes"][1]["name"], "kubelet");
  EXPECT_EQ(told[0]["changes"][1]["from"], "1.30.1");
  EXPECT_EQ(told[0]["download_bytes"], 2 * kMiB + kMiB / 10);
  EXPECT_TRUE(told[0]["installed_bytes"].is_null());
  EXPECT_THAT(told[0]["refused"].get<std::string>(), HasSubstr("kubelet"));
  EXPECT_THAT(told[1]["unknown"].get<std::string>(), HasSubstr("absent"));
}

}  // namespace
}  // namespace gpunode::provision
