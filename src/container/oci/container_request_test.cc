#include "container/oci/container_request.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::oci {
namespace {

using Kind = DeviceList::Kind;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

ContainerConfig container(std::vector<std::string> env) {
  ContainerConfig config;
  config.env = std::move(env);
  return config;
}

ContainerRequest request_of(const ContainerConfig& config,
                            const ToolkitConfig& rules = {}) {
  auto request = read_request(config, rules);
  EXPECT_TRUE(request) << request.error().message();
  return request ? *std::move(request) : ContainerRequest();
}

DeviceList devices_of(std::vector<std::string> env,
                      const ToolkitConfig& rules = {}) {
  return request_of(container(std::move(env)), rules).devices;
}

DeviceList named(std::vector<std::string> names) {
  return {Kind::kNamed, std::move(names)};
}

// vectors.md §5, what nvidia-container-runtime 1.20 was seen to do; a
// repeated id is ours (it gives no GPU there).
TEST(ContainerRequest, VisibleDevicesInAllItsForms) {
  struct Row {
    std::vector<std::string> env;
    DeviceList want;
  };
  const std::vector<Row> rows = {
      {{"NVIDIA_VISIBLE_DEVICES=all"}, {Kind::kAll, {}}},
      {{"NVIDIA_VISIBLE_DEVICES=1,0"}, named({"1", "0"})},
      {{"NVIDIA_VISIBLE_DEVICES= 0 , 1 "}, named({"0", "1"})},
      {{"NVIDIA_VISIBLE_DEVICES=all,0"}, {Kind::kAll, {}}},
      {{"NVIDIA_VISIBLE_DEVICES=GPU-7"}, named({"GPU-7"})},
      {{"NVIDIA_VISIBLE_DEVICES=none"}, {Kind::kNone, {}}},
      {{"NVIDIA_VISIBLE_DEVICES=0,none"}, {Kind::kNone, {}}},
      {{"NVIDIA_VISIBLE_DEVICES=none,all"}, {Kind::kNone, {}}},
      {{"NVIDIA_VISIBLE_DEVICES=0,0"}, named({"0"})},
      {{"NVIDIA_VISIBLE_DEVICES=0,1,0"}, named({"0", "1"})},
      {{}, {}},
      {{"NVIDIA_VISIBLE_DEVICES="}, {}},
      {{"NVIDIA_VISIBLE_DEVICES=,,"}, {}},
      {{"NVIDIA_VISIBLE_DEVICES=void"}, {}},
      {{"NVIDIA_VISIBLE_DEVICES=0,void"}, {}},
      {{"NVIDIA_VISIBLE_DEVICES=1", "NVIDIA_VISIBLE_DEVICES=2"}, named({"2"})},
      {{"CUDA_VERSION=11.0"}, {Kind::kAll, {}}},
      {{"CUDA_VERSION=11.0", "NVIDIA_REQUIRE_CUDA=cuda>=11.0"}, {}},
      {{"CUDA_VERSION=11.0", "NVIDIA_VISIBLE_DEVICES="}, {}},
      {{"NVIDIA_VISIBLE_DEVICES=0:1,MIG-x"}, named({"0:1", "MIG-x"})},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(devices_of(row.env), row.want) << testing::PrintToString(row.env);
  }
}

TEST(ContainerRequest, TheUnprivilegedMayBeRefusedTheEnvironment) {
  ToolkitConfig rules;
  rules.accept_envvar_when_unprivileged = false;
  ContainerConfig config = container({"NVIDIA_VISIBLE_DEVICES=0"});
  const ContainerRequest refused = request_of(config, rules);
  EXPECT_FALSE(refused.devices.is_request());
  EXPECT_THAT(refused.warnings,
              ElementsAre("Ignoring devices requested by environment "
                          "variable(s) in unprivileged container: "
                          "[NVIDIA_VISIBLE_DEVICES]"));
  config.bounding_capabilities = {"CAP_KILL", "CAP_SYS_ADMIN"};
  EXPECT_EQ(request_of(config, rules).devices, named({"0"}));
}

TEST(ContainerRequest, SwarmResourcesStandInFront) {
  ToolkitConfig rules;
  rules.swarm_resource = "A, B";
  EXPECT_EQ(devices_of({"NVIDIA_VISIBLE_DEVICES=0", "A=1"}, rules),
            named({"1"}));
  EXPECT_EQ(devices_of({"A=1", "B=2"}, rules), named({"1", "2"}));
  EXPECT_EQ(devices_of({"A=", "NVIDIA_VISIBLE_DEVICES=0"}, rules),
            DeviceList());
  EXPECT_EQ(devices_of({"NVIDIA_VISIBLE_DEVICES=0"}, rules), named({"0"}));
}

TEST(ContainerRequest, VolumeMountsWinOverTheEnvironment) {
  ToolkitConfig rules;
  rules.accept_volume_mounts = true;
  const std::string root = "/var/run/nvidia-container-devices";
  for (const char* value : {"2", "void", "/var/run/nvidia-container-devices"}) {
    ContainerConfig config =
        container({std::string("NVIDIA_VISIBLE_DEVICES=") + value});
    config.mounts = {{root + "/1", "/dev/null"}, {root + "/1", "/dev/null"}};
    EXPECT_EQ(request_of(config, rules).devices, named({"1"})) << value;
    EXPECT_NE(request_of(config).devices, named({"1"})) << "not accepted";
  }
  ContainerConfig config = container({});
  config.mounts = {{root + "/cdi/runtime.nvidia.com/gpu/1", "/dev/null"},
                   {root + "/cdi/a.com/b=c", "/dev/null"},
                   {root + "/imex/3", "/dev/null"},
                   {root + "X/9", "/dev/null"},
                   {root + "/8", "/dev/zero"},
                   {root, "/dev/null"}};
  const ContainerRequest request = request_of(config, rules);
  EXPECT_EQ(request.devices, named({"runtime.nvidia.com/gpu=1", "a.com/b=c"}));
  EXPECT_THAT(request.imex_channels, ElementsAre("3"));
}

TEST(ContainerRequest, AnnotationsAreReadInTheOrderOfTheirKeys) {
  ToolkitConfig rules;
  rules.runtime.cdi_annotation_prefixes = {"cdi.k8s.io/", "foo/"};
  ContainerConfig config = container({});
  config.annotations = {{"foo/b", "nvidia.com/gpu=0"},
                        {"cdi.k8s.io/z", "nvidia.com/gpu=all, a/b=c"},
                        {"other/x", "nvidia.com/gpu=7"}};
  EXPECT_EQ(request_of(config, rules).annotated,
            named({"nvidia.com/gpu=all", "a/b=c", "nvidia.com/gpu=0"}));
}

TEST(ContainerRequest, ImexChannels) {
  EXPECT_THAT(
      request_of(container({"NVIDIA_IMEX_CHANNELS=0, 1,all,0"})).imex_channels,
      ElementsAre("0", "1"));
  ToolkitConfig ignoring;
  ignoring.features.ignore_imex_channel_requests = true;
  EXPECT_THAT(
      request_of(container({"NVIDIA_IMEX_CHANNELS=0"}), ignoring).imex_channels,
      IsEmpty());
  for (const char* bad : {"1048576", "-1", "x", "0x1", "1 2"}) {
    const auto request = read_request(
        container({std::string("NVIDIA_IMEX_CHANNELS=") + bad}), {});
    ASSERT_FALSE(request) << bad;
    EXPECT_THAT(request.error().message(), HasSubstr("invalid IMEX channel"));
  }
  EXPECT_THAT(
      request_of(container({"NVIDIA_IMEX_CHANNELS=1048575"})).imex_channels,
      ElementsAre("1048575"));
}

TEST(ContainerRequest, MigControlIsForThePrivileged) {
  ContainerConfig config = container(
      {"NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_MIG_CONFIG_DEVICES=all"});
  EXPECT_EQ(read_request(config, {}).error().message(),
            "cannot set MIG_CONFIG_DEVICES in non privileged container");
  config.bounding_capabilities = {"CAP_SYS_ADMIN"};
  EXPECT_TRUE(request_of(config).wants_mig_config);
  EXPECT_FALSE(request_of(config).wants_mig_monitor);
}

TEST(ContainerRequest, GatesAreEnabledByTheWord) {
  EXPECT_THAT(request_of(container({"NVIDIA_GDS=enabled", "NVIDIA_MOFED=true",
                                    "NVIDIA_NVSWITCH=enabled"}))
                  .gates,
              ElementsAre(Gate::kGds, Gate::kNvswitch));
}

TEST(ContainerRequest, Capabilities) {
  const auto of = [](std::vector<std::string> env) {
    return request_of(container(std::move(env))).capabilities;
  };
  EXPECT_THAT(of({}), ElementsAre("utility", "compute"));
  EXPECT_THAT(of({"NVIDIA_DRIVER_CAPABILITIES="}),
              ElementsAre("utility", "compute"));
  EXPECT_THAT(of({"NVIDIA_DRIVER_CAPABILITIES=video, compute,video"}),
              ElementsAre("video", "compute"));
  EXPECT_EQ(of({"NVIDIA_DRIVER_CAPABILITIES=compute,all"}).size(), 7U);
  EXPECT_EQ(of({"CUDA_VERSION=11.0"}).size(), 7U) << "a legacy image";
  const ContainerRequest odd =
      request_of(container({"NVIDIA_DRIVER_CAPABILITIES=compute,foo"}));
  EXPECT_THAT(odd.capabilities, ElementsAre("compute"));
  EXPECT_THAT(odd.unsupported_capabilities, ElementsAre("foo"));
  EXPECT_TRUE(odd.has_chosen_capabilities);
}

TEST(ContainerRequest, Requirements) {
  const auto of = [](std::vector<std::string> env) {
    return request_of(container(std::move(env))).requirements;
  };
  EXPECT_THAT(of({"NVIDIA_REQUIRE_CUDA=cuda>=11.0 brand=tesla",
                  "NVIDIA_REQUIRE_DRIVER=driver>=450",
                  "NVIDIA_REQUIRE_JETPACK=csv-mounts=all",
                  "NVIDIA_REQUIRE_CUDA=cuda>=12"}),
              ElementsAre("cuda>=12", "driver>=450"));
  EXPECT_THAT(of({"CUDA_VERSION=11.0.3"}), ElementsAre("cuda>=11.0"));
  EXPECT_THAT(of({"CUDA_VERSION=x11.0"}), IsEmpty());
  EXPECT_THAT(of({"CUDA_VERSION=11"}), IsEmpty());
  for (const char* on : {"1", "t", "true", "TRUE"}) {
    EXPECT_THAT(of({"CUDA_VERSION=11.0.3",
                    std::string("NVIDIA_DISABLE_REQUIRE=") + on}),
                IsEmpty())
        << on;
  }
  EXPECT_THAT(of({"CUDA_VERSION=11.0.3", "NVIDIA_DISABLE_REQUIRE=yes"}),
              ElementsAre("cuda>=11.0"));
}

}  // namespace
}  // namespace gpunode::oci
