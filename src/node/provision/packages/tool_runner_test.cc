// The exact commands, and what is done when they fail.
#include "node/provision/packages/tool_runner.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/fake_command_runner.h"
#include "base/host/host_tree.h"
#include "node/facts/packages.h"
#include "node/provision/packages/apt.h"
#include "node/provision/packages/apt_output.h"
#include "node/provision/packages/dnf.h"
#include "node/provision/packages/dnf_output.h"
#include "node/provision/packages/lock_holder.h"
#include "node/provision/packages/rpm_output.h"

namespace gpunode::packages {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class ToolRunnerTest : public ::testing::Test {
 protected:
  ToolRunner tool(Tool kind, Settings settings = {}) {
    Waiting waiting;
    waiting.pause = [this](milliseconds time) { pauses_.push_back(time); };
    waiting.notice = [this](const std::string& line) { said_.push_back(line); };
    return {kind, runner_, std::move(settings), waiting, host_.root()};
  }

  host::HostTree host_;
  host::FakeCommandRunner runner_;
  std::vector<milliseconds> pauses_;
  std::vector<std::string> said_;
};

TEST_F(ToolRunnerTest, NobodyIsAskedAndSecretsStayInTheEnvironment) {
  Settings settings;
  settings.proxy.http = "http://u:secret@proxy:3128";
  settings.environment = {"LC_ALL=C.UTF-8", "X=1"};
  runner_.script("/bin/true", host::Completed{});
  ToolRunner apt = tool(Tool::kApt, settings);
  ASSERT_TRUE(apt.ask({"/bin/true"}));
  const auto& env = runner_.commands()[0].env;
  for (const char* variable :
       {"DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_MODE=l", "X=1",
        "LC_ALL=C.UTF-8", "http_proxy=http://u:secret@proxy:3128"}) {
    EXPECT_THAT(env, Contains(variable));
  }
  EXPECT_THAT(env, Not(Contains("LC_ALL=C")));
  EXPECT_THAT(env, Not(Contains(HasSubstr("https_proxy"))));
}

TEST_F(ToolRunnerTest, MirrorsAreAskedAgainWithLongerAndLongerPauses) {
  const host::Completed bad{
      100, "", "E: Failed to fetch http://u:pw@h/x.deb  503  Busy [IP: 1]\n"};
  runner_.script("/usr/bin/apt-get update", bad);
  ToolRunner apt = tool(Tool::kApt);
  const auto result = apt.act("refresh", {"/usr/bin/apt-get", "update"});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(result.error().message(), HasSubstr("http://***@h/x.deb"));
  EXPECT_THAT(result.error().message(), HasSubstr("4 attempts"));
  EXPECT_THAT(pauses_, ElementsAre(seconds(3), seconds(6), seconds(12)));
  EXPECT_THAT(said_, Each(Not(HasSubstr("pw"))));
  EXPECT_THAT(runner_.commands(), SizeIs(4));
}

TEST_F(ToolRunnerTest, AnIndexBehindItsMirrorIsFetchedAnew) {
  runner_.script("/usr/bin/apt-get install",
                 host::Completed{100, "", "x  404  Not Found\n"});
  runner_.script("/usr/bin/apt-get install", host::Completed{});
  int refreshes = 0;
  ToolRunner apt = tool(Tool::kApt);
  ASSERT_TRUE(apt.act("install", {"/usr/bin/apt-get", "install"}, "", {},
                      [&refreshes] { ++refreshes; }));
  EXPECT_EQ(refreshes, 1);
}

TEST_F(ToolRunnerTest, NeitherKeysNorDependenciesAreAskedAgain) {
  for (const char* words :
       {"NO_PUBKEY 1", "EXPKEYSIG 1",
        "a : Depends: b but it is not "
        "installable",
        "No space left on device", "dpkg was interrupted"}) {
    host::FakeCommandRunner runner;
    runner.script("/usr/bin/apt-get update", host::Completed{100, "", words});
    ToolRunner apt(
        Tool::kApt, runner, {},
        {[this](milliseconds time) { pauses_.push_back(time); }, {}});
    EXPECT_FALSE(apt.act("refresh", {"/usr/bin/apt-get", "update"})) << words;
    EXPECT_THAT(runner.commands(), SizeIs(1)) << words;
  }
  EXPECT_THAT(pauses_, IsEmpty());
}

TEST_F(ToolRunnerTest, ALockIsWaitedForButNotForEver) {
  using std::string_literals::operator""s;
  host_.file("proc/77/cmdline",
             "/usr/bin/apt-get\0-o\0Acquire::http::Proxy=http://u:pw@p\0"s);
  runner_.script("/usr/bin/apt-get update",
                 host::Completed{100, "",
                                 "E: Could not get lock /x. It is held "
                                 "by process 77 (apt-get)\n"});
  Settings settings;
  settings.lock_wait = seconds(5);
  ToolRunner apt = tool(Tool::kApt, settings);
  const auto result = apt.act("refresh", {"/usr/bin/apt-get", "update"});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message(),
            "refresh: another program holds the package manager's lock (held "
            "by /usr/bin/apt-get -o Acquire::http::Proxy=http://***@p (pid "
            "77), waited 5 s); next: let it finish (or stop it, if it hangs), "
            "then run this again");
  EXPECT_THAT(pauses_, ElementsAre(seconds(2), seconds(2), seconds(1)));
}

