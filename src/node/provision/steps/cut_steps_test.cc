// The Steps themselves, on a host of files, cut off wherever a power cut can
// come: what `apply` makes of it then is what it makes without one, and a
// rollback finds back to what was before.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/executor.h"
#include "node/provision/file_host.h"
#include "node/provision/host_performer.h"
#include "node/provision/resumption.h"
#include "node/provision/rollback.h"
#include "node/provision/spec_file.h"
#include "node/provision/steps/steps.h"

namespace gpunode::provision {
namespace {

using testing::IsEmpty;

/// Needs a package manager, a kernel's modules or a cluster: tests/packages,
/// tests/vm and tests/cluster have them.
constexpr std::array<std::string_view, 13> kElsewhere = {
    "prep.packages",  "kernel.target",   "kernel.secureboot",
    "kernel.build",   "driver.packages", "driver.repository",
    "driver.hold",    "driver.modules",  "driver.obstacles",
    "driver.load",    "driver.services", "kubernetes.packages",
    "kubernetes.join"};

constexpr const char* kMuch = R"(apiVersion: gpunode.dev/v1alpha1
kind: GPUNode
spec:
  host: {swap: off, reboot: {mode: auto}}
  check: {interval: daily}
  proxy: {http: "http://somebody:secret@proxy:3128"}
  driver: {branch: "580", moduleOptions: {NVreg_EnableGpuFirmware: "0"}}
  runtime: {engine: containerd, install: {source: preinstalled}}
  devicePlugin: {as: service, config: {version: v1}}
  storage:
    - id: scratch
      select: {serials: [S1]}
      mount: {path: /data/scratch, via: fstab}
      users: [trainer.service]
      onBootBlank: reformat
    - id: models
      select: {serials: [S2]}
      mount: {path: /srv/models, via: unit}
)";

/// What kMuch asks for is mostly gone, and the first disk is mounted otherwise.
constexpr const char* kLittle = R"(apiVersion: gpunode.dev/v1alpha1
kind: GPUNode
spec:
  host: {swap: off}
  check: {interval: off}
  driver: {branch: "580"}
  storage:
    - id: scratch
      select: {serials: [S1]}
      mount: {path: /data/scratch, via: unit}
)";

/// What is told at each place where a run can be cut off; true right before a
/// line of the journal is written, which the power may go amid.
using Place = std::function<void(bool is_at_a_line)>;

class Nobody final : public RunObserver, public RollbackObserver {
 public:
  void step_started(const PlannedStep& /*step*/, std::size_t /*index*/,
                    std::size_t /*count*/) override {}
  void action_started(const Action& /*action*/) override {}
  void action_ended(const Action& /*action*/,
                    const Result<void>& /*how*/) override {}
  void step_ended(const PlannedStep& /*step*/,
                  const Result<void>& /*how*/) override {}
  void undoing(const Undoing& /*one*/) override {}
  void undone(const Undoing& /*one*/, const Result<void>& /*how*/) override {}
};

class Watched final : public Performer {
 public:
  Watched(Performer& inner, const Place& place)
      : inner_(inner), place_(place) {}

  /// Amid an action of several programs; before the first one nothing is other
  /// than before the action.
  void program() {
    if (programs_++ != 0) place_(false);
  }

  Result<Inverse> prepare(const Action& action, std::uint64_t seq) override {
    place_(false);
    auto inverse = inner_.prepare(action, seq);
    place_(true);
    return inverse;
  }
  Result<void> perform(const Action& action) override {
    place_(false);
    programs_ = 0;
    auto done = inner_.perform(action);
    place_(true);
    return done;
  }
  Result<void> finish() override {
    place_(false);
    return inner_.finish();
  }

 private:
  Performer& inner_;
  const Place& place_;
  int programs_ = 0;
};

/// A host and what `apply` and `rollback` do to it, without their words.
class Node {
 public:
  Node() = default;
  /// What a run that is killed now leaves: all that it did is in files.
  Node(const Node& other) : host_(other.host_) {}

  FileHost& host() { return host_; }
  Plan plan(const char* yaml) { return look(yaml, lines()).plan; }
  std::vector<JournalLine> lines() {
    auto journal = Journal::read(host_.root());
    EXPECT_TRUE(journal) << journal.error().message();
    return journal ? journal->lines : std::vector<JournalLine>();
  }

