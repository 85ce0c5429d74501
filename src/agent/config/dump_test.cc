#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "agent/config/load.h"

namespace gpunode::config {
namespace {

TEST(Dump, OfTheDefaultsIsThePeers) {
  EXPECT_EQ(dump_json(Settings{}), R"({
  "version": "v1",
  "flags": {
    "migStrategy": "none",
    "failOnInitError": true,
    "mpsRoot": "",
    "nvidiaDriverRoot": "/",
    "nvidiaDevRoot": "/",
    "gdrcopyEnabled": false,
    "gdsEnabled": false,
    "mofedEnabled": false,
    "useNodeFeatureAPI": null,
    "deviceDiscoveryStrategy": "auto",
    "plugin": {
      "passDeviceSpecs": false,
      "deviceListStrategy": [
        "envvar"
      ],
      "deviceIDStrategy": "uuid",
      "cdiAnnotationPrefix": "cdi.k8s.io/",
      "nvidiaCTKPath": "/usr/bin/nvidia-ctk",
      "containerDriverRoot": "/driver-root",
      "sharedDevicesAllocationPolicy": "distributed"
    }
  },
  "resources": {
    "gpus": [
      {
        "pattern": "*",
        "name": "nvidia.com/gpu"
      }
    ]
  },
  "sharing": {
    "timeSlicing": {}
  },
  "imex": {}
})");
}

TEST(Dump, ShowsSharingImexAndMigResources) {
  Settings settings;
  settings.mig_strategy = MigStrategy::kSingle;
  settings.device_list_strategies.clear();
  settings.imex_channel_ids = {0};
  settings.imex_required = true;
  Replication& slicing = settings.time_slicing.emplace();
  slicing.rename_by_default = true;
  slicing.resources = {
      {"nvidia.com/gpu", "nvidia.com/gpu.shared", AllDevices{}, 20},
      {"nvidia.com/x", "nvidia.com/x", DeviceCount{2}, 3},
      {"nvidia.com/y", "nvidia.com/y", DeviceRefs{{"0", "1:2"}}, 4}};
  settings.mps = Replication{false, true, false, {}};
  const std::string json = dump_json(settings);
  EXPECT_NE(json.find("\"deviceListStrategy\": [],"), std::string::npos);
  EXPECT_EQ(json.substr(json.find("  \"resources\"")), R"(  "resources": {
    "gpus": [
      {
        "pattern": "*",
        "name": "nvidia.com/gpu"
      }
    ],
    "mig": [
      {
        "pattern": "*",
        "name": "nvidia.com/gpu"
      }
    ]
  },
  "sharing": {
    "timeSlicing": {
      "renameByDefault": true,
      "resources": [
        {
          "name": "nvidia.com/gpu",
          "rename": "nvidia.com/gpu.shared",
          "devices": "all",
          "replicas": 20
        },
        {
          "name": "nvidia.com/x",
          "devices": 2,
          "replicas": 3
        },
        {
          "name": "nvidia.com/y",
          "devices": [
            "0",
            "1:2"
          ],
          "replicas": 4
        }
      ]
    },
    "mps": {
      "failRequestsGreaterThanOne": true
    }
  },
  "imex": {
    "channelIDs": [
      0
    ],
    "required": true
  }
})");
}

TEST(Dump, ShowsTheProfilesOfMixedMig) {
  Settings settings;
  settings.mig_strategy = MigStrategy::kMixed;
  const std::vector<ResourcePattern> profiles = {
      {"1g.5gb", "nvidia.com/mig-1g.5gb"}};
  EXPECT_NE(dump_json(settings, profiles)
                .find("\"pattern\": \"1g.5gb\",\n        \"name\": "
                      "\"nvidia.com/mig-1g.5gb\""),
            std::string::npos);
}

TEST(Dump, IsReadAsTheSameSettings) {
  // With a sharing section, that is: the peer's own dump of an empty one is
  // not loadable either.
  const auto line = parse_command_line(std::vector<std::string>{}, {});
  ASSERT_TRUE(line);
  const auto first = load(*line,
                          ConfigText{"c",
                                     "sharing: {timeSlicing: {resources: "
                                     "[{name: gpu, replicas: 2}]}}"},
                          [] { return true; });
  ASSERT_TRUE(first);
  const std::string json = dump_json(first->settings);
  const auto second = load(*line, ConfigText{"c", json}, [] { return true; });
  ASSERT_TRUE(second) << second.error().message();
  EXPECT_EQ(dump_json(second->settings), json);
}

}  // namespace
}  // namespace gpunode::config