TEST_F(ToolRunnerTest, LocksByPidFileCountWhileTheirProcessLives) {
  host_.file("proc/77/cmdline", "dnf");
  host_.file("var/cache/dnf/metadata_lock.pid", "77");
  host_.file("var/cache/dnf/download_lock.pid", "78");
  host_.file("run/zypp.pid", "77\n");
  host_.link("var/run", "/run");
  const auto dnf = lock_holders(host_.root(), Tool::kDnf);
  ASSERT_THAT(dnf, SizeIs(1)) << "78 is gone";
  EXPECT_EQ(describe(dnf[0]), "dnf (pid 77)");
  EXPECT_THAT(lock_holders(host_.root(), Tool::kZypper), SizeIs(1));
  EXPECT_THAT(lock_holders(host_.root(), Tool::kApt), IsEmpty());
}

TEST_F(ToolRunnerTest, AptsCommandsToTheLastArgument) {
  const std::string query = "/usr/bin/dpkg-query --show --showformat '" +
                            std::string(facts::kDpkgFormat) + "'";
  const std::string options =
      "-q --no-install-recommends -o APT::Get::AutomaticRemove=false -o "
      "Acquire::Retries=0 -o DPkg::Lock::Timeout=0 -o "
      "Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold ";
  const host::Completed inst{0, "Inst a (1 S [all])\nInst b (2 S [all])\n", ""};
  runner_.script("/usr/bin/apt-get -s " + options + "install a=1", inst);
  runner_.script("/usr/bin/apt-get -s " + options + "install a=1 b=2", inst);
  runner_.script("/usr/bin/apt-cache show a=1 b=2", host::Completed{});
  runner_.script(query, host::Completed{1, "", "no packages found\n"});
  runner_.script(query, host::Completed{1, "", "no packages found\n"});
  runner_.script(query,
                 host::Completed{0,
                                 "a\tall\t1\tinstall\tok\tinstalled\t1\n"
                                 "b\tall\t2\tinstall\tok\tinstalled\t1\n",
                                 ""});
  runner_.script(
      "/usr/bin/apt-get -y " + options + "--no-remove install a=1 b=2",
      host::Completed{});
  runner_.script("/usr/bin/apt-mark auto b", host::Completed{});
  Apt apt(tool(Tool::kApt));
  const auto plan = apt.simulate({{{"a", "1"}}, {}});
  ASSERT_TRUE(plan) << plan.error().message();
  const Applied applied = apt.apply(*plan);
  EXPECT_TRUE(applied.outcome) << applied.outcome.error().message();
  EXPECT_THAT(runner_.commands(), SizeIs(8));
}