  /// The plan of `yaml`, carried out.
  void apply(
      const char* yaml, const Place& place = [](bool) {}) {
    auto journal = Journal::open(host_.root(), "boot");
    ASSERT_TRUE(journal) << journal.error().message();
    const bool was_cut_off = has_unended_run(journal->lines());
    const View view = look(yaml, journal->lines());
    for (const PlannedStep& step : view.plan.steps) {
      const bool can_be_done = step.plan.state != StepState::kBlocked &&
                               step.plan.state != StepState::kRefused &&
                               step.plan.state != StepState::kDrift;
      ASSERT_TRUE(can_be_done) << step.id << ": " << step.plan.why;
    }
    HostPerformer performer(host_.root(), host_,
                            {.is_systemd_stale = was_cut_off});
    Watched watched(performer, place);
    host_.on_change = [&watched] { watched.program(); };
    ASSERT_TRUE(journal->start("run", "apply"));
    const Replan replan = [&](std::string_view id) -> Result<StepPlan> {
      return plan_one(view, id, journal->lines());
    };
    const RunOutcome outcome =
        execute(view.plan, watched, *journal, replan, nobody_, stop_);
    EXPECT_EQ(outcome.end, RunEnd::kDone) << outcome.step << outcome.message;
    // As apply does where nothing is left to do.
    if (view.plan.changes() == 0) {
      EXPECT_TRUE(performer.finish());
    }
    EXPECT_TRUE(journal->append({.event = JournalEvent::kEnd, .note = "done"}));
    host_.on_change = [] {};
  }

  /// The beginning of a line is all that was written of it.
  void tear_a_line() {
    std::ofstream(host_.tree().path(kJournalPath + 1),
                  std::ios::binary | std::ios::app)
        << "{\"v\":1,\"seq\":";
  }

  void undo_all() {
    auto journal = Journal::open(host_.root(), "boot");
    ASSERT_TRUE(journal) << journal.error().message();
    HostPerformer performer(
        host_.root(), host_,
        {.is_systemd_stale = has_unended_run(journal->lines())});
    ASSERT_TRUE(journal->start("undo", kRollbackCommand));
    const auto undone = roll_back(plan_rollback(journal->lines(), {}, {}),
                                  performer, *journal, nobody_);
    ASSERT_TRUE(undone) << undone.error().message();
    EXPECT_TRUE(journal->append({.event = JournalEvent::kEnd, .note = "done"}));
  }

  /// But for what a rollback says that it leaves: images of the initramfs,
  /// and the GPU's link of this boot.
  std::map<std::string, std::string> before_gpunode() const {
    auto all = host_.snapshot();
    std::erase_if(all, [](const auto& entry) {
      return entry.first.starts_with("/boot/initrd.img-") ||
             entry.first.starts_with("/dev/char");
    });
    return all;
  }

 private:
  struct View {
    NodeSpec spec;
    Steps steps;
    Plan plan;
  };

  View look(const char* yaml, const std::vector<JournalLine>& lines) {
    SpecReading reading = read_spec({{"node.yaml", yaml}});
    EXPECT_THAT(reading.problems, IsEmpty());
    View view;
    view.spec = std::move(reading.spec);
    view.spec.path = "/etc/gpunode/node.yaml";
    view.spec.program = "/usr/bin/gpunode";
    view.spec.runtime_program = "/usr/lib/gpunode/gpunode-runtime";
    view.steps = steps_for(view.spec, lines);
    std::erase_if(view.steps, [](const auto& step) {
      return std::ranges::find(kElsewhere, step->id()) != kElsewhere.end();
    });
    const auto facts = host_.observe(wanted_by(view.steps, view.spec));
    EXPECT_TRUE(facts) << facts.error().message();
    view.plan =
        make_plan(view.steps, {*facts, view.spec, history_of(lines), {}});
    return view;
  }

  Result<StepPlan> plan_one(const View& view, std::string_view id,
                            const std::vector<JournalLine>& lines) {
    const auto step = std::ranges::find_if(
        view.steps, [&](const auto& one) { return one->id() == id; });
    TRY(const auto facts, host_.observe((*step)->wants(view.spec)));
    return (*step)->plan({facts, view.spec, history_of(lines, "run"), {}});
  }

  FileHost host_;
  Nobody nobody_;
  std::atomic<bool> stop_{false};
};

using Snapshot = std::map<std::string, std::string>;

/// What `now` has otherwise than `wanted`, path by path.
std::vector<std::string> differences(const Snapshot& now,
                                     const Snapshot& wanted) {
  std::vector<std::string> found;
  for (const auto& [path, what] : wanted) {
    const auto at = now.find(path);
    if (at == now.end()) {
      found.push_back(path + " is not there");
    } else if (at->second != what) {
      found.push_back(path + " is " + at->second + " and not " + what);
    }
  }
  for (const auto& [path, what] : now) {
    if (!wanted.contains(path)) found.push_back(path + " is there: " + what);
  }
  return found;
}

