#include "base/text/go_flags.h"

#include <array>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::text {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::array<GoFlag, 4> kTable = {{
    {.name = "dry-run",
     .kind = GoFlag::Kind::kBool,
     .aliases = {"n"},
     .environment = {"DRY_RUN"},
     .usage = "only tell"},
    {.name = "root",
     .aliases = {"driver-root"},
     .environment = {"ROOT", "DRIVER_ROOT"},
     .default_text = "/",
     .usage = "where the driver is"},
    {.name = "device",
     .kind = GoFlag::Kind::kList,
     .environment = {"DEVICES"},
     .default_text = "index,uuid",
     .usage = "which devices"},
    {.name = "secret", .usage = "not told", .is_hidden = true},
}};

using Variables = std::map<std::string, std::string, std::less<>>;

Result<GoFlags> parse(const std::vector<std::string>& arguments,
                      const Variables& variables = {}) {
  return GoFlags::parse(
      kTable, arguments,
      [&](std::string_view name) -> std::optional<std::string> {
        const auto found = variables.find(name);
        if (found == variables.end()) return std::nullopt;
        return found->second;
      });
}

std::string refusal_of(const std::vector<std::string>& arguments,
                       const Variables& variables = {}) {
  const auto flags = parse(arguments, variables);
  if (flags) return "accepted";
  EXPECT_EQ(flags.error().code(), ErrorCode::kInvalidArgument);
  return flags.error().message();
}

TEST(GoFlags, DefaultsStandWhereNothingIsGiven) {
  const auto flags = parse({});
  ASSERT_TRUE(flags);
  EXPECT_FALSE(flags->is_true("dry-run"));
  EXPECT_EQ(flags->text("root"), "/");
  EXPECT_THAT(flags->list("device"), ElementsAre("index", "uuid"));
  EXPECT_FALSE(flags->is_set("root"));
  EXPECT_FALSE(flags->asks_for_help());
}

TEST(GoFlags, TakesEveryFormThatGoTakes) {
  for (const auto& arguments :
       std::vector<std::vector<std::string>>{{"--root=/r"},
                                             {"-root=/r"},
                                             {"--root", "/r"},
                                             {"-root", "/r"},
                                             {"--driver-root=/r"},
                                             {"--root=/x", "--root=/r"}}) {
    const auto flags = parse(arguments);
    ASSERT_TRUE(flags) << flags.error().message();
    EXPECT_EQ(flags->text("root"), "/r");
    EXPECT_TRUE(flags->is_set("root"));
  }
}

TEST(GoFlags, ABoolTakesAValueOnlyAfterAnEqualsSign) {
  const auto flags = parse({"-n", "false"});
  ASSERT_TRUE(flags);
  EXPECT_TRUE(flags->is_true("dry-run"));
  EXPECT_THAT(flags->arguments(), ElementsAre("false"));
  EXPECT_FALSE(parse({"--dry-run=0"})->is_true("dry-run"));
  EXPECT_TRUE(parse({"--dry-run=0"})->is_set("dry-run"));
}

TEST(GoFlags, AValueMayStartWithADash) {
  EXPECT_EQ(parse({"--root", "--dry-run"})->text("root"), "--dry-run");
}

TEST(GoFlags, AListIsRepeatedOrSplitAtCommas) {
  const auto flags = parse({"--device", "0,1", "--device= GPU-a , "});
  ASSERT_TRUE(flags);
  EXPECT_THAT(flags->list("device"), ElementsAre("0", "1", "GPU-a", ""));
}

TEST(GoFlags, TheFirstVariableThatIsSetWins) {
  EXPECT_EQ(parse({}, {{"ROOT", "/a"}, {"DRIVER_ROOT", "/b"}})->text("root"),
            "/a");
  EXPECT_EQ(parse({}, {{"DRIVER_ROOT", "/b"}})->text("root"), "/b");
  EXPECT_EQ(parse({}, {{"ROOT", ""}, {"DRIVER_ROOT", "/b"}})->text("root"), "");
  EXPECT_TRUE(parse({}, {{"DRIVER_ROOT", "/b"}})->is_set("root"));
}

