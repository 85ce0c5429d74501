// A bringer on a host of files, with a systemd that only pretends; killed after
// any of its commands, and begun again.
#include "node/rollout/bringer.h"

#include <filesystem>
#include <functional>
#include <optional>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"
#include "node/provision/run_lock.h"

namespace gpunode::rollout {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kSpec = "kind: GPUNode\n";

/// What a host's systemd, journal and gpunode answer. Each start of the unit
/// runs `at_work` looks long and ends as `exit_code` says.
class Host final : public host::CommandRunner {
 public:
  Result<host::Completed> run(const host::Command& command) override {
    const std::string line = host::command_line(command);
    if (deadline && --*deadline < 0) {
      return Error(ErrorCode::kInternal, "killed");
    }
    lines.push_back(line);
    if (on_command) on_command(line);
    if (command.argv[0].ends_with("/gpunode")) {
      return host::Completed{0, "gpunode " + versions[command.argv[0]] + "\n",
                             ""};
    }
    if (command.argv[0] == "/usr/bin/journalctl") {
      return host::Completed{0, "a line \x1b[1m\n-- cursor: c7\n", ""};
    }
    const std::string verb = command.argv.at(1);
    if (verb == "show" && command.argv.back() == "gpunode-resume.service") {
      return host::Completed{0, "ActiveState=" + resume + "\n", ""};
    }
    if (verb == "show") return host::Completed{0, show(), ""};
    if (verb == "start" && command.argv.back() == "gpunode-check.service") {
      ++checks;
      return host::Completed{1, "", "findings"};
    }
    if (verb == "start" && active != "activating") {
      active = "activating";
      looks_left = at_work;
      ++starts;
    }
    if (verb == "stop") {
      if (active == "activating") ++cut_off;
      if (active == "active") active = "inactive";
    }
    if (verb == "reset-failed" && active == "failed") active = "inactive";
    return host::Completed{0, "", ""};
  }

  std::string show() {
    if (active == "activating" && --looks_left < 0) {
      active = exit_code == 0 ? "active" : "failed";
      if (exit_code == 0) tree.file("var/lib/gpunode/first-boot-done", "");
    }
    return "ActiveState=" + active +
           "\nExecMainStatus=" + std::to_string(exit_code) + "\n";
  }

  host::HostTree tree;
  std::map<std::string, std::string> versions;
  std::vector<std::string> lines;
  std::optional<int> deadline;  ///< So many commands until the bringer dies.
  std::function<void(const std::string&)> on_command;
  std::string active = "inactive";
  std::string resume = "inactive";  ///< gpunode-resume.service.
  int at_work = 2;
  int looks_left = 0;
  int exit_code = 0;
  int starts = 0;
  int cut_off = 0;
  int checks = 0;
};

class Bringing : public testing::Test {
 protected:
  Bringing() {
    for (const char* name : {"gpunode", "gpunode-runtime"}) {
      task_.programs.push_back({name, [name]() -> Result<std::string> {
                                  return "ours " + std::string(name);
                                }});
    }
    task_.spec = kSpec;
    task_.version = "0.2.0";
    task_.wish = {"d1", "pod-1", false};
  }

  Result<BringEnd> bring() {
    const host::HostRoot root = host_.tree.root();
    Bringer bringer(
        task_, root, host_,
        [this](const std::string& line) { said_ += line + "\n"; },
        [this](std::chrono::milliseconds time) {
          if (time.count() == 0) return !is_ending_;  // It only asks.
          if (on_pause_) on_pause_();
          return --pauses_ > 0;
        });
    return bringer.run();
  }

  std::string file(const std::string& path) const {
    auto text = host_.tree.root().read_file(path);
    return text ? *text : "-";
  }

