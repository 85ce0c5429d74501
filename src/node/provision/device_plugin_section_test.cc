#include "node/provision/device_plugin_section.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/spec_file.h"

namespace gpunode::provision {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

SpecReading read(const std::string& plugin) {
  return read_spec({{"node.yaml",
                     "apiVersion: gpunode.dev/v1alpha1\nkind: GPUNode\nspec:\n"
                     "  devicePlugin: " +
                         plugin + "\n"}});
}

TEST(DevicePluginSection, TakesTheConfigurationAsItIs) {
  const SpecReading reading = read(R"(
    as: service
    config:
      version: v1
      flags: {plugin: {deviceListStrategy: envvar}}
      sharing:
        timeSlicing:
          failRequestsGreaterThanOne: true
          resources:
          - name: nvidia.com/gpu
            replicas: 20)");
  ASSERT_THAT(reading.problems, IsEmpty());
  const DevicePluginSpec& plugin = reading.spec.device_plugin;
  EXPECT_TRUE(plugin.is_wanted);
  EXPECT_EQ(plugin.place, PluginPlace::kService);
  EXPECT_TRUE(plugin.names_list_strategy);
  EXPECT_EQ(plugin.config, R"(version: v1
flags:
  plugin:
    deviceListStrategy: envvar
sharing:
  timeSlicing:
    failRequestsGreaterThanOne: true
    resources:
      - name: nvidia.com/gpu
        replicas: 20
)");
}

TEST(DevicePluginSection, IsTheClustersUnlessItSaysMore) {
  const SpecReading reading = read("{}");
  ASSERT_THAT(reading.problems, IsEmpty());
  EXPECT_EQ(reading.spec.device_plugin.place, PluginPlace::kCluster);
  EXPECT_EQ(reading.spec.device_plugin.config, "");
  EXPECT_FALSE(reading.spec.device_plugin.names_list_strategy);
}

TEST(DevicePluginSection, TellsEachMistakeWithItsPlace) {
  struct Case {
    const char* yaml;
    const char* words;
  };
  const Case cases[] = {
      {"{as: pod}", "\"pod\""},
      {"{as: service, config: \"version: v1\"}", "must be a mapping"},
      {"{conifg: {}}", "config"},
      {"{emit: {chart: nvdp}}", "--as values"},
  };
  for (const Case& one : cases) {
    const SpecReading reading = read(one.yaml);
    ASSERT_THAT(reading.problems, SizeIs(1)) << one.yaml;
    EXPECT_THAT(reading.problems[0],
                AllOf(HasSubstr("node.yaml:4:"), HasSubstr(one.words)));
  }
}

}  // namespace
}  // namespace gpunode::provision