TEST(GoFlags, TheCommandLineReplacesTheEnvironment) {
  const Variables variables = {
      {"ROOT", "/a"}, {"DEVICES", "7,8"}, {"DRY_RUN", "true"}};
  const auto flags = parse(
      {"--root=/r", "--device=1", "--device=2", "--dry-run=false"}, variables);
  ASSERT_TRUE(flags);
  EXPECT_EQ(flags->text("root"), "/r");
  EXPECT_THAT(flags->list("device"), ElementsAre("1", "2"));
  EXPECT_FALSE(flags->is_true("dry-run"));
  EXPECT_THAT(parse({}, variables)->list("device"), ElementsAre("7", "8"));
}

TEST(GoFlags, AnEmptyBoolVariableIsFalse) {
  EXPECT_FALSE(parse({}, {{"DRY_RUN", ""}})->is_true("dry-run"));
}

TEST(GoFlags, StopsWhereTheFlagsStop) {
  EXPECT_THAT(parse({"-n", "x", "--root=/r"})->arguments(),
              ElementsAre("x", "--root=/r"));
  EXPECT_THAT(parse({"-n", "--", "--root=/r"})->arguments(),
              ElementsAre("--root=/r"));
  EXPECT_THAT(parse({"-n", "-"})->arguments(), ElementsAre("-"));
  EXPECT_THAT(parse({"-n"})->arguments(), IsEmpty());
}

TEST(GoFlags, RefusesInGosWords) {
  EXPECT_EQ(refusal_of({"--nosuch"}), "flag provided but not defined: -nosuch");
  EXPECT_EQ(refusal_of({"-nosuch=1"}),
            "flag provided but not defined: -nosuch");
  EXPECT_EQ(refusal_of({"--root"}), "flag needs an argument: -root");
  EXPECT_EQ(refusal_of({"--driver-root"}),
            "flag needs an argument: -driver-root");
  EXPECT_EQ(refusal_of({"-n=maybe"}),
            "invalid boolean value \"maybe\" for -n: parse error");
  EXPECT_EQ(refusal_of({"---n"}), "bad flag syntax: ---n");
  EXPECT_EQ(refusal_of({"--=n"}), "bad flag syntax: --=n");
  EXPECT_EQ(refusal_of({}, {{"DRY_RUN", "maybe"}}),
            "could not parse \"maybe\" as bool value from environment variable "
            "\"DRY_RUN\" for flag dry-run: strconv.ParseBool: parsing "
            "\"maybe\": invalid syntax");
}

TEST(GoFlags, ARefusalIsOneLine) {
  EXPECT_EQ(refusal_of({"--a\nb"}), "flag provided but not defined: -a\\nb");
}

TEST(GoFlags, HelpIsAskedForInBothForms) {
  EXPECT_TRUE(parse({"--help"})->asks_for_help());
  EXPECT_TRUE(parse({"-n", "-h"})->asks_for_help());
  EXPECT_FALSE(parse({"--help=false"})->asks_for_help());
  EXPECT_FALSE(parse({"--", "-h"})->asks_for_help());
}

TEST(DescribeFlags, ShowsNamesDefaultsAndVariablesAligned) {
  EXPECT_EQ(describe_flags(kTable),
            "OPTIONS:\n"
            "   --dry-run, -n                      only tell [$DRY_RUN]\n"
            "   --root value, --driver-root value  where the driver is "
            "(default: \"/\") [$ROOT] [$DRIVER_ROOT]\n"
            "   --device value                     which devices (default: "
            "index,uuid) [$DEVICES]\n"
            "   --help, -h                         show help\n");
}

}  // namespace
}  // namespace gpunode::text
