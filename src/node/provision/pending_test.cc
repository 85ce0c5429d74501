#include "node/provision/pending.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::provision {
namespace {

using testing::HasSubstr;

TEST(Pending, ComesBackAsItWentAndGoes) {
  const host::HostTree tree;
  const auto none = read_pending(tree.root());
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->has_value());
  ASSERT_TRUE(
      write_pending(tree.root(), {"r1", "/etc/n.yaml", {"S"}, {"a.b"}, true}));
  const auto read = read_pending(tree.root());
  ASSERT_TRUE(read && read->has_value());
  EXPECT_EQ((*read)->run, "r1");
  EXPECT_EQ((*read)->spec_path, "/etc/n.yaml");
  EXPECT_THAT((*read)->confirmed_wipes, testing::ElementsAre("S"));
  EXPECT_THAT((*read)->only, testing::ElementsAre("a.b"));
  EXPECT_TRUE((*read)->overwrite_drift);
  ASSERT_TRUE(remove_pending(tree.root()));
  ASSERT_TRUE(remove_pending(tree.root()));
  EXPECT_FALSE(read_pending(tree.root())->has_value());
}

TEST(Pending, DamagedIsToldWithWhatToDo) {
  const host::HostTree tree{{"var/lib/gpunode/pending", "{\"run\": 1}"}};
  const auto read = read_pending(tree.root());
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().message(), HasSubstr("gpunode apply"));
}

std::vector<JournalLine> reboots(const std::vector<std::string>& reasons) {
  std::vector<JournalLine> lines;
  for (const std::string& reason : reasons) {
    lines.push_back(
        {.run = "r", .event = JournalEvent::kReboot, .note = reason});
  }
  return lines;
}

TEST(RebootBudget, EndsAfterSoManyOrTheSameReasonTwice) {
  EXPECT_EQ(reboot_refusal(reboots({"a"}), "r", "a", 3), "");
  EXPECT_EQ(reboot_refusal(reboots({"a", "b"}), "r", "b", 3), "");
  EXPECT_THAT(reboot_refusal(reboots({"a", "a"}), "r", "a", 3),
              HasSubstr("did not help"));
  EXPECT_THAT(reboot_refusal(reboots({"a", "b", "c", "d"}), "r", "d", 3),
              HasSubstr("3 times"));
  EXPECT_THAT(reboot_refusal(reboots({"a"}), "r", "a", 0),
              HasSubstr("0 times"));
  // Another run's reboots are not ours.
  EXPECT_EQ(reboot_refusal(reboots({"a", "a"}), "other", "a", 3), "");
}

}  // namespace
}  // namespace gpunode::provision
