// config-manager's command line and environment. The words of the refusals are
// what NVIDIA's program was seen to say.
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/config/help.h"
#include "agent/config/manager_settings.h"

namespace gpunode::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

Environment whole() {
  return {{"NODE_NAME", "gpu-1"},
          {"CONFIG_FILE_SRCDIR", "/available-configs"},
          {"CONFIG_FILE_DST", "/config/config.yaml"}};
}

Result<ManagerSettings> read(const std::vector<std::string>& arguments,
                             const Environment& environment = whole()) {
  TRY(const CommandLine line,
      parse_command_line(arguments, environment, Program::kConfigManager));
  return load_manager(line);
}

std::string complaint(const std::vector<std::string>& arguments,
                      const Environment& environment = whole()) {
  const auto settings = read(arguments, environment);
  return settings ? "none" : settings.error().message();
}

TEST(Manager, IsTheProgramOfItsName) {
  EXPECT_EQ(program_called("/usr/bin/config-manager"), Program::kConfigManager);
  EXPECT_EQ(program_called("config-manager2"), Program::kDevicePlugin);
}

TEST(Manager, HasThePeersDefaults) {
  const auto settings = read({});
  ASSERT_TRUE(settings) << settings.error().message();
  EXPECT_FALSE(settings->oneshot);
  EXPECT_EQ(settings->kubeconfig, "");
  EXPECT_EQ(settings->node_name, "gpu-1");
  EXPECT_EQ(settings->node_label, "nvidia.com/device-plugin.config");
  EXPECT_EQ(settings->rules.default_config, "");
  EXPECT_THAT(settings->rules.fallbacks, IsEmpty());
  ASSERT_TRUE(settings->signal);
  EXPECT_EQ(settings->signal->number, 1);
  EXPECT_EQ(settings->signal->process, "nvidia-device-plugin");
}

// The environment of the chart's init container: several are there and empty.
TEST(Manager, TakesTheChartsEnvironment) {
  Environment environment = whole();
  environment.insert({{"ONESHOT", "true"},
                      {"KUBECONFIG", ""},
                      {"NODE_LABEL", "nvidia.com/device-plugin.config"},
                      {"DEFAULT_CONFIG", "default"},
                      {"FALLBACK_STRATEGIES", "named,single"},
                      {"SEND_SIGNAL", "false"},
                      {"SIGNAL", ""},
                      {"PROCESS_TO_SIGNAL", ""}});
  const auto settings = read({}, environment);
  ASSERT_TRUE(settings) << settings.error().message();
  EXPECT_TRUE(settings->oneshot);
  EXPECT_EQ(settings->rules.default_config, "default");
  EXPECT_THAT(settings->rules.fallbacks, ElementsAre("named", "single"));
  EXPECT_FALSE(settings->signal);
}

TEST(Manager, AFlagBeatsAVariable) {
  Environment environment = whole();
  environment.insert({{"SIGNAL", "10"}, {"FALLBACK_STRATEGIES", "named"}});
  const auto settings = read({"--signal=0xc", "-fallback-strategies", "single",
                              "--fallback-strategies=empty"},
                             environment);
  ASSERT_TRUE(settings) << settings.error().message();
  EXPECT_EQ(settings->signal->number, 12);
  EXPECT_THAT(settings->rules.fallbacks, ElementsAre("single", "empty"));
}

TEST(Manager, RefusesWhatIsMissingInThePeersOrder) {
  Environment environment;
  EXPECT_THAT(complaint({}, environment),
              StartsWith("invalid <node-name>: must not be empty string"));
  environment["NODE_NAME"] = "gpu-1";
  environment["NODE_LABEL"] = "";
  EXPECT_THAT(complaint({}, environment),
              StartsWith("invalid <node-label>: must not be empty string "
                         "(NODE_LABEL: "));
  environment.erase("NODE_LABEL");
  EXPECT_THAT(
      complaint({}, environment),
      StartsWith("invalid <config-file-srcdir>: must not be empty string"));
  environment["CONFIG_FILE_SRCDIR"] = "/available-configs";
  EXPECT_THAT(
      complaint({}, environment),
      StartsWith("invalid <config-file-dst>: must not be empty string"));
}

TEST(Manager, RefusesANumberThatIsNone) {
  EXPECT_THAT(complaint({"--signal=x"}),
              StartsWith("invalid value \"x\" for flag -signal: parse error"));
  EXPECT_THAT(complaint({"--signal=99999999999999999999"}),
              StartsWith("invalid value \"99999999999999999999\" for flag "
                         "-signal: value out of range"));
  Environment environment = whole();
  environment["SIGNAL"] = "x";
  EXPECT_THAT(complaint({}, environment),
              StartsWith("could not parse \"x\" as int value from environment "
                         "variable \"SIGNAL\" for flag signal: "
                         "strconv.ParseInt: parsing \"x\": invalid syntax"));
}

TEST(Manager, RefusesASignalThatNobodyCanGet) {
  EXPECT_THAT(complaint({"--signal=-1"}), StartsWith("invalid <signal>: -1"));
  EXPECT_THAT(complaint({"--signal=4096"}),
              HasSubstr("(--signal: give 1 to 64"));
  EXPECT_THAT(complaint({"--process-to-signal="}),
              HasSubstr("or --send-signal=false"));
  EXPECT_EQ(complaint({"--process-to-signal=", "--send-signal=false"}), "none");
}

TEST(Manager, HelpsUnderItsOwnName) {
  EXPECT_THAT(help_text("config-manager"),
              HasSubstr("Usage: config-manager [options]\n\nLinks "));
  EXPECT_THAT(man_page("config-manager", "1"), HasSubstr("config\\-manager"));
}

}  // namespace
}  // namespace gpunode::config
