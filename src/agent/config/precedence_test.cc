// Flag > environment > file > default, for every option and any mixture.
#include <functional>
#include <map>
#include <set>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "agent/config/load.h"

namespace gpunode::config {
namespace {

/// Two legal values of an option, neither its default, and how to see the one
/// that was chosen.
struct Case {
  Option option;
  std::string a;
  std::string b;
  std::function<std::string(const Settings&)> seen;
};

std::string word(bool value) {
  return value ? "true" : "false";
}

std::string dumped(const Settings& settings, const std::string& key) {
  const std::string json = dump_json(settings);
  const std::size_t at = json.find("\"" + key + "\": ");
  if (at == std::string::npos) return "";
  const std::size_t from = at + key.size() + 4;
  std::string value = json.substr(from, json.find_first_of(",\n", from) - from);
  std::erase(value, '"');
  return value;
}

Case from_dump(Option option, std::string a, std::string b) {
  const std::string field(spec_of(option).field);
  return {option, std::move(a), std::move(b),
          [key = field.substr(field.rfind('.') + 1)](const Settings& settings) {
            return dumped(settings, key);
          }};
}

std::vector<Case> file_cases() {
  return {
      from_dump(Option::kMigStrategy, "single", "mixed"),
      from_dump(Option::kFailOnInitError, "false", "true"),
      from_dump(Option::kDriverRoot, "/a", "/b"),
      from_dump(Option::kDevRoot, "/a", "/b"),
      from_dump(Option::kPassDeviceSpecs, "true", "false"),
      from_dump(Option::kDeviceIdStrategy, "index", "uuid"),
      from_dump(Option::kGdrcopyEnabled, "true", "false"),
      from_dump(Option::kGdsEnabled, "true", "false"),
      from_dump(Option::kMofedEnabled, "true", "false"),
      from_dump(Option::kCdiAnnotationPrefix, "a/", "b/"),
      from_dump(Option::kNvidiaCdiHookPath, "/a", "/b"),
      from_dump(Option::kDriverRootCtrPath, "/a", "/b"),
      from_dump(Option::kMpsRoot, "/a", "/b"),
      from_dump(Option::kDeviceDiscoveryStrategy, "nvml", "tegra"),
      from_dump(Option::kSharedDevicesAllocationPolicy, "packed",
                "distributed"),
      {Option::kImexRequired, "true", "false",
       [](const Settings& s) { return word(s.imex_required); }},
      {Option::kDeviceListStrategy, "volume-mounts", "cdi-cri",
       [](const Settings& s) {
         EXPECT_EQ(s.device_list_strategies.size(), 1U);
         switch (s.device_list_strategies.at(0)) {
           case DeviceListStrategy::kVolumeMounts:
             return "volume-mounts";
           case DeviceListStrategy::kCdiCri:
             return "cdi-cri";
           default:
             return "envvar";
         }
       }},
      {Option::kImexChannelIds, "0", "0",
       [](const Settings& s) { return s.imex_channel_ids.empty() ? "" : "0"; }},
  };
}

std::string quoted(const OptionSpec& spec, const std::string& value) {
  if (spec.type == OptionType::kBool) return value;
  if (spec.type == OptionType::kIntList) return "[" + value + "]";
  return "'" + value + "'";
}

// The file that gives `values` to their fields, as nested flow mappings.
std::string file_of(const std::map<Option, std::string>& values) {
  std::map<std::string, std::string> blocks;
  for (const auto& [option, value] : values) {
    const OptionSpec& spec = spec_of(option);
    const std::string field(spec.field);
    const std::size_t dot = field.rfind('.');
    blocks[field.substr(0, dot)] +=
        field.substr(dot + 1) + ": " + quoted(spec, value) + ", ";
  }
  return "flags: {" + blocks["flags"] + "plugin: {" + blocks["flags.plugin"] +
         "}}\nimex: {" + blocks["imex"] + "}\n";
}

TEST(Precedence, CasesCoverEveryFieldOfTheFile) {
  std::set<Option> covered;
  for (const Case& each : file_cases()) covered.insert(each.option);
  for (const OptionSpec& spec : option_table()) {
    EXPECT_EQ(covered.contains(spec.option), !spec.field.empty())
        << spec.names[0];
  }
}

RC_GTEST_PROP(Precedence, TheHighestSourceWinsForEachOption, ()) {
  std::vector<std::string> arguments;
  Environment environment;
  std::map<Option, std::string> in_file;
  std::map<Option, std::string> expected;
  const std::vector<Case> cases = file_cases();
  for (const Case& each : cases) {
    const OptionSpec& spec = spec_of(each.option);
    const auto pick = [&] { return *rc::gen::element(each.a, each.b); };
    if (*rc::gen::arbitrary<bool>()) {
      expected[each.option] = in_file[each.option] = pick();
    }
    if (*rc::gen::arbitrary<bool>()) {
      const auto variable = *rc::gen::elementOf(std::vector<std::string_view>(
          spec.environment.begin(), spec.environment.end()));
      expected[each.option] = environment[std::string(variable)] = pick();
    }
    if (*rc::gen::arbitrary<bool>()) {
      const auto name = *rc::gen::elementOf(
          std::vector<std::string_view>(spec.names.begin(), spec.names.end()));
      const std::string value = pick();
      arguments.push_back("--" + std::string(name) + "=" + value);
      expected[each.option] = value;
    }
  }
  const auto line = parse_command_line(arguments, environment);
  RC_ASSERT(line.has_value());
  const auto result =
      load(*line, ConfigText{"c.yaml", file_of(in_file)}, [] { return true; });
  RC_ASSERT(result.has_value());
  RC_ASSERT(result->warnings.empty());
  for (const Case& each : cases) {
    if (expected.contains(each.option)) {
      RC_ASSERT(each.seen(result->settings) == expected[each.option]);
    } else if (each.option != Option::kDevRoot) {
      RC_ASSERT(each.seen(result->settings) ==
                std::string(spec_of(each.option).fallback));
    }
  }
}

TEST(Precedence, AnEmptyVariableOverridesTheFile) {
  const auto line =
      parse_command_line({}, {{"FAIL_ON_INIT_ERROR", ""}, {"MPS_ROOT", ""}});
  ASSERT_TRUE(line);
  const auto result =
      load(*line,
           ConfigText{"c.yaml", "flags: {failOnInitError: true, mpsRoot: /m}"},
           [] { return true; });
  ASSERT_TRUE(result);
  EXPECT_FALSE(result->settings.fail_on_init_error);
  EXPECT_EQ(result->settings.mps_root, "");
}

}  // namespace
}  // namespace gpunode::config
