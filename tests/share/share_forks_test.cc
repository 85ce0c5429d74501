// Many processes, and processes that come and go: nothing of theirs is left.
#include <string>

#include <gtest/gtest.h>

#include "tests/share/laid_container.h"

namespace gpunode::share {
namespace {

class ShareForks : public ::testing::Test {
 protected:
  void SetUp() override {
    container.set("GPUNODE_FAKE_NVML", GPUNODE_PROFILES "/a10g-x1.json");
  }
  void lay(std::uint64_t limit, std::uint32_t slots) {
    container.lay({{kUuid, limit}}, slots);
  }
  Answer run(const std::string& deed, int number) const {
    return container.run({GPUNODE_FORK_TAKER, deed, std::to_string(number)});
  }
  /// As the next process that asks finds it, which looks for the dead.
  std::uint64_t held_by_the_rest() {
    Ledger ledger = container.map();
    EXPECT_TRUE(ledger.enroll(identity_of_this_process()));
    const std::uint64_t held = ledger.held(0);
    EXPECT_EQ(container.use().total, held);
    ledger.leave();
    return held;
  }

  LaidContainer container;
};

TEST_F(ShareForks, ATreeOfThemLeavesNothing) {
  lay(64 * kMiB, 256);
  const Answer answer = run("tree", 10);
  ASSERT_EQ(answer.status, 0) << answer.text;
  // Every fourth is killed; none hangs or sees another error.
  EXPECT_EQ(answer.number("killed"), 255u) << answer.text;
  EXPECT_EQ(answer.number("ended"), 1023u - 255u) << answer.text;
  EXPECT_EQ(answer.number("others"), 0u) << answer.text;
  EXPECT_EQ(held_by_the_rest(), 0u);
  EXPECT_LE(container.use().peak, 64 * kMiB);
}

TEST_F(ShareForks, AThousandProcessesHaveOneLimit) {
  // Room for all but 24 of them, and a slot for each.
  lay(1000 * 64 * 1024, kUsualSlots);
  const Answer answer = run("crowd", kUsualSlots);
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("granted"), 1000u) << answer.text;
  EXPECT_EQ(answer.number("refused"), kUsualSlots - 1000u) << answer.text;
  EXPECT_LE(container.use().peak, 1000u * 64 * 1024);
  EXPECT_EQ(held_by_the_rest(), 0u);
}

TEST_F(ShareForks, ThoseForWhomThereIsNoSlotGetNothingUntilOneIsFree) {
  lay(64 * kMiB, 16);
  const Answer answer = run("crowd", 24);
  EXPECT_EQ(answer.number("granted"), 16u) << answer.text;
  EXPECT_EQ(answer.number("refused"), 8u) << answer.text;
  EXPECT_EQ(container.use().refusals, 0u) << "the limit had room";
  // All of those have ended.
  const Answer next = run("crowd", 16);
  EXPECT_EQ(next.number("granted"), 16u) << next.text;
}

TEST_F(ShareForks, AChildIsItsOwnWhateverOtherThreadsWereAt) {
  lay(256 * kMiB, 64);
  const Answer answer = run("amid", 200);
  ASSERT_EQ(answer.status, 0) << answer.text;
  EXPECT_EQ(answer.number("forks"), 200u) << answer.text;
  EXPECT_EQ(answer.number("failed"), 0u) << answer.text;
  EXPECT_EQ(held_by_the_rest(), 0u);
}

}  // namespace
}  // namespace gpunode::share