std::vector<std::string> steps_done(const std::vector<JournalLine>& lines) {
  std::vector<std::string> done;
  for (const JournalLine& line : lines) {
    if (line.event == JournalEvent::kBegin) done.push_back(line.step);
  }
  done.erase(std::unique(done.begin(), done.end()), done.end());
  return done;
}

/// Hosts are made in memory where there is such a directory: thousands of files
/// are synced, which no power cut will ever try.
class CutSteps : public testing::Test {
 protected:
  void SetUp() override {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): no thread is there.
    const char* now = std::getenv("TMPDIR");
    before_ = now == nullptr ? "/tmp" : now;
    if (::access("/dev/shm", W_OK) != 0) return;
    // NOLINTNEXTLINE(concurrency-mt-unsafe)
    ::setenv("TMPDIR", "/dev/shm", 1);
  }
  void TearDown() override {
    // NOLINTNEXTLINE(concurrency-mt-unsafe)
    ::setenv("TMPDIR", before_.c_str(), 1);
  }

 private:
  std::string before_;
};

TEST_F(CutSteps, AllThatWorkOnFilesHaveSomethingToDo) {
  Node node;
  const auto before = node.before_gpunode();
  node.apply(kMuch);
  EXPECT_THAT(
      steps_done(node.lines()),
      testing::ElementsAre("engine.resume", "prep.modules", "prep.sysctl",
                           "prep.swap", "prep.repositories", "prep.time",
                           "prep.proxy", "storage.scratch.boot",
                           "storage.scratch.users", "storage.scratch.mount",
                           "storage.models.mount", "kernel.nouveau",
                           "driver.options", "runtime.links", "runtime.gpu",
                           "runtime.config", "plugin.service", "engine.check"));
  EXPECT_EQ(node.plan(kMuch).changes(), 0U);
  node.undo_all();
  EXPECT_THAT(differences(node.before_gpunode(), before), IsEmpty());
}

/// Looks at hosts in processes of their own, two at a time.
class Looks {
 public:
  using Look = std::function<void(Node&)>;

  ~Looks() {
    while (!running_.empty()) await_one();
  }

  void add(std::unique_ptr<Node> node, const Look& look) {
    constexpr std::size_t kAtOnce = 2;
    while (running_.size() >= kAtOnce) await_one();
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      look(*node);
      ::_exit(testing::Test::HasFailure() ? 1 : 0);
    }
    running_[child] = std::move(node);
  }

 private:
  void await_one() {
    int status = 0;
    const pid_t child = ::waitpid(-1, &status, 0);
    EXPECT_EQ(running_.erase(child), 1U);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }

  std::map<pid_t, std::unique_ptr<Node>> running_;
};

/// Cut off everywhere on the way from what `before` asks for, if anything, to
/// `yaml`; how often.
int cut_everywhere(const char* before, const char* yaml) {
  Node node;
  const Snapshot bare = node.before_gpunode();
  if (before != nullptr) node.apply(before);
  Node whole(node);
  whole.apply(yaml);
  const Snapshot wanted = whole.host().snapshot();
  int places = 0;
  Looks looks;
  node.apply(yaml, [&](bool is_at_a_line) {
    SCOPED_TRACE(++places);
    if (testing::Test::HasFailure()) return;
    auto cut = std::make_unique<Node>(node);
    if (is_at_a_line) cut->tear_a_line();
    looks.add(std::move(cut), [&](Node& killed) {
      Node undone(killed);
      killed.apply(yaml);
      EXPECT_THAT(differences(killed.host().snapshot(), wanted), IsEmpty());
      EXPECT_EQ(killed.plan(yaml).changes(), 0U);
      killed.undo_all();
      EXPECT_THAT(differences(killed.before_gpunode(), bare), IsEmpty());
      if (is_at_a_line) return;
      undone.undo_all();
      EXPECT_THAT(differences(undone.before_gpunode(), bare), IsEmpty());
    });
  });
  return places;
}

TEST_F(CutSteps, MakingANodeEndsAsIfNothingHadCutItOff) {
  EXPECT_GT(cut_everywhere(nullptr, kMuch), 150);
}

TEST_F(CutSteps, TakingAwayEndsAsIfNothingHadCutItOff) {
  EXPECT_GT(cut_everywhere(kMuch, kLittle), 80);
}

}  // namespace
}  // namespace gpunode::provision
