#include "apps/gpunode/live_run.h"

#include <chrono>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/core/driven_clock.h"

namespace gpunode::cli {
namespace {

using testing::ElementsAre;

/// What a run is told, in its order.
class Told final : public provision::RunObserver,
                   public provision::RollbackObserver,
                   public provision::WorkWatch {
 public:
  void step_started(const provision::PlannedStep& step, std::size_t /*index*/,
                    std::size_t /*count*/) override {
    said.push_back("step " + step.id);
  }
  void action_started(const provision::Action& action) override {
    said.push_back(provision::describe(action));
  }
  void action_ended(const provision::Action& /*action*/,
                    const Result<void>& /*how*/) override {
    said.emplace_back("ended");
  }
  void step_ended(const provision::PlannedStep& /*step*/,
                  const Result<void>& /*how*/) override {}
  void undoing(const provision::Undoing& /*one*/) override {}
  void undone(const provision::Undoing& /*one*/,
              const Result<void>& /*how*/) override {}
  void started(const host::Command& command) override {
    said.push_back(host::command_line(command));
  }
  void printed(host::OutputStream /*stream*/, std::string_view bytes) override {
    said.emplace_back(bytes);
  }
  void copy_started(std::uint64_t /*total*/,
                    std::function<std::uint64_t()> /*copied*/) override {}
  void copy_ended() override {}
  void tick() override { said.emplace_back("tick"); }

  std::vector<std::string> said;
};

TEST(LiveRun, TicksEachSecondBetweenWhatHappens) {
  DrivenClock clock;
  Told told;
  {
    LiveRun live(told, clock);
    clock.wait_for_waiters(1);
    live.action_started(provision::RemoveFile{"/x"});
    clock.advance_to(clock.next());
    clock.wait_for_waiters(1);
    live.printed(host::OutputStream::kOut, "word");
    clock.advance_to(clock.now() + std::chrono::milliseconds(500));
    clock.wait_for_waiters(1);
    clock.advance_to(clock.next());
    clock.wait_for_waiters(1);
    live.action_ended(provision::RemoveFile{"/x"}, {});
  }
  EXPECT_THAT(told.said,
              ElementsAre("remove /x", "tick", "word", "tick", "ended"));
}

}  // namespace
}  // namespace gpunode::cli