TEST_F(ToolRunnerTest, DnfsCommandsToTheLastArgument) {
  const std::string rpm =
      "/usr/bin/rpm -qa --queryformat '" + std::string(facts::kRpmFormat) + "'";
  const std::string options =
      "/usr/bin/dnf --color=never --setopt=exit_on_lock=True "
      "--setopt=install_weak_deps=False "
      "--setopt=clean_requirements_on_remove=False "
      "--setopt=installonly_limit=0 ";
  const host::Completed table{
      0,
      " Package Architecture Version Repository Size\nInstalling:\n"
      " a x86_64 3:1-1 cuda 1 k\nInstalling dependencies:\n"
      " b x86_64 2-1 cuda 1 k\nTransaction Summary\n",
      "Error: Operation aborted.\n"};
  runner_.script(rpm, host::Completed{});
  runner_.script(rpm, host::Completed{});
  runner_.script(rpm, host::Completed{0,
                                      "a\t3:1-1\tx86_64\t1\n"
                                      "b\t2-1\tx86_64\t1\n",
                                      ""});
  runner_.script(options + "--assumeno --best shell", table,
                 "install a-3:1-1\nrun\n");
  runner_.script(options + "--assumeno --best shell", table,
                 "install a-3:1-1\ninstall b-2-1\nrun\n");
  runner_.script(options + "-y install a-3:1-1 b-2-1", host::Completed{});
  runner_.script(options + "-y -q mark remove b", host::Completed{});
  Dnf dnf(tool(Tool::kDnf));
  const auto plan = dnf.simulate({{{"a", "3:1-1"}}, {}});
  ASSERT_TRUE(plan) << plan.error().message();
  const Applied applied = dnf.apply(*plan);
  EXPECT_TRUE(applied.outcome) << applied.outcome.error().message();
  EXPECT_THAT(runner_.commands(), SizeIs(7));
}

TEST_F(ToolRunnerTest, Dnf5sCommandsToTheLastArgument) {
  host_.link("usr/bin/dnf", "dnf5");
  const std::string rpm =
      "/usr/bin/rpm -qa --queryformat '" + std::string(facts::kRpmFormat) + "'";
  const std::string options =
      "/usr/bin/dnf5 --setopt=color=never --setopt=install_weak_deps=False "
      "--setopt=clean_requirements_on_remove=False "
      "--setopt=installonly_limit=0 ";
  const host::Completed table{
      1,
      "Package Arch   Version Repository Size\n"
      "Removing:\n"
      " c      x86_64 0:1-1   cuda       1 KiB\n"
      "Installing:\n"
      " a      x86_64 3:1-1   cuda       1 KiB\n"
      "Installing dependencies:\n"
      " b      x86_64 0:2-1   cuda       1 KiB\n"
      "\nTransaction Summary:\n Installing: 2 packages\n\n",
      "Operation aborted by the user.\n"};
  const host::Completed before{0, "c\t1-1\tx86_64\t1\n", ""};
  runner_.script(rpm, before);
  runner_.script(rpm, before);
  runner_.script(rpm, host::Completed{0,
                                      "a\t3:1-1\tx86_64\t1\n"
                                      "b\t2-1\tx86_64\t1\n",
                                      ""});
  runner_.script(options +
                     "--assumeno --best do --action=remove c --action=install "
                     "a-3:1-1",
                 table);
  runner_.script(options +
                     "--assumeno --best do --action=remove c-1-1 "
                     "--action=install a-3:1-1 b-2-1",
                 table);
  runner_.script(options +
                     "-y do --action=remove c-1-1 --action=install a-3:1-1 "
                     "b-2-1",
                 host::Completed{});
  runner_.script(options + "-y -q mark dependency b", host::Completed{});
  Dnf dnf(tool(Tool::kDnf));
  const auto plan = dnf.simulate({{{"a", "3:1-1"}}, {{"c"}}});
  ASSERT_TRUE(plan) << plan.error().message();
  const Applied applied = dnf.apply(*plan);
  EXPECT_TRUE(applied.outcome) << applied.outcome.error().message();
  EXPECT_THAT(runner_.commands(), SizeIs(7));
}

