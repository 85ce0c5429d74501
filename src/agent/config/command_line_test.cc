#include "agent/config/command_line.h"

#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::config {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::StartsWith;

using Arguments = std::vector<std::string>;
using Texts = std::vector<std::string>;
using Numbers = std::vector<std::int64_t>;

CommandLine parsed(const Arguments& arguments,
                   const Environment& environment = {}) {
  auto result = parse_command_line(arguments, environment);
  EXPECT_TRUE(result) << result.error().message();
  return result ? *std::move(result) : CommandLine{};
}

std::string error_of(const Arguments& arguments,
                     const Environment& environment = {}) {
  const auto result = parse_command_line(arguments, environment);
  return result ? "accepted" : result.error().message();
}

TEST(CommandLine, EveryOptionHasItsDefault) {
  const CommandLine line = parsed({});
  EXPECT_EQ(line.action, Action::kRun);
  EXPECT_EQ(line.text(Option::kMigStrategy), "none");
  EXPECT_TRUE(line.enabled(Option::kFailOnInitError));
  EXPECT_EQ(line.text(Option::kDriverRoot), "/");
  EXPECT_EQ(line.text(Option::kDevRoot), "");
  EXPECT_THAT(line.list(Option::kDeviceListStrategy), ElementsAre("envvar"));
  EXPECT_THAT(line.numbers(Option::kImexChannelIds), IsEmpty());
  EXPECT_THAT(line.list(Option::kCdiFeatureFlags), IsEmpty());
  EXPECT_EQ(line.text(Option::kKubeletSocket),
            "/var/lib/kubelet/device-plugins/kubelet.sock");
  for (const OptionSpec& spec : option_table()) {
    EXPECT_FALSE(line.is_set(spec.option)) << spec.names[0];
  }
}

// A value of each type that differs from every default, and what it reads as.
std::string sample_of(const OptionSpec& spec) {
  switch (spec.type) {
    case OptionType::kBool:
      return spec.fallback == "true" ? "false" : "true";
    case OptionType::kText:
      return "sample";
    case OptionType::kTextList:
      return "one,two";
    case OptionType::kIntList:
      return "3,4";
    case OptionType::kDuration:
      return "1h5s";
    case OptionType::kNumber:
      return "2.5";
    case OptionType::kInteger:
      return "12";
  }
  return "";
}

Value read_sample_of(const OptionSpec& spec) {
  switch (spec.type) {
    case OptionType::kBool:
      return spec.fallback != "true";
    case OptionType::kText:
      return std::string("sample");
    case OptionType::kTextList:
      return Texts{"one", "two"};
    case OptionType::kIntList:
      return Numbers{3, 4};
    case OptionType::kDuration:
      return std::string("1h5s");
    case OptionType::kNumber:
      return std::string("2.5");
    case OptionType::kInteger:
      return std::string("12");
  }
  return false;
}

TEST(CommandLine, TakesEveryNameWithOneDashOrTwo) {
  for (const OptionSpec& spec : option_table()) {
    for (const std::string_view name : spec.names) {
      for (const std::string dashes : {"-", "--"}) {
        const std::string word =
            dashes + std::string(name) + "=" + sample_of(spec);
        const CommandLine line = parsed({word});
        EXPECT_EQ(line[spec.option].value, read_sample_of(spec)) << word;
        EXPECT_EQ(line[spec.option].source, Source::kCommandLine) << word;
      }
    }
  }
}

TEST(CommandLine, TakesAValueFromTheNextWordExceptForSwitches) {
  for (const OptionSpec& spec : option_table()) {
    if (spec.type == OptionType::kBool) continue;
    const std::string word = "--" + std::string(spec.names[0]);
    EXPECT_EQ(parsed({word, sample_of(spec)})[spec.option].value,
              read_sample_of(spec))
        << word;
  }
  const CommandLine line = parsed({"--gds-enabled", "false"});
  EXPECT_TRUE(line.enabled(Option::kGdsEnabled));
  EXPECT_THAT(line.ignored, ElementsAre("false"));
}

TEST(CommandLine, ReadsEveryEnvironmentVariable) {
  for (const OptionSpec& spec : option_table()) {
    for (const std::string_view variable : spec.environment) {
      const CommandLine line =
          parsed({}, {{std::string(variable), sample_of(spec)}});
      EXPECT_EQ(line[spec.option].value, read_sample_of(spec)) << variable;
      EXPECT_EQ(line[spec.option].source, Source::kEnvironment) << variable;
      EXPECT_EQ(line[spec.option].variable, variable);
    }
  }
}

