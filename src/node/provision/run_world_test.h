// For tests: a run of two Steps on a host of files, and ways for it to end.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/host/fake_command_runner.h"
#include "base/host/host_tree.h"
#include "node/provision/executor.h"
#include "node/provision/host_performer.h"
#include "node/provision/rollback.h"
#include "node/provision/seen_content.h"

namespace gpunode::provision {

/// Files that shall have a content, as one Step of three actions and one of
/// one; what is so needs no action.
struct WantedFile {
  std::string step;
  std::string path;
  std::string content;
};

inline const std::vector<WantedFile>& wanted_files() {
  static const std::vector<WantedFile> kWanted = {
      {"a", "/etc/one", "1\n"},
      {"a", "/etc/two.d/two", "2\n"},
      {"a", "/etc/three", "3\n"},
      {"b", "/etc/one.d/last", "4\n"},
  };
  return kWanted;
}

inline StepPlan plan_of(const host::HostTree& tree, const std::string& step) {
  StepPlan plan;
  for (const WantedFile& wish : wanted_files()) {
    if (wish.step != step) continue;
    const auto now = tree.root().read_file(wish.path);
    if (now && *now == wish.content) continue;
    plan.state = StepState::kChange;
    const std::string parent = wish.path.substr(0, wish.path.rfind('/'));
    if (!tree.root().exists(parent)) {
      plan.actions.emplace_back(MakeDirectory{parent});
    }
    plan.actions.emplace_back(
        WriteFile{.path = wish.path,
                  .content = wish.content,
                  .before = seen_content(now ? std::optional<std::string>(*now)
                                             : std::nullopt)});
  }
  return plan;
}

inline Plan plan_for(const host::HostTree& tree) {
  Plan plan;
  for (const char* id : {"a", "b"}) {
    plan.steps.push_back({id, id, "", plan_of(tree, id)});
  }
  return plan;
}

class Silent final : public RunObserver, public RollbackObserver {
 public:
  void step_started(const PlannedStep& step, std::size_t index,
                    std::size_t count) override {
    said.push_back(step.id + " " + std::to_string(index) + "/" +
                   std::to_string(count));
  }
  void action_started(const Action& /*action*/) override {}
  void action_ended(const Action& /*action*/,
                    const Result<void>& /*how*/) override {}
  void step_ended(const PlannedStep& step, const Result<void>& how) override {
    said.push_back(step.id + (how ? " ok" : " failed"));
  }
  void undoing(const Undoing& /*one*/) override {}
  void undone(const Undoing& /*one*/, const Result<void>& /*how*/) override {}

  std::vector<std::string> said;
};

/// Dies, as by SIGKILL, before or after the n-th thing it is asked to do.
class Mortal final : public Performer {
 public:
  Mortal(Performer& inner, int lives) : inner_(inner), lives_(lives) {}

  Result<Inverse> prepare(const Action& action, std::uint64_t seq) override {
    live();
    auto result = inner_.prepare(action, seq);
    live();
    return result;
  }
  Result<void> perform(const Action& action) override {
    live();
    auto result = inner_.perform(action);
    live();
    return result;
  }
  Result<void> finish() override { return inner_.finish(); }

 private:
  void live() {
    if (lives_-- == 0) ::_exit(kKilled);
  }

 public:
  static constexpr int kKilled = 42;

 private:
  Performer& inner_;
  int lives_;
};

/// Path to content of everything below, but our own state.
inline std::map<std::string, std::string> snapshot(const host::HostTree& tree) {
  std::map<std::string, std::string> files;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(tree.path())) {
    const std::string path = entry.path().string().substr(tree.path().size());
    if (path.starts_with("/var") || path.starts_with("/run")) continue;
    std::string content = "(directory)";
    if (entry.is_regular_file()) {
      std::ifstream in(entry.path(), std::ios::binary);
      content.assign(std::istreambuf_iterator<char>(in), {});
    }
    files[path] = content;
  }
  return files;
}

struct World {
  host::HostTree tree{{"etc/one", "before\n"}, {"etc/other", "untouched\n"}};
  host::FakeCommandRunner runner;
  HostPerformer performer{tree.root(), runner, {}};
  std::atomic<bool> stop{false};
  Silent silent;

  Replan replan() {
    return [this](std::string_view id) -> Result<StepPlan> {
      return plan_of(tree, std::string(id));
    };
  }

  RunOutcome apply(Performer& with) {
    auto journal = Journal::open(tree.root(), "boot");
    EXPECT_TRUE(journal) << journal.error().message();
    EXPECT_TRUE(journal->start("run", "apply"));
    return execute(plan_for(tree), with, *journal, replan(), silent, stop);
  }

  /// Applies in a process that dies at its n-th breath; false if it lived.
  bool apply_and_die(int lives) {
    const pid_t child = ::fork();
    if (child == 0) {
      Mortal mortal(performer, lives);
      apply(mortal);
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status));
    return WEXITSTATUS(status) == Mortal::kKilled;
  }

  Result<void> undo_all() {
    TRY(Journal journal, Journal::open(tree.root(), "boot"));
    TRY_VOID(journal.start("undo", "rollback"));
    return roll_back(plan_rollback(journal.lines(), {}, {}), performer, journal,
                     silent);
  }
};

}  // namespace gpunode::provision
