#include "node/facts/units.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/fake_command_runner.h"
#include "base/host/host_tree.h"

namespace gpunode::facts {
namespace {

using host::Completed;
using host::FakeCommandRunner;
using host::HostTree;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

constexpr const char* kShown =
    "Id=containerd.service\nLoadState=loaded\nActiveState=active\n"
    "UnitFileState=enabled\n"
    "\n"
    "Id=docker.service\nLoadState=not-found\nActiveState=inactive\n"
    "UnitFileState=\n"
    "\n"
    "UnitFileState=masked\nActiveState=inactive\nLoadState=masked\n"
    "Id=swap.target\n";
constexpr const char* kQuestion =
    "systemctl show --property Id,LoadState,ActiveState,UnitFileState,"
    "TriggeredBy -- "
    "containerd.service docker.service swap.target";

const std::set<std::string> kUnits = {"containerd.service", "docker.service",
                                      "swap.target"};

UnitFacts unit(const char* load, const char* active, const char* file) {
  return {.load_state = load, .active_state = active, .unit_file_state = file};
}

HostFacts ask(FakeCommandRunner& runner) {
  HostFacts facts;
  facts.machine.systemd = true;
  Wanted wanted;
  wanted.units = kUnits;
  // The root of this very machine, of which nothing but the program is looked
  // for.
  read_wanted_units(host::HostRoot(), runner, wanted, facts);
  return facts;
}

std::string question() {
  const bool is_merged = host::HostRoot().exists("/usr/bin/systemctl");
  return std::string(is_merged ? "/usr/bin/" : "/bin/") + kQuestion;
}

TEST(Units, AreAskedForInOneQuestion) {
  FakeCommandRunner runner;
  runner.script(question(), Completed{0, kShown, ""});
  const HostFacts facts = ask(runner);
  EXPECT_THAT(runner.commands(), testing::SizeIs(1));
  EXPECT_THAT(
      facts.units,
      ElementsAre(
          Pair("containerd.service", unit("loaded", "active", "enabled")),
          Pair("docker.service", unit("not-found", "inactive", "")),
          Pair("swap.target", unit("masked", "inactive", "masked"))));
  EXPECT_THAT(facts.gaps, IsEmpty());
}

TEST(Units, WhatStartsThemIsAskedForTooIfNobodyWantedIt) {
  FakeCommandRunner runner;
  const std::string shown =
      "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\n"
      "TriggeredBy=swap.target a.timer b.path\n\n"
      "LoadState=not-found\nTriggeredBy=\n\nLoadState=masked\n";
  runner.script(question(), Completed{0, shown, ""});
  const std::string start = question().substr(0, question().find(" -- "));
  runner.script(start + " -- a.timer b.path",
                Completed{0, "ActiveState=active\n\nActiveState=failed\n", ""});
  const HostFacts facts = ask(runner);
  EXPECT_THAT(facts.gaps, IsEmpty());
  EXPECT_THAT(facts.units.at("containerd.service").triggered_by,
              ElementsAre("swap.target", "a.timer", "b.path"));
  EXPECT_THAT(facts.units.at("docker.service").triggered_by, IsEmpty());
  EXPECT_EQ(facts.units.at("a.timer").active_state, "active");
  EXPECT_EQ(facts.units.at("b.path").active_state, "failed");
}

TEST(Units, AreAGapIfSystemdDoesNotAnswer) {
  FakeCommandRunner runner;
  runner.script(question(), Completed{1, "", "Failed to connect to bus\n"});
  const HostFacts facts = ask(runner);
  EXPECT_THAT(facts.units, IsEmpty());
  EXPECT_THAT(facts.gaps, ElementsAre(HasSubstr("Failed to connect to bus")));
}

TEST(Units, AreAGapIfTheirNumberIsWrong) {
  FakeCommandRunner runner;
  runner.script(question(), Completed{0, "LoadState=loaded\n", ""});
  EXPECT_THAT(ask(runner).gaps,
              ElementsAre(HasSubstr("tells of 1 units, asked for 3")));
}

TEST(Units, AreNotAskedForIfNoneIsWanted) {
  FakeCommandRunner runner;
  HostFacts facts;
  facts.machine.systemd = true;
  read_wanted_units(host::HostRoot(), runner, {}, facts);
  EXPECT_THAT(runner.commands(), IsEmpty());
}

TEST(Units, OfAHostMountedElsewhereAreReadFromFiles) {
  const HostTree host{
      {"usr/lib/systemd/system/containerd.service",
       "[Unit]\n[Install]\nWantedBy=multi-user.target\n"},
      {"usr/lib/systemd/system/docker.service", "[Unit]\n[Install]\n"},
      {"usr/lib/systemd/system/swap.target", "[Unit]\n"},
      {"usr/lib/systemd/system/getty@.service", "[Install]\n"},
      {"usr/lib/systemd/system/dbus.service", "[Unit]\n"},
      {"etc/systemd/system/empty.service", ""}};
  host.directory("etc/systemd/system/multi-user.target.wants");
  host.directory("etc/systemd/system/getty.target.requires");
  host.link("etc/systemd/system/multi-user.target.wants/containerd.service",
            "/usr/lib/systemd/system/containerd.service");
  host.link("etc/systemd/system/getty.target.requires/getty@tty1.service",
            "/usr/lib/systemd/system/getty@.service");
  host.link("etc/systemd/system/swap.target", "/dev/null");
  FakeCommandRunner runner;
  HostFacts facts;
  facts.machine.systemd = true;
  read_wanted_units(host.root(), runner,
                    {.units = {"containerd.service", "docker.service",
                               "swap.target", "getty@tty1.service",
                               "dbus.service", "empty.service", "no.mount"}},
                    facts);
  EXPECT_THAT(
      facts.units,
      ElementsAre(Pair("containerd.service", unit("loaded", "", "enabled")),
                  Pair("dbus.service", unit("loaded", "", "static")),
                  Pair("docker.service", unit("loaded", "", "disabled")),
                  Pair("empty.service", unit("masked", "", "masked")),
                  Pair("getty@tty1.service", unit("loaded", "", "enabled")),
                  Pair("no.mount", unit("not-found", "", "")),
                  Pair("swap.target", unit("masked", "", "masked"))));
  EXPECT_THAT(facts.gaps, IsEmpty());
}

TEST(Units, ThatLeadInCirclesAreNotFound) {
  const HostTree host;
  host.directory("etc/systemd/system");
  host.link("etc/systemd/system/a.service", "b.service");
  host.link("etc/systemd/system/b.service", "a.service");
  EXPECT_EQ(read_unit_file(host.root(), "a.service"),
            unit("not-found", "", ""));
}

}  // namespace
}  // namespace gpunode::facts