TEST_F(ToolRunnerTest, Dnf5IsToldOneVerbWhereOneIsEnough) {
  host_.link("usr/bin/dnf", "dnf5");
  const std::string options =
      "/usr/bin/dnf5 --setopt=color=never --setopt=install_weak_deps=False "
      "--setopt=clean_requirements_on_remove=False "
      "--setopt=installonly_limit=0 ";
  const std::string rpm =
      "/usr/bin/rpm -qa --queryformat '" + std::string(facts::kRpmFormat) + "'";
  runner_.script(rpm, host::Completed{0, "c\t1-1\tx86_64\t1\n", ""});
  runner_.script(options + "'--disable-repo=*' --assumeno --best remove c",
                 host::Completed{1,
                                 "Package Arch Version Repository Size\n"
                                 "Removing:\n c x86_64 0:1-1 cuda 1 KiB\n",
                                 "Operation aborted by the user.\n"});
  Dnf dnf(tool(Tool::kDnf));
  const auto plan = dnf.simulate({{}, {{"c"}}});
  ASSERT_TRUE(plan) << plan.error().message();
  EXPECT_THAT(plan->changes, SizeIs(1));
}

TEST_F(ToolRunnerTest, WhatDnf5CanNotDoIsRefusedInWords) {
  host_.file("usr/bin/dnf5", "");
  runner_.script(
      "/usr/bin/rpm -qa --queryformat '" + std::string(facts::kRpmFormat) + "'",
      host::Completed{});
  Dnf dnf(tool(Tool::kDnf));
  Transaction held{{{"a"}}, {}};
  held.may_change_held = true;
  const auto simulated = dnf.simulate(held);
  ASSERT_FALSE(simulated);
  EXPECT_EQ(simulated.error().code(), ErrorCode::kUnsupported);
  EXPECT_THAT(simulated.error().message(), HasSubstr("dnf versionlock list"));
  const auto enabled = dnf.enable_stream("nvidia-driver", "580-open");
  ASSERT_FALSE(enabled);
  EXPECT_EQ(enabled.error().code(), ErrorCode::kUnsupported);
  EXPECT_THAT(runner_.commands(), SizeIs(1));
}

TEST_F(ToolRunnerTest, ALockOfDnf5IsOfANameAndOthersOfItStay) {
  host_.link("usr/bin/dnf", "dnf5");
  const std::string list =
      "/usr/bin/dnf5 --setopt=color=never --setopt=install_weak_deps=False "
      "--setopt=clean_requirements_on_remove=False "
      "--setopt=installonly_limit=0 -q '--disable-repo=*' versionlock ";
  const char* two = "Package name: a\nevr = 2-1\n\nPackage name: a\nevr >= 3\n";
  runner_.script(list + "list", host::Completed{0, two, ""});
  Dnf dnf(tool(Tool::kDnf));
  const auto holds = dnf.holds();
  ASSERT_TRUE(holds);
  ASSERT_THAT(*holds,
              ElementsAre(Hold{"a", "a: evr = 2-1"}, Hold{"a", "a: evr >= 3"}));
  runner_.script(list + "list", host::Completed{0, two, ""});
  const auto one = dnf.release({(*holds)[0]});
  ASSERT_FALSE(one);
  EXPECT_THAT(one.error().message(), HasSubstr("a: evr >= 3"));
  runner_.script(list + "list", host::Completed{0, two, ""});
  runner_.script(list + "delete a a", host::Completed{});
  EXPECT_TRUE(dnf.release(*holds));
}

