#include "container/cdi/spec_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::cdi {
namespace {

using testing::ElementsAre;

DeviceNode node(const std::string& path, const std::string& host_path = "") {
  DeviceNode made;
  made.path = path;
  made.host_path = host_path;
  return made;
}

TEST(TidyEdits, AreSortedByDepthAndUnique) {
  ContainerEdits edits;
  edits.env = {"B=1", "A=1", "B=1"};
  edits.device_nodes = {node("/dev/x/b"), node("/dev/c"), node("/dev/a"),
                        node("/dev/c")};
  edits.mounts = {{"/1", "/z/y/x", {}, ""},
                  {"/2", "/m", {}, ""},
                  {"/3", "/q/r", {}, ""},
                  {"/2", "/m", {}, ""}};
  edits.additional_gids = {44, 10, 44};
  tidy(edits);
  EXPECT_THAT(edits.env, ElementsAre("B=1", "A=1"));
  EXPECT_THAT(edits.device_nodes,
              ElementsAre(node("/dev/a"), node("/dev/c"), node("/dev/x/b")));
  EXPECT_THAT(edits.mounts, ElementsAre(Mount{"/2", "/m", {}, ""},
                                        Mount{"/3", "/q/r", {}, ""},
                                        Mount{"/1", "/z/y/x", {}, ""}));
  EXPECT_THAT(edits.additional_gids, ElementsAre(10, 44));
}

TEST(TidySpec, TakesCommonEditsFromDevicesButEmptiesNone) {
  Spec spec;
  spec.kind = "a/b";
  spec.edits.env = {"A=1"};
  spec.devices = {{"y", {}, {}}, {"x", {}, {}}};
  spec.devices[0].edits.env = {"A=1", "B=1"};
  spec.devices[1].edits.env = {"A=1"};
  tidy(spec);
  EXPECT_EQ(spec.version, "0.3.0");
  EXPECT_EQ(spec.devices[0].name, "x");
  EXPECT_THAT(spec.devices[0].edits.env, ElementsAre("A=1"));
  EXPECT_THAT(spec.devices[1].edits.env, ElementsAre("B=1"));
}

Spec rooted() {
  Spec spec;
  spec.kind = "a/b";
  spec.devices = {{"x", {}, {}}};
  spec.devices[0].edits.device_nodes = {
      node("/dev/a"), node("/dev/b", "/r/dev/b"), node("/dev/c", "/rr/dev/c")};
  spec.edits.mounts = {{"/r/lib/x", "/lib/x", {}, ""}, {"/r", "/y", {}, ""}};
  spec.edits.hooks = {{"createContainer",
                       "/r/hook",
                       {"hook", "--folder", "/lib/a", "--link", "x::/lib/y"},
                       {"A=1"},
                       {}}};
  return spec;
}

TEST(RootChange, MovesTheHostsPaths) {
  Spec spec = rooted();
  change_root(spec, {"/r/", "/run/nvidia/driver/", false});
  EXPECT_THAT(
      spec.devices[0].edits.device_nodes,
      ElementsAre(node("/dev/a"), node("/dev/b", "/run/nvidia/driver/dev/b"),
                  node("/dev/c", "/rr/dev/c")));
  EXPECT_EQ(spec.edits.mounts[0].host_path, "/run/nvidia/driver");
  EXPECT_EQ(spec.edits.mounts[1].host_path, "/run/nvidia/driver/lib/x");
  EXPECT_EQ(spec.edits.mounts[1].container_path, "/lib/x");
  EXPECT_EQ(spec.edits.hooks[0].path, "/r/hook");
}

TEST(RootChange, ToTheRootItselfLeavesNoHostPath) {
  Spec spec = rooted();
  change_root(spec, {"/r", "/", false});
  EXPECT_EQ(spec.devices[0].edits.device_nodes[1], node("/dev/b"));
  EXPECT_EQ(spec.edits.mounts[0].host_path, "/");
}

TEST(RootChange, FromTheRootMovesEverything) {
  Spec spec = rooted();
  change_root(spec, {"/", "/host", false});
  EXPECT_EQ(spec.devices[0].edits.device_nodes[0],
            node("/dev/a", "/host/dev/a"));
  EXPECT_EQ(spec.version, "0.5.0");
}

TEST(RootChange, MovesTheContainersPathsAndHooksArguments) {
  Spec spec = rooted();
  change_root(spec, {"/lib", "/usr/lib", true});
  EXPECT_EQ(spec.edits.mounts[1].container_path, "/usr/lib/x");
  EXPECT_EQ(spec.edits.mounts[1].host_path, "/r/lib/x");
  EXPECT_THAT(
      spec.edits.hooks[0].args,
      ElementsAre("hook", "--folder", "/usr/lib/a", "--link", "x::/usr/lib/y"));
}

}  // namespace
}  // namespace gpunode::cdi
