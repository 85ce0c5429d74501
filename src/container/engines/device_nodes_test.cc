#include "container/engines/device_nodes.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/host_tree.h"

namespace gpunode::engines {
namespace {

using host::HostTree;
using ::testing::HasSubstr;
using Kind = NodeChange::Kind;

constexpr const char* kDevices =
    "Character devices:\n  1 mem\n195 nvidia\n510 nvidia-uvm\n"
    "234 nvidia-caps\n\nBlock devices:\n195 sd\n";

// The GPU that comes first on the bus has the second minor.
HostTree driver_host() {
  const std::string gpus = "proc/driver/nvidia/gpus/";
  return HostTree{
      {"proc/devices", kDevices},
      {"proc/driver/nvidia/version",
       "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  x\n"},
      {gpus + "0000:01:00.0/information", "Device Minor: \t 1\n"},
      {gpus + "0000:02:00.0/information", "no such thing\n"},
      {gpus + "0000:03:00.0/information", "Device Minor: \t 3\n"},
      {gpus + "0000:04:00.0/information",
       "Device Minor: \t 4\nGPU Excluded:\t Yes\n"},
      {"proc/driver/nvidia-caps/mig-minors",
       "config 1\nmonitor 2\ngpu0/gi1/access 12\ngpu0/gi1/ci0/access 13\n"
       "gpu0/gi7/access 66\ngpu0/gi7/ci2/access 69\n"},
  };
}

TEST(AllNodes, AreControlNodesGpusAndEveryCapability) {
  const HostTree host = driver_host();
  const auto nodes = all_nodes(host.root());
  ASSERT_TRUE(nodes) << nodes.error().message();
  EXPECT_EQ(*nodes, (std::vector<DeviceNode>{
                        {"/dev/nvidia-modeset", 195, 254},
                        {"/dev/nvidiactl", 195, 255},
                        {"/dev/nvidia-uvm", 510, 0},
                        {"/dev/nvidia-uvm-tools", 510, 1},
                        {"/dev/nvidia1", 195, 1},
                        {"/dev/nvidia3", 195, 3},
                        {"/dev/nvidia-caps/nvidia-cap1", 234, 1},
                        {"/dev/nvidia-caps/nvidia-cap2", 234, 2},
                        {"/dev/nvidia-caps/nvidia-cap12", 234, 12},
                        {"/dev/nvidia-caps/nvidia-cap13", 234, 13},
                        // Behind a hole in the numbering.
                        {"/dev/nvidia-caps/nvidia-cap66", 234, 66},
                        {"/dev/nvidia-caps/nvidia-cap69", 234, 69}}));
}

TEST(ControlNodes, OldDriversCallThemselvesFrontend) {
  const HostTree host{
      {"proc/devices", "Character devices:\n195 nvidia-frontend\n"}};
  const auto nodes = control_nodes(host.root());
  ASSERT_TRUE(nodes);
  EXPECT_EQ(nodes->size(), 2U);
}

TEST(ControlNodes, AreAnErrorWithoutTheDriver) {
  const HostTree host{{"proc/devices", "Character devices:\n1 mem\n"}};
  const auto nodes = control_nodes(host.root());
  ASSERT_FALSE(nodes);
  EXPECT_EQ(nodes.error().code(), ErrorCode::kUnavailable);
  EXPECT_THAT(nodes.error().message(), HasSubstr("driver is not loaded"));
}

TEST(LinkNodes, MakesWhatIsMissingAndKeepsWhatIsRight) {
  const HostTree host;
  host.directory("dev/char");
  host.link("dev/char/195:1", "../nvidia1");
  host.link("dev/char/195:2", "/dev/other");
  const std::vector<DeviceNode> nodes = {{"/dev/nvidia0", 195, 0},
                                         {"/dev/nvidia1", 195, 1},
                                         {"/dev/nvidia2", 195, 2}};
  const auto dry = link_nodes(host.root(), "/dev/char", nodes, {true, false});
  ASSERT_TRUE(dry);
  EXPECT_EQ((*dry)[0].kind, Kind::kMade);
  EXPECT_FALSE(host.root().read_link("dev/char/195:0"));
  const auto kept = link_nodes(host.root(), "/dev/char", nodes, {false, false});
  ASSERT_TRUE(kept);
  EXPECT_EQ((*kept)[1].kind, Kind::kPresent);
  EXPECT_EQ((*kept)[2].kind, Kind::kWrong);
  EXPECT_EQ(*host.root().read_link("dev/char/195:0"), "/dev/nvidia0");
  EXPECT_EQ(*host.root().read_link("dev/char/195:2"), "/dev/other");
  const auto right = link_nodes(host.root(), "/dev/char", nodes, {false, true});
  ASSERT_TRUE(right);
  EXPECT_EQ((*right)[2].kind, Kind::kReplaced);
  EXPECT_EQ(*host.root().read_link("dev/char/195:2"), "/dev/nvidia2");
}

TEST(LinkNodes, MakesTheDirectoryBelowItsRoot) {
  const HostTree host;
  host.directory("dev");
  ASSERT_TRUE(
      link_nodes(host.root(), "/dev/char", {{"/dev/nvidia0", 195, 0}}, {}));
  EXPECT_EQ(*host.root().read_link("dev/char/195:0"), "/dev/nvidia0");
}

TEST(LinkNodes, StaysInItsRoot) {
  const HostTree tree{{"ours/195:1", "ours"}, {"host/run/x", ""}};
  const host::HostRoot root(tree.path("host"));
  const std::vector<DeviceNode> nodes = {{"/dev/nvidia0", 195, 0}};
  tree.link("host/dev/out", tree.path("ours"));
  tree.link("host/dev/up", "../../ours");
  tree.link("host/var/run", "/run");
  for (const char* directory : {"/dev/out", "/dev/up", "/var/run/char"}) {
    ASSERT_TRUE(link_nodes(root, directory, nodes, {})) << directory;
    EXPECT_EQ(*root.read_link(std::string(directory) + "/195:0"),
              "/dev/nvidia0");
  }
  EXPECT_EQ(*tree.root().read_link("host/run/char/195:0"), "/dev/nvidia0");
  EXPECT_EQ(*tree.root().list_directory("ours"),
            std::vector<std::string>{"195:1"});
}

TEST(MakeNodes, StaysInItsRoot) {
  const HostTree tree{{"ours/x", ""}};
  const host::HostRoot root(tree.path("host"));
  tree.link("host/dev", tree.path("ours"));
  const auto made = make_nodes(root, {{"/dev/nvidia0", 195, 0}}, {});
  if (!made && made.error().code() == ErrorCode::kPermissionDenied) {
    GTEST_SKIP() << "may not make device nodes here";
  }
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ(root.status("/dev/nvidia0")->device_major, 195U);
  EXPECT_EQ(*tree.root().list_directory("ours"), std::vector<std::string>{"x"});
}

TEST(PresentNodes, AreCharacterDevicesOfTheDriver) {
  const HostTree host{{"dev/nvidia7", "no device"}};
  host.directory("dev/nvidia-caps");
  if (::mknod(host.path("dev/nvidia0").c_str(), S_IFCHR | 0600,
              makedev(195, 0)) != 0) {
    GTEST_SKIP() << "may not make device nodes here";
  }
  ASSERT_EQ(::mknod(host.path("dev/nvidia-fs0").c_str(), S_IFCHR | 0600,
                    makedev(1, 3)),
            0);
  ASSERT_EQ(::mknod(host.path("dev/nvidia-caps/nvidia-cap1").c_str(),
                    S_IFCHR | 0600, makedev(234, 1)),
            0);
  EXPECT_EQ(
      present_nodes(host.root()),
      (std::vector<DeviceNode>{{"/dev/nvidia0", 195, 0},
                               {"/dev/nvidia-caps/nvidia-cap1", 234, 1}}));
}

TEST(MakeNodes, MakesThemForEveryUserAndJudgesThoseThatAreThere) {
  const HostTree host;
  host.directory("dev");
  const std::vector<DeviceNode> nodes = {
      {"/dev/nvidia0", 195, 0}, {"/dev/nvidia-caps/nvidia-cap1", 234, 1}};
  const auto dry = make_nodes(host.root(), nodes, {true, false});
  ASSERT_TRUE(dry);
  EXPECT_FALSE(host.root().exists("dev/nvidia0"));
  const auto made = make_nodes(host.root(), nodes, {});
  if (!made && made.error().code() == ErrorCode::kPermissionDenied) {
    GTEST_SKIP() << "may not make device nodes here";
  }
  ASSERT_TRUE(made) << made.error().message();
  const auto status = host.root().status("dev/nvidia0");
  ASSERT_TRUE(status);
  EXPECT_EQ(status->mode, 0666U);
  EXPECT_EQ(status->device_major, 195U);
  const auto again = make_nodes(
      host.root(), {{"/dev/nvidia0", 195, 0}, {"/dev/nvidia0", 195, 9}}, {});
  ASSERT_TRUE(again);
  EXPECT_EQ((*again)[0].kind, Kind::kPresent);
  EXPECT_EQ((*again)[1].kind, Kind::kWrong);
}

}  // namespace
}  // namespace gpunode::engines