TEST_F(ToolRunnerTest, WhoHoldsALockIsLookedAtBeforeAToolThatWaitsForEver) {
  // Of a file in a tree of its own, as /proc/locks has it.
  const std::string lock = "usr/lib/sysimage/libdnf5/system-repo.lock";
  host_.file(lock, "");
  struct stat status {};
  ASSERT_EQ(::stat(host_.path(lock).c_str(), &status), 0);
  host_.file(
      "proc/locks",
      fmt::format("1: POSIX  ADVISORY  WRITE 77 {:02x}:{:02x}:{} 0 EOF\n",
                  major(status.st_dev), minor(status.st_dev), status.st_ino));
  host_.file("proc/77/cmdline", "dnf5");
  host_.link("usr/bin/dnf", "dnf5");
  Settings settings;
  settings.lock_wait = seconds(3);
  Dnf dnf(tool(Tool::kDnf, settings));
  const auto refused = dnf.refresh();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(refused.error().message(),
              HasSubstr("held by dnf5 (pid 77), waited 3 s"));
  EXPECT_THAT(runner_.commands(), IsEmpty());
  EXPECT_THAT(pauses_, ElementsAre(seconds(2), seconds(1)));
}

constexpr const char* kYum =
    "/usr/bin/yum --color=never --setopt=exit_on_lock=1 "
    "--setopt=clean_requirements_on_remove=0 --setopt=installonly_limit=0 ";

// Written after yum 3.4.3's own sources: it was never run.
TEST_F(ToolRunnerTest, YumsCommandsToTheLastArgument) {
  host_.file("usr/bin/yum", "");
  const std::string rpm =
      "/usr/bin/rpm -qa --queryformat '" + std::string(facts::kRpmFormat) + "'";
  const host::Completed before{0,
                               "a\t3:2-1\tx86_64\t1\n"
                               "c\t1-1\tx86_64\t1\n",
                               ""};
  const std::string table =
      "> Resolving Dependencies\n"
      "\n====================\n"
      " Package   Arch     Version   Repository   Size\n"
      "====================\n"
      "Removing:\n"
      " c         x86_64   1-1       @cuda        1.0 k\n"
      "Downgrading:\n"
      " a         x86_64   3:1-1     cuda         1.0 k\n"
      "Installing for dependencies:\n"
      " b         x86_64   2-1       cuda         1.0 k\n"
      "\nTransaction Summary\n====================\n\n"
      "Total download size: 2.0 k\n";
  const host::Completed asked{
      0, table + "Exiting on user command\n> Leaving Shell\n", ""};
  runner_.script(rpm, before);
  runner_.script(rpm, before);
  runner_.script(rpm, host::Completed{0,
                                      "a\t3:1-1\tx86_64\t1\n"
                                      "b\t2-1\tx86_64\t1\n",
                                      ""});
  runner_.script(std::string(kYum) + "--assumeno shell", asked,
                 "remove c\ninstall a-3:1-1\ndowngrade a-3:1-1\nrun\n");
  runner_.script(std::string(kYum) + "--assumeno shell", asked,
                 "remove c-1-1\ninstall a-3:1-1\ninstall b-2-1\n"
                 "downgrade a-3:1-1\nrun\n");
  runner_.script(std::string(kYum) + "-y shell",
                 host::Completed{0, table + "Complete!\n> Leaving Shell\n", ""},
                 "remove c-1-1\ninstall a-3:1-1\ninstall b-2-1\n"
                 "downgrade a-3:1-1\nrun\n");
  Dnf yum(tool(Tool::kDnf));
  Transaction wanted{{{"a", "3:1-1"}}, {{"c"}}};
  wanted.may_downgrade = true;
  const auto plan = yum.simulate(wanted);
  ASSERT_TRUE(plan) << plan.error().message();
  EXPECT_EQ(plan->download_bytes, 2048U);
  const Applied applied = yum.apply(*plan);
  EXPECT_TRUE(applied.outcome) << applied.outcome.error().message();
  EXPECT_THAT(runner_.commands(), SizeIs(6)) << "there is no mark";
}

