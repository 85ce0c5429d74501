#include "apps/gpunode/commands/share_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

Share a_share() {
  Share one;
  one.allocation = "aaa";
  one.space = "team";
  one.pod = "train-0";
  one.container = "main";
  share::DeviceHeld held;
  held.uuid = "GPU-0";
  held.limit = 2048U << 20U;
  one.look.devices = {held};
  return one;
}

diagnose::AgentStatus::Compute some_use() {
  diagnose::AgentStatus::Compute use;
  use.device = "GPU-0";
  use.gpu_seconds = 12.34;
  use.throttled_seconds = 4.5;
  use.turns = 7;
  use.launches = 99;
  return use;
}

std::string text_of(const Share& one) {
  return page_of({one}).render(console::Terminal());
}

TEST(SharePage, TellsWhoGoesFirstAndWhoseWordThatIs) {
  Share one = a_share();
  one.look.devices[0].time = {500, share::TurnPolicy::kFair};
  one.look.devices[0].priority = {-2'000'000'000, share::PrioritySource::kPod};
  EXPECT_THAT(text_of(one),
              HasSubstr("time: 50 %, fair, priority -2000000000\n"));
  EXPECT_THAT(json_of({one}), HasSubstr("\"priority\": -2000000000"));
  EXPECT_THAT(json_of({one}), HasSubstr("\"prioritySource\": \"pod\""));
  one.look.devices[0].priority = {7, share::PrioritySource::kHand};
  one.compute = {some_use()};
  EXPECT_THAT(text_of(one), HasSubstr("time: 50 %, fair, priority 7 (set by "
                                      "hand); used 12.3 s"));
  EXPECT_THAT(json_of({one}), HasSubstr("\"prioritySource\": \"hand\""));
}

TEST(SharePage, OfWhoTakesNoTurnsNothingIsSaidOfTime) {
  Share one = a_share();
  one.compute = {some_use()};
  EXPECT_THAT(text_of(one), Not(HasSubstr("time")));
  EXPECT_THAT(json_of({one}), Not(HasSubstr("compute")));
}

TEST(SharePage, TellsThePartAndWhatTheAgentSawOfIt) {
  Share one = a_share();
  one.look.devices[0].time = {125, share::TurnPolicy::kBurst};
  EXPECT_THAT(text_of(one), HasSubstr("\n    time: 12.5 %, burst\n"));
  EXPECT_THAT(json_of({one}), Not(HasSubstr("gpuSeconds")));
  one.compute = {some_use()};
  EXPECT_THAT(
      text_of(one),
      HasSubstr("\n    time: 12.5 %, burst; used 12.3 s, waited 4.5 s\n"));
  const std::string json = json_of({one});
  EXPECT_THAT(json, HasSubstr("\"part\": 125"));
  EXPECT_THAT(json, HasSubstr("\"policy\": \"burst\""));
  EXPECT_THAT(json, HasSubstr("\"gpuSeconds\": 12.34"));
  EXPECT_THAT(json, Not(HasSubstr("peakPart")));
  EXPECT_THAT(json, HasSubstr("\"priority\": 0"));
  EXPECT_THAT(json, HasSubstr("\"prioritySource\": \"none\""));
  // Of another Device's.
  one.compute[0].device = "GPU-1";
  EXPECT_THAT(text_of(one), Not(HasSubstr("used 12.3 s")));
}

TEST(SharePage, TellsOfAKernelThatDoesNotEnd) {
  Share one = a_share();
  one.look.devices[0].time.thousandths = 250;
  one.compute = {some_use()};
  EXPECT_THAT(text_of(one), Not(HasSubstr("does not end")));
  one.compute[0].is_persistent = true;
  EXPECT_THAT(text_of(one), HasSubstr("a kernel of it does not end"));
}

TEST(SharePage, IsFoundByEachOfItsNames) {
  const Share one = a_share();
  for (const char* name : {"aaa", "train-0", "team/train-0"}) {
    EXPECT_TRUE(one.is_called(name)) << name;
  }
  for (const char* name : {"", "team", "main", "/train-0"}) {
    EXPECT_FALSE(one.is_called(name)) << name;
  }
}

}  // namespace
}  // namespace gpunode::cli