TEST(CommandLine, KnowsTheNamesOfTheOldPlugin) {
  // Version 0.14.3, flags and variables.
  const Environment environment = {{"NVIDIA_CTK_PATH", "/ctk"},
                                   {"CONTAINER_DRIVER_ROOT", "/ctr"},
                                   {"NVIDIA_DRIVER_ROOT", "/root"}};
  const CommandLine by_variable = parsed({}, environment);
  const CommandLine by_flag =
      parsed({"--nvidia-ctk-path=/ctk", "--container-driver-root=/ctr",
              "--nvidia-driver-root=/root"});
  for (const CommandLine& line : {by_variable, by_flag}) {
    EXPECT_EQ(line.text(Option::kNvidiaCdiHookPath), "/ctk");
    EXPECT_EQ(line.text(Option::kDriverRootCtrPath), "/ctr");
    EXPECT_EQ(line.text(Option::kDriverRoot), "/root");
  }
}

TEST(CommandLine, TheFirstPresentVariableWinsEvenIfEmpty) {
  const CommandLine line =
      parsed({}, {{"NVIDIA_CDI_HOOK_PATH", ""}, {"NVIDIA_CTK_PATH", "/ctk"}});
  EXPECT_EQ(line.text(Option::kNvidiaCdiHookPath), "");
  EXPECT_EQ(line[Option::kNvidiaCdiHookPath].variable, "NVIDIA_CDI_HOOK_PATH");
}

TEST(CommandLine, AnEmptyVariableIsAValueExceptForNumbers) {
  const CommandLine line = parsed({}, {{"MIG_STRATEGY", ""},
                                       {"FAIL_ON_INIT_ERROR", ""},
                                       {"DEVICE_LIST_STRATEGY", ""},
                                       {"IMEX_CHANNEL_IDS", ""}});
  EXPECT_EQ(line.text(Option::kMigStrategy), "");
  EXPECT_TRUE(line.is_set(Option::kMigStrategy));
  EXPECT_FALSE(line.enabled(Option::kFailOnInitError));
  EXPECT_TRUE(line.is_set(Option::kFailOnInitError));
  EXPECT_THAT(line.list(Option::kDeviceListStrategy), ElementsAre(""));
  EXPECT_FALSE(line.is_set(Option::kImexChannelIds));
}

TEST(CommandLine, ListsAreSplitTrimmedAppendedAndReplaced) {
  const Environment environment = {{"DEVICE_LIST_STRATEGY", " envvar , x"}};
  EXPECT_THAT(parsed({}, environment).list(Option::kDeviceListStrategy),
              ElementsAre("envvar", "x"));
  EXPECT_THAT(
      parsed({"--device-list-strategy=a, b", "--device-list-strategy", "c"},
             environment)
          .list(Option::kDeviceListStrategy),
      ElementsAre("a", "b", "c"));
  EXPECT_THAT(
      parsed({"--imex-channel-ids=0x10, 010"}).numbers(Option::kImexChannelIds),
      ElementsAre(16, 8));
}

TEST(CommandLine, TheLastOfRepeatedWordsStands) {
  EXPECT_EQ(parsed({"--mig-strategy=single", "-mig-strategy", "mixed"})
                .text(Option::kMigStrategy),
            "mixed");
}

TEST(CommandLine, ReadsSwitchesAsGoDoes) {
  for (const std::string on : {"1", "t", "T", "TRUE", "true", "True"}) {
    EXPECT_TRUE(parsed({"--gds-enabled=" + on}).enabled(Option::kGdsEnabled));
  }
  for (const std::string off : {"0", "f", "F", "FALSE", "false", "False"}) {
    EXPECT_FALSE(parsed({"--fail-on-init-error=" + off})
                     .enabled(Option::kFailOnInitError));
  }
  EXPECT_THAT(error_of({"--gds-enabled=yes"}), StartsWith("invalid boolean"));
  EXPECT_THAT(error_of({"--gds-enabled="}), StartsWith("invalid boolean"));
}

