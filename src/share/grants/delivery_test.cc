#include "share/grants/delivery.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::share {
namespace {

class Delivered : public testing::Test {
 protected:
  Delivered() { tree_.directory("grants/0a-1"); }

  Delivery delivery() const { return {tree_.path("grants"), "0a-1"}; }

  const host::HostTree tree_;
};

TEST_F(Delivered, IsRefusedUnlessTheAgentSaysOtherwise) {
  EXPECT_FALSE(delivery().has_word());
  EXPECT_EQ(delivery().on_unsupported(), OnUnsupported::kRefuse);
  ASSERT_TRUE(delivery().tell(OnUnsupported::kUnlimited));
  EXPECT_TRUE(delivery().has_word());
  EXPECT_EQ(delivery().on_unsupported(), OnUnsupported::kUnlimited);
  ASSERT_TRUE(delivery().tell(OnUnsupported::kRefuse));
  EXPECT_EQ(delivery().on_unsupported(), OnUnsupported::kRefuse);
  tree_.file("grants/0a-1/on-unsupported", "unlimite");
  EXPECT_EQ(delivery().on_unsupported(), OnUnsupported::kRefuse);
}

TEST_F(Delivered, RemembersWhyItIsUnlimitedUntilItIsNot) {
  EXPECT_EQ(delivery().why_unlimited(), "");
  ASSERT_TRUE(delivery().tell_unlimited("/app is a static program"));
  EXPECT_EQ(delivery().why_unlimited(), "/app is a static program");
  ASSERT_TRUE(delivery().tell_unlimited(""));
  EXPECT_EQ(delivery().why_unlimited(), "");
  ASSERT_TRUE(delivery().tell_unlimited(""));
}

TEST_F(Delivered, WritesNothingForAGrantThatIsNotThere) {
  const Delivery gone(tree_.path("grants"), "0b-1");
  EXPECT_EQ(gone.write_preload("x").error().code(), ErrorCode::kNotFound);
  const auto path = delivery().write_preload("/a.so\n");
  ASSERT_TRUE(path) << path.error().message();
  EXPECT_EQ(*path, tree_.path("grants/0a-1/ld.so.preload"));
  EXPECT_EQ(*tree_.root().read_file("grants/0a-1/ld.so.preload"), "/a.so\n");
}

TEST_F(Delivered, IsFoundByTheMountOfItsLimitsAlone) {
  const std::string root = tree_.path("grants");
  ASSERT_TRUE(delivery().tell(OnUnsupported::kUnlimited));
  const auto found = Delivery::of_mount(root, root + "/0a-1/limits");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->on_unsupported(), OnUnsupported::kUnlimited);
  for (const std::string& source :
       {root, root + "/limits", root + "/0a-1", root + "/0a-1/ledger",
        root + "/../limits", root + "/0a-1/../0a-1/limits", root + "//limits",
        root + "0a-1/limits", std::string("/0a-1/limits"), std::string()}) {
    EXPECT_FALSE(Delivery::of_mount(root, source)) << source;
  }
}

}  // namespace
}  // namespace gpunode::share
