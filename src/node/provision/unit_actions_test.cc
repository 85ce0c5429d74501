#include "node/provision/unit_actions.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/fake_command_runner.h"
#include "base/host/host_tree.h"

namespace gpunode::provision {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

constexpr const char* kShow =
    "/usr/bin/systemctl show "
    "-pLoadState,UnitFileState,ActiveState,NeedDaemonReload -- c.service";

std::string state(const char* load, const char* file, const char* active,
                  const char* reload = "no") {
  return std::string("LoadState=") + load + "\nUnitFileState=" + file +
         "\nActiveState=" + active + "\nNeedDaemonReload=" + reload + "\n";
}

struct Systemd {
  host::HostTree tree;
  host::FakeCommandRunner runner;
  UnitActions units{tree.root(), runner};

  void is(const std::string& text) {
    runner.script(kShow, host::Completed{0, text, ""});
  }
  void takes(const std::string& line) {
    runner.script("/usr/bin/systemctl " + line, host::Completed{});
  }
};

/// The unit shall be enabled and active.
SetUnit run() {
  return {.unit = "c.service", .enabled = Wish::kYes, .active = Wish::kYes};
}

TEST(UnitActions, OnlyWhatIsNotSoIsDone) {
  Systemd systemd;
  systemd.is(state("loaded", "enabled", "active"));
  ASSERT_TRUE(systemd.units.perform(run()));
  EXPECT_THAT(systemd.runner.lines(), ElementsAre(kShow));
}

TEST(UnitActions, EnablesAndStarts) {
  Systemd systemd;
  systemd.is(state("loaded", "disabled", "inactive"));
  systemd.takes("enable -- c.service");
  systemd.takes("start -- c.service");
  ASSERT_TRUE(systemd.units.perform(run()));
  EXPECT_THAT(systemd.runner.lines(), SizeIs(3));
}

TEST(UnitActions, WhatWasStartedAnewForItsFilesIsOnceMoreWhenTheyAreBack) {
  Systemd systemd;
  SetUnit restart = run();
  restart.restart = true;
  systemd.is(state("loaded", "enabled", "active"));
  const auto ran = systemd.units.prepare(restart);
  ASSERT_TRUE(ran);
  EXPECT_TRUE(std::get<SetUnit>(ran->actions.front()).restart);
  Systemd other;
  other.is(state("loaded", "enabled", "inactive"));
  const auto did_not = other.units.prepare(restart);
  ASSERT_TRUE(did_not);
  const auto& back = std::get<SetUnit>(did_not->actions.front());
  EXPECT_FALSE(back.restart);
  EXPECT_EQ(back.active, Wish::kNo);
}

TEST(UnitActions, SystemdHearsOfChangedFilesOnceAndBefore) {
  Systemd systemd;
  systemd.takes("daemon-reload");
  systemd.is(state("loaded", "enabled", "active"));
  systemd.units.files_changed();
  systemd.units.files_changed();
  ASSERT_TRUE(systemd.units.perform(run()));
  ASSERT_TRUE(systemd.units.perform(run()));
  EXPECT_THAT(systemd.runner.lines(),
              ElementsAre("/usr/bin/systemctl daemon-reload", kShow, kShow));
}

// The flag of this process is lost if it was killed between two actions.
TEST(UnitActions, SystemdItselfKnowsOfFilesChangedByARunThatWasKilled) {
  Systemd systemd;
  systemd.is(state("loaded", "enabled", "active", "yes"));
  systemd.takes("daemon-reload");
  ASSERT_TRUE(systemd.units.perform(run()));
  EXPECT_THAT(systemd.runner.lines(),
              ElementsAre(kShow, "/usr/bin/systemctl daemon-reload"));
}

TEST(UnitActions, TheInverseIsWhatItWas) {
  Systemd systemd;
  systemd.is(state("loaded", "disabled", "active"));
  const auto inverse = systemd.units.prepare(SetUnit{
      .unit = "c.service", .enabled = Wish::kYes, .masked = Wish::kYes});
  ASSERT_TRUE(inverse);
  ASSERT_THAT(inverse->actions, SizeIs(1));
  const auto& back = std::get<SetUnit>(inverse->actions.front());
  EXPECT_EQ(back.enabled, Wish::kNo);
  EXPECT_EQ(back.masked, Wish::kNo);
  EXPECT_EQ(back.active, Wish::kAsIs);
}

TEST(UnitActions, AUnitThatIsGoneNeedsNoStopping) {
  Systemd systemd;
  systemd.is(state("not-found", "", "inactive"));
  ASSERT_TRUE(systemd.units.perform(
      SetUnit{.unit = "c.service", .enabled = Wish::kNo, .active = Wish::kNo}));
  EXPECT_THAT(systemd.runner.lines(), ElementsAre(kShow));
}

TEST(UnitActions, WhatSystemdSaysIsInTheError) {
  Systemd systemd;
  systemd.is(state("loaded", "enabled", "inactive"));
  systemd.runner.script(
      "/usr/bin/systemctl start -- c.service",
      host::Completed{1, "", "Job for c.service failed: see journalctl"});
  const auto failed = systemd.units.perform(run());
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message(), HasSubstr("see journalctl"));
}

TEST(UnitActions, RestartsOnlyWhenToldTo) {
  Systemd systemd;
  systemd.is(state("loaded", "enabled", "active"));
  systemd.takes("restart -- c.service");
  SetUnit action = run();
  action.restart = true;
  ASSERT_TRUE(systemd.units.perform(action));
  EXPECT_THAT(systemd.runner.lines(), SizeIs(2));
}

}  // namespace
}  // namespace gpunode::provision
