#include "container/hook/container_state.h"

#include <string>

#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::hook {
namespace {

TEST(ContainerState, IsReadAsRuncAndCrunGiveIt) {
  const auto runc = parse_container_state(
      R"({"ociVersion":"1.0.2","id":"x","status":"creating","pid":1,)"
      R"("bundle":"/run/x","annotations":{"bundle":"/no","root":"/no"}})");
  ASSERT_TRUE(runc);
  EXPECT_EQ(runc->bundle, "/run/x");
  EXPECT_EQ(runc->root, "");
  const auto crun = parse_container_state(
      R"({"bundle":"/run/x","root":"/var/lib/x/merged","status":"created"})");
  ASSERT_TRUE(crun);
  EXPECT_EQ(crun->root, "/var/lib/x/merged");
}

TEST(ContainerState, ThatIsNoneIsRefused) {
  for (const char* bad :
       {"", " ", "null", "[]", "\"/x\"", "{", "{}", R"({"bundle":1})",
        R"({"bundle":""})", R"({"bundle":"/x"} x)", R"({"bundle":"/x\u0000y"})",
        R"([{"bundle":"/x"}])", R"({"a":{"bundle":"/x"}})"}) {
    const auto state = parse_container_state(bad);
    ASSERT_FALSE(state) << bad;
    EXPECT_EQ(state.error().code(), ErrorCode::kCorrupt) << bad;
  }
  EXPECT_FALSE(parse_container_state(std::string(500000, '[')));
}

TEST(ContainerState, LeadsToTheRootThroughConfigJson) {
  const host::HostTree tree{
      {"bundle/config.json", R"({"root":{"path":"rootfs"}})"},
      {"bundle/rootfs/here", "relative"},
      {"elsewhere/here", "absolute"}};
  const auto relative = open_container_root({tree.path("bundle"), ""});
  ASSERT_TRUE(relative) << relative.error().message();
  EXPECT_EQ(*relative->read_file("here", 100), "relative");

  tree.file("bundle/config.json",
            R"({"root":{"path":")" + tree.path("elsewhere") + R"("}})");
  const auto absolute = open_container_root({tree.path("bundle"), ""});
  ASSERT_TRUE(absolute);
  EXPECT_EQ(*absolute->read_file("here", 100), "absolute");
}

TEST(ContainerState, WithARootNeedsNoConfigJson) {
  const host::HostTree tree{{"root/here", "x"}};
  EXPECT_TRUE(open_container_root({"/nonexistent", tree.path("root")}));
  EXPECT_FALSE(open_container_root({"/nonexistent", ""}));
}

TEST(ContainerState, HasTheRootThatConfigJsonSaidToCrun) {
  // crun copies root.path; containerd writes a relative one.
  const host::HostTree tree{{"bundle/rootfs/here", "relative"}};
  const auto root = open_container_root({tree.path("bundle"), "rootfs"});
  ASSERT_TRUE(root) << root.error().message();
  EXPECT_EQ(*root->read_file("here", 100), "relative");
  EXPECT_FALSE(open_container_root({"", "rootfs"}));
}

TEST(ContainerState, OfTheHostsRootIsRefused) {
  EXPECT_FALSE(open_container_root({"/x", "/"}));
  const host::HostTree tree{{"config.json", R"({"root":{"path":"/"}})"}};
  EXPECT_FALSE(open_container_root({tree.path(), ""}));
  tree.file("config.json", R"({"root":{"path":""}})");
  EXPECT_FALSE(open_container_root({tree.path(), ""}));
  tree.file("config.json", R"({"root":{"path":"slash"}})");
  tree.link("slash", "/");
  EXPECT_FALSE(open_container_root({tree.path(), ""}));
}

}  // namespace
}  // namespace gpunode::hook
