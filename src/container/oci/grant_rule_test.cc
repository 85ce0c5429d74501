#include "container/oci/grant_rule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "container/oci/container_request.h"

namespace gpunode::oci {
namespace {

using Kind = DeviceList::Kind;
using testing::ElementsAre;
using testing::IsEmpty;

ContainerRequest restricted(const ContainerConfig& config, const Grant& grant,
                            const ToolkitConfig& rules = {}) {
  auto request = read_request(restrict_to_grant(config, grant, rules), rules);
  EXPECT_TRUE(request) << request.error().message();
  return request ? *std::move(request) : ContainerRequest();
}

Grant granted(const std::string& devices) {
  Grant grant;
  grant.is_empty = false;
  grant.envs = {{"NVIDIA_VISIBLE_DEVICES", devices}};
  return grant;
}

// The hole: a CUDA image that asks for nothing brings this along.
TEST(GrantRule, AnImageThatWasGrantedNothingGetsNothing) {
  ContainerConfig config;
  config.env = {"NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_IMEX_CHANNELS=0",
                "NVIDIA_GDS=enabled"};
  const ContainerRequest request = restricted(config, Grant());
  EXPECT_FALSE(request.devices.is_request());
  EXPECT_THAT(request.imex_channels, IsEmpty());
  EXPECT_THAT(request.gates, IsEmpty());
}

TEST(GrantRule, NorDoesALegacyImage) {
  ContainerConfig config;
  config.env = {"CUDA_VERSION=11.0"};
  EXPECT_FALSE(restricted(config, Grant()).devices.is_request());
}

TEST(GrantRule, APodsOwnVariableDoesNotOverrideTheGrant) {
  ContainerConfig config;
  config.env = {"NVIDIA_VISIBLE_DEVICES=U1", "NVIDIA_VISIBLE_DEVICES=all"};
  EXPECT_THAT(restricted(config, granted("U1")).devices.names,
              ElementsAre("U1"));
}

TEST(GrantRule, NorDoesASwarmVariable) {
  ToolkitConfig rules;
  rules.swarm_resource = "DOCKER_RESOURCE_GPU";
  ContainerConfig config;
  config.env = {"DOCKER_RESOURCE_GPU=all"};
  EXPECT_THAT(restricted(config, granted("U1"), rules).devices.names,
              ElementsAre("U1"));
}

TEST(GrantRule, TwoResourcesGrantBoth) {
  Grant grant = granted("U1");
  grant.envs.emplace_back("NVIDIA_VISIBLE_DEVICES", "U2");
  EXPECT_THAT(restricted(ContainerConfig(), grant).devices.names,
              ElementsAre("U1", "U2"));
}

TEST(GrantRule, MountsAndAnnotationsCountWhenGranted) {
  ToolkitConfig rules;
  rules.accept_volume_mounts = true;
  const std::string root = "/var/run/nvidia-container-devices/";
  ContainerConfig config;
  config.mounts = {{root + "U1", "/dev/null"}, {root + "U2", "/dev/null"}};
  config.annotations = {{"cdi.k8s.io/a", "n.com/g=U1"},
                        {"cdi.k8s.io/b", "n.com/g=U2"}};
  Grant grant;
  grant.is_empty = false;
  grant.mount_paths = {root + "U1"};
  grant.annotations = {{"cdi.k8s.io/a", "n.com/g=U1"},
                       {"cdi.k8s.io/b", "n.com/g=all"},
                       {"cdi.k8s.io/c", "n.com/g=U3"}};
  const ContainerRequest request = restricted(config, grant, rules);
  EXPECT_THAT(request.devices.names, ElementsAre("U1"));
  EXPECT_THAT(request.annotated.names, ElementsAre("n.com/g=U1"));
}

TEST(GrantRule, GrantedGatesOpenAndTheContainersWishesStay) {
  ContainerConfig config;
  config.env = {"NVIDIA_DRIVER_CAPABILITIES=video",
                "NVIDIA_REQUIRE_CUDA=cuda>=12.0", "NVIDIA_MOFED=enabled"};
  Grant grant = granted("U1");
  grant.envs.emplace_back("NVIDIA_GDS", "enabled");
  const ContainerRequest request = restricted(config, grant);
  EXPECT_THAT(request.gates, ElementsAre(Gate::kGds));
  EXPECT_THAT(request.capabilities, ElementsAre("video"));
  EXPECT_THAT(request.requirements, ElementsAre("cuda>=12.0"));
}

std::optional<std::string> excess(const ContainerConfig& config,
                                  const Grant& grant) {
  const auto asked = read_request(config, {});
  EXPECT_TRUE(asked) << asked.error().message();
  return excess_of(*asked, restricted(config, grant), grant);
}

TEST(GrantRule, NamesWhoAskedForMoreThanHeHas) {
  ContainerConfig config;
  config.env = {"NVIDIA_VISIBLE_DEVICES=all"};
  EXPECT_EQ(excess(config, Grant()), "no GPU was allocated to it");
  EXPECT_EQ(excess(config, granted("U1")), "it was allocated U1");
  // A network card is no GPU.
  Grant card;
  card.is_empty = false;
  card.envs = {{"PCIDEVICE_EXAMPLE_COM_NIC", "0000:03:02.0"}};
  EXPECT_EQ(excess(config, card), "no GPU was allocated to it");
}

TEST(GrantRule, NamesNobodyWhoHasWhatHeAskedFor) {
  ContainerConfig config;
  config.env = {"NVIDIA_VISIBLE_DEVICES=U1"};
  EXPECT_EQ(excess(config, granted("U1")), std::nullopt);
  // Of two resources the kubelet's environment has the last one's list.
  Grant two = granted("U1");
  two.envs.emplace_back("NVIDIA_VISIBLE_DEVICES", "U2");
  EXPECT_EQ(excess(config, two), std::nullopt);
  config.env = {"NVIDIA_VISIBLE_DEVICES=none"};
  EXPECT_EQ(excess(config, Grant()), std::nullopt);
  // Given by the engine, through CDI names of the kubelet's answer.
  config.env = {"NVIDIA_VISIBLE_DEVICES=all"};
  Grant named;
  named.is_empty = false;
  named.cdi_devices = {"k8s.device-plugin.nvidia.com/gpu=U1"};
  EXPECT_EQ(excess(config, named), std::nullopt);
}

}  // namespace
}  // namespace gpunode::oci