TEST(CommandLine, StopsAtTheFirstWordThatIsNoOption) {
  const CommandLine line =
      parsed({"--gds-enabled", "run", "--mig-strategy=single"});
  EXPECT_TRUE(line.enabled(Option::kGdsEnabled));
  EXPECT_EQ(line.text(Option::kMigStrategy), "none");
  EXPECT_THAT(line.ignored, ElementsAre("run", "--mig-strategy=single"));
  EXPECT_THAT(parsed({"--", "--nosuch"}).ignored, ElementsAre("--nosuch"));
  EXPECT_THAT(parsed({"-", "--nosuch"}).ignored, ElementsAre("-", "--nosuch"));
}

TEST(CommandLine, AnOptionTakesEvenAnOptionAsItsValue) {
  EXPECT_EQ(
      parsed({"--mig-strategy", "--gds-enabled"}).text(Option::kMigStrategy),
      "--gds-enabled");
}

TEST(CommandLine, KnowsItsActions) {
  for (const std::string word : {"-h", "--help", "-help", "help", "h"}) {
    EXPECT_EQ(parsed({word}).action, Action::kHelp) << word;
  }
  for (const std::string word : {"-v", "--version"}) {
    EXPECT_EQ(parsed({word}).action, Action::kVersion) << word;
  }
  EXPECT_EQ(parsed({"--version", "--help"}).action, Action::kHelp);
  EXPECT_EQ(parsed({"--help=false"}).action, Action::kRun);
  EXPECT_EQ(parsed({"--man"}).action, Action::kMan);
  const CommandLine completion = parsed({"--completion", "bash"});
  EXPECT_EQ(completion.action, Action::kCompletion);
  EXPECT_EQ(completion.shell, "bash");
}

TEST(CommandLine, AWrongOptionBeatsHelp) {
  EXPECT_THAT(error_of({"--help", "--nosuch"}),
              StartsWith("flag provided but not defined"));
}

struct Row {
  Arguments arguments;
  Environment environment;
  std::string message;
};

TEST(CommandLine, SaysWhatThePeerSaysThenWhatWouldBeRight) {
  const auto rows = std::to_array<Row>({
      {{"--nosuch"}, {}, "flag provided but not defined: -nosuch"},
      {{"--mig-stratgy=single"},
       {},
       "flag provided but not defined: -mig-stratgy (did you mean "
       "--mig-strategy?)"},
      {{"--mig-strategy"}, {}, "flag needs an argument: -mig-strategy"},
      {{"---x"}, {}, "bad flag syntax: ---x"},
      {{"--=x"}, {}, "bad flag syntax: --=x"},
      {{"--fail-on-init-error=maybe"},
       {},
       "invalid boolean value \"maybe\" for -fail-on-init-error: parse error "
       "(give true or false)"},
      {{},
       {{"FAIL_ON_INIT_ERROR", "maybe"}},
       "could not parse \"maybe\" as bool value from environment variable "
       "\"FAIL_ON_INIT_ERROR\" for flag fail-on-init-error: "
       "strconv.ParseBool: parsing \"maybe\": invalid syntax (give true or "
       "false)"},
      {{"--imex-channel-ids=0,x"},
       {},
       "invalid value \"0,x\" for flag -imex-channel-ids: strconv.ParseInt: "
       "parsing \"x\": invalid syntax (give numbers separated by commas)"},
      {{"--imex-channel-ids=99999999999999999999"},
       {},
       "invalid value \"99999999999999999999\" for flag -imex-channel-ids: "
       "strconv.ParseInt: parsing \"99999999999999999999\": value out of range "
       "(give numbers separated by commas)"},
      {{},
       {{"IMEX_CHANNEL_IDS", "x\"y"}},
       "could not parse \"x\\\"y\" as int slice value from environment "
       "variable \"IMEX_CHANNEL_IDS\" for flag imex-channel-ids: "
       "strconv.ParseInt: parsing \"x\\\"y\": invalid syntax (give numbers "
       "separated by commas)"},
      {{"--driver-root=/a", "--nvidia-driver-root=/b"},
       {},
       "Cannot use two forms of the same flag: nvidia-driver-root "
       "driver-root"},
  });
  for (const Row& row : rows) {
    EXPECT_EQ(error_of(row.arguments, row.environment), row.message);
  }
}

TEST(CommandLine, AWrongVariableCountsEvenIfAFlagOverridesIt) {
  EXPECT_THAT(
      error_of({"--fail-on-init-error=true"}, {{"FAIL_ON_INIT_ERROR", "no"}}),
      StartsWith("could not parse \"no\" as bool"));
}

}  // namespace
}  // namespace gpunode::config