  Host host_;
  BringTask task_;
  std::string said_;
  std::function<void()> on_pause_;
  int pauses_ = 50;
  bool is_ending_ = false;
};

TEST_F(Bringing, PutsEverythingThereAndTellsTheEnd) {
  const auto end = bring();
  ASSERT_TRUE(end) << end.error().message();
  EXPECT_EQ(*end, BringEnd::kDone);
  EXPECT_EQ(host_.starts, 1);
  EXPECT_EQ(file("usr/local/bin/gpunode-runtime"), "ours gpunode-runtime");
  EXPECT_EQ(file("etc/gpunode/node.yaml"), kSpec);
  EXPECT_THAT(file("etc/systemd/system/gpunode-first.service"),
              HasSubstr("ExecStart=/usr/local/bin/gpunode apply --yes"));
  EXPECT_TRUE(is_brought(host_.tree.root(), "d1"));
  EXPECT_FALSE(is_brought(host_.tree.root(), "d2"));
  EXPECT_THAT(said_, HasSubstr("| a line ?[1m\n"));
  EXPECT_THAT(said_, HasSubstr("done: this host is what the file says\n"));
  EXPECT_THAT(host_.lines, Contains(HasSubstr("--after-cursor=c7")));
  // Once more: nothing to do, and nothing is done.
  host_.lines.clear();
  ASSERT_TRUE(bring());
  EXPECT_THAT(host_.lines, ElementsAre(HasSubstr("systemctl show")));
  EXPECT_EQ(host_.starts, 1);
}

TEST_F(Bringing, KilledAnywhereIsGoneOnWith) {
  for (const int code : {0, 3}) {
    for (int commands = 0;; ++commands) {
      Host host;
      host.exit_code = code;
      host.deadline = commands;
      const auto once = [&](const std::string& pod) {
        task_.wish.attempt = pod;
        const host::HostRoot root = host.tree.root();
        return Bringer(
                   task_, root, host, [](const std::string&) {},
                   [](std::chrono::milliseconds) { return true; })
            .run();
      };
      const bool was_killed = !once("pod-1");
      host.deadline.reset();
      const auto end = once("pod-1");
      ASSERT_TRUE(end) << commands << ": " << end.error().message();
      EXPECT_EQ(*end, code == 0 ? BringEnd::kDone : BringEnd::kFailed)
          << commands;
      EXPECT_EQ(host.starts, 1) << commands;
      EXPECT_EQ(host.cut_off, 0) << commands;
      if (!was_killed) break;
    }
  }
}

TEST_F(Bringing, AFailureIsToldByItsPodAndTriedAgainByTheNext) {
  host_.exit_code = 5;
  EXPECT_EQ(*bring(), BringEnd::kFailed);
  EXPECT_EQ(*bring(), BringEnd::kFailed);
  EXPECT_EQ(host_.starts, 1);
  EXPECT_THAT(said_, testing::EndsWith("failed: a person must act on the node "
                                       "first (exit code 5); next: read what "
                                       "it said above\n"));
  task_.wish.attempt = "pod-2";
  host_.exit_code = 0;
  EXPECT_EQ(*bring(), BringEnd::kDone);
  EXPECT_EQ(host_.starts, 2);
}

TEST_F(Bringing, NothingIsBegunForAPodOnItsWayOut) {
  is_ending_ = true;
  EXPECT_EQ(*bring(), BringEnd::kStopped);
  EXPECT_EQ(host_.starts, 0);
  is_ending_ = false;
  EXPECT_EQ(*bring(), BringEnd::kDone);
  EXPECT_EQ(host_.starts, 1);
}

TEST_F(Bringing, ARunThatAnotherPodBeganFailsByThisOne) {
  host_.exit_code = 5;
  host_.at_work = 100;
  pauses_ = 3;
  EXPECT_EQ(*bring(), BringEnd::kStopped);
  EXPECT_THAT(said_, HasSubstr("what runs on the host goes on"));
  task_.wish.attempt = "pod-2";
  host_.looks_left = 1;
  pauses_ = 50;
  EXPECT_EQ(*bring(), BringEnd::kFailed);
  EXPECT_EQ(host_.starts, 1);
}

TEST_F(Bringing, AnotherFileDoesAllAnewAfterTheRunThatIsAtWork) {
  ASSERT_TRUE(bring());
  task_.wish.digest = "d2";
  task_.spec = "kind: GPUNode\nspec: {}\n";
  host_.active = "activating";  // By hand.
  host_.looks_left = 3;
  EXPECT_EQ(*bring(), BringEnd::kDone);
  EXPECT_THAT(said_, HasSubstr("at work for another file"));
  EXPECT_EQ(host_.cut_off, 0);
  EXPECT_EQ(host_.starts, 2);
  EXPECT_EQ(file("etc/gpunode/node.yaml"), task_.spec);
  EXPECT_TRUE(is_brought(host_.tree.root(), "d2"));
}

TEST_F(Bringing, TheNodesConditionIsWrittenAnewBeforeItIsDone) {
  host_.tree.file("etc/systemd/system/gpunode-check.service", "");
  EXPECT_EQ(*bring(), BringEnd::kDone);
  EXPECT_EQ(*bring(), BringEnd::kDone);
  EXPECT_EQ(host_.checks, 1);
}

TEST_F(Bringing, ANewerPackageStays) {
  host_.tree.file("usr/bin/gpunode", "the package's");
  host_.versions["/usr/bin/gpunode"] = "0.3.0";
  EXPECT_EQ(*bring(), BringEnd::kDone);
  EXPECT_EQ(file("usr/local/bin/gpunode"), "-");
  EXPECT_EQ(file("usr/bin/gpunode"), "the package's");
  EXPECT_THAT(file("etc/systemd/system/gpunode-first.service"),
              HasSubstr("ExecStart=/usr/bin/gpunode apply"));
  EXPECT_THAT(said_, HasSubstr("/usr/bin/gpunode 0.3.0 is as new"));
}

TEST_F(Bringing, LinksOfTheHostLeadNowhereElse) {
  host_.tree.file("elsewhere/gpunode", "not ours");
  host_.tree.link("usr/local/bin/gpunode", "/elsewhere/gpunode");
  EXPECT_EQ(*bring(), BringEnd::kDone);
  EXPECT_EQ(file("elsewhere/gpunode"), "not ours");
  EXPECT_EQ(file("usr/local/bin/gpunode"), "ours gpunode");
}

TEST_F(Bringing, AnApplyThatBeganSinceTheLookIsNotCutOff) {
  const host::HostRoot root = host_.tree.root();
  std::optional<provision::RunLock> apply;
  // Right after the bringer's first look.
  bool has_begun = false;
  host_.on_command = [&](const std::string&) {
    if (std::exchange(has_begun, true)) return;
    apply.emplace(*provision::RunLock::take(root, "gpunode apply"));
  };
  int looks = 0;
  on_pause_ = [&] {
    EXPECT_EQ(file("usr/local/bin/gpunode"), apply ? "-" : "ours gpunode");
    EXPECT_EQ(host_.starts, apply ? 0 : 1);
    if (++looks == 3) apply.reset();
  };
  EXPECT_EQ(*bring(), BringEnd::kDone);
  EXPECT_GE(looks, 3);
  EXPECT_THAT(said_, HasSubstr("(gpunode apply) is at work on this host"));
  EXPECT_EQ(host_.starts, 1);
}

TEST_F(Bringing, AUnitThatBeganSinceTheLookIsNotCutOff) {
  for (std::string* unit : {&host_.active, &host_.resume}) {
    task_.wish.digest += "x";
    int shows = 0;
    // Between the first look and the second one.
    host_.on_command = [&, unit](const std::string& line) {
      if (line.find(" show ") == std::string::npos || ++shows != 2) return;
      *unit = "activating";
      host_.looks_left = 3;
    };
    on_pause_ = [&] {
      if (host_.resume == "activating" && host_.looks_left-- < 0) {
        host_.resume = "inactive";
      }
    };
    const int starts = host_.starts;
    EXPECT_EQ(*bring(), BringEnd::kDone);
    EXPECT_EQ(host_.cut_off, 0);
    EXPECT_EQ(host_.starts, starts + 1);
    EXPECT_THAT(said_, HasSubstr(unit == &host_.active
                                     ? "gpunode-first.service is at work"
                                     : "gpunode-resume.service is at work"));
  }
}

TEST_F(Bringing, AStampOfNobodysIsNone) {
  host_.tree.file("var/lib/gpunode/bring.json", "{\"state\":");
  EXPECT_EQ(*bring(), BringEnd::kDone);
  EXPECT_EQ(host_.starts, 1);
}

TEST_F(Bringing, AProgramThatIsMissingInTheImageIsToldAndNothingBegins) {
  task_.programs.push_back({"gpunode-probe", []() -> Result<std::string> {
                              return Error(ErrorCode::kNotFound, "no probe");
                            }});
  const auto end = bring();
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().message(), "no probe");
  EXPECT_EQ(host_.starts, 0);
  EXPECT_EQ(file("var/lib/gpunode/bring.json"), "-");
}

}  // namespace
}  // namespace gpunode::rollout
