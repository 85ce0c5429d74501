#include "agent/config/selection_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::config {
namespace {

using testing::ElementsAre;
using testing::StartsWith;

Result<std::optional<SelectionSettings>> read(
    const Environment& environment,
    const std::vector<std::string>& arguments = {}) {
  auto line = parse_command_line(arguments, environment);
  if (!line) return std::move(line).error();
  return selection_settings(*line);
}

std::string refusal(const Environment& environment,
                    const std::vector<std::string>& arguments = {}) {
  const auto settings = read(environment, arguments);
  return settings ? "accepted" : settings.error().message();
}

TEST(SelectionSettings, NothingIsChosenWithoutADirectory) {
  // What the environment of a Pod may have for other reasons.
  const auto settings = read({{"NODE_NAME", "gpu-1"}, {"KUBECONFIG", "/x"}});
  ASSERT_TRUE(settings) << settings.error().message();
  EXPECT_FALSE(settings->has_value());
}

TEST(SelectionSettings, AreTheConfigManagersVariables) {
  const auto settings = read({{"CONFIG_FILE_SRCDIR", "/available-configs"},
                              {"NODE_NAME", "gpu-1"},
                              {"DEFAULT_CONFIG", "a"},
                              {"FALLBACK_STRATEGIES", "named,single"}});
  ASSERT_TRUE(settings) << settings.error().message();
  ASSERT_TRUE(settings->has_value());
  EXPECT_EQ((*settings)->directory, "/available-configs");
  EXPECT_EQ((*settings)->node_name, "gpu-1");
  EXPECT_EQ((*settings)->node_label, "nvidia.com/device-plugin.config");
  EXPECT_EQ((*settings)->rules.default_config, "a");
  EXPECT_THAT((*settings)->rules.fallbacks, ElementsAre("named", "single"));
  EXPECT_EQ((*settings)->state_file, "/run/gpunode/device-plugin.config");
  EXPECT_EQ((*settings)->label_timeout, std::chrono::minutes(1));
}

TEST(SelectionSettings, TheLabelMayBeWaitedForWithoutAnEnd) {
  Environment environment = {{"CONFIG_FILE_SRCDIR", "/x"},
                             {"NODE_NAME", "a"},
                             {"GPUNODE_CONFIG_LABEL_TIMEOUT", "infinite"}};
  const auto settings = read(environment);
  ASSERT_TRUE(settings) << settings.error().message();
  EXPECT_FALSE((*settings)->label_timeout);
  for (const char* text : {"soon", "-1s", "5", ""}) {
    EXPECT_THAT(
        refusal(environment, {std::string("--config-label-timeout=") + text}),
        testing::HasSubstr("config-label-timeout"))
        << text;
  }
}

TEST(SelectionSettings, WhatIsMissingIsSaidInTheConfigManagersWords) {
  EXPECT_THAT(refusal({{"CONFIG_FILE_SRCDIR", "/x"}}),
              StartsWith("invalid <node-name>: must not be empty string"));
  EXPECT_THAT(refusal({{"CONFIG_FILE_SRCDIR", "/x"}, {"NODE_NAME", "a"}},
                      {"--node-label="}),
              StartsWith("invalid <node-label>: must not be empty string"));
}

TEST(SelectionSettings, AFileAndADirectoryToChooseItFromAreOneTooMany) {
  EXPECT_THAT(refusal({{"CONFIG_FILE_SRCDIR", "/x"}, {"NODE_NAME", "a"}},
                      {"--config-file=/y"}),
              StartsWith("--config-file and --config-file-srcdir are both"));
}

}  // namespace
}  // namespace gpunode::config