TEST_F(ToolRunnerTest, WhatYumDoesNotFindIsNotThere) {
  host_.file("usr/bin/yum", "");
  runner_.script(
      "/usr/bin/rpm -qa --queryformat '" + std::string(facts::kRpmFormat) + "'",
      host::Completed{});
  runner_.script(
      std::string(kYum) + "--assumeno shell",
      host::Completed{0, "> No package nowhere available.\n> > Leaving Shell\n",
                      ""},
      "install nowhere\nrun\n");
  Dnf yum(tool(Tool::kDnf));
  const auto plan = yum.simulate({{{"nowhere"}}, {}});
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code(), ErrorCode::kNotFound);
}

TEST_F(ToolRunnerTest, YumsListsLocksAndWords) {
  host_.file("usr/bin/yum", "");
  const std::string local =
      std::string(kYum) + "-q '--disablerepo=*' versionlock ";
  runner_.script(std::string(kYum) + "-q --showduplicates list a none",
                 host::Completed{0,
                                 "Installed Packages\n"
                                 "a.x86_64   3:1-1   @cuda\n"
                                 "Available Packages\n"
                                 "a.x86_64   3:2-1   cuda\n",
                                 ""});
  Dnf yum(tool(Tool::kDnf));
  const auto candidates = yum.candidates({"a", "none"});
  ASSERT_TRUE(candidates) << candidates.error().message();
  EXPECT_THAT(*candidates,
              ElementsAre(Candidate{"a", "3:1-1", "x86_64", "cuda"},
                          Candidate{"a", "3:2-1", "x86_64", "cuda"}));
  runner_.script(
      std::string(kYum) + "-q --showduplicates list none",
      host::Completed{1, "", "Error: No matching Packages to list\n"});
  EXPECT_THAT(*yum.candidates({"none"}), IsEmpty());

  runner_.script(
      "/usr/bin/rpm -qa --queryformat '" + std::string(facts::kRpmFormat) + "'",
      host::Completed{0, "a\t3:1-1\tx86_64\t1\nb\t2-1\tx86_64\t1\n", ""});
  runner_.script(local + "add '3:a-1-1.*' '0:b-2-1.*'", host::Completed{});
  EXPECT_TRUE(yum.hold({"a", "b"}));
  runner_.script(local + "list", host::Completed{0, "3:a-1-1.*\n", ""});
  const auto holds = yum.holds();
  ASSERT_TRUE(holds);
  EXPECT_THAT(*holds, ElementsAre(Hold{"a", "3:a-1-1.*"}));
  runner_.script(local + "delete '3:a-1-1.*'", host::Completed{});
  EXPECT_TRUE(yum.release(*holds));
}

TEST_F(ToolRunnerTest, WhatYumLacksIsNamedAsItIsThere) {
  host_.file("usr/bin/yum", "");
  runner_.script(std::string(kYum) + "-q '--disablerepo=*' versionlock list",
                 host::Completed{1, "", "No such command: versionlock.\n"});
  Dnf yum(tool(Tool::kDnf));
  const auto none = yum.holds();
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message(),
              HasSubstr("yum install yum-plugin-versionlock"));
}

TEST_F(ToolRunnerTest, YumsLockHasAPid) {
  host_.file("usr/bin/yum", "");
  host_.file("proc/77/cmdline", "yum");
  runner_.script(
      std::string(kYum) + "-y '--setopt=*.skip_if_unavailable=False' makecache",
      host::Completed{200, "",
                      "Existing lock /var/run/yum.pid: another copy is running "
                      "as pid 77.\nAnother app is currently holding the yum "
                      "lock; exiting as configured by exit_on_lock\n"});
  Settings settings;
  settings.lock_wait = seconds(0);
  Dnf yum(tool(Tool::kDnf, settings));
  const auto refused = yum.refresh();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("held by yum (pid 77)"));
}

}  // namespace
}  // namespace gpunode::packages
