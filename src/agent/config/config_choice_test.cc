#include "agent/config/config_choice.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::config {
namespace {

using testing::HasSubstr;
using testing::Not;

using Names = std::vector<std::string>;

std::string refusal(std::string_view label, const Names& names,
                    const ChoiceRules& rules = {}) {
  const auto choice = choose_config(label, names, rules);
  return choice ? "chose " + choice->name : choice.error().message();
}

ConfigChoice chosen(std::string_view label, const Names& names,
                    const ChoiceRules& rules = {}) {
  const auto choice = choose_config(label, names, rules);
  if (choice) return *choice;
  ADD_FAILURE() << choice.error().message();
  return {};
}

Names thousands() {
  Names names;
  for (int i = 0; i < 10'000; ++i) names.push_back(fmt::format("c{:05}", i));
  return names;
}

TEST(ConfigChoice, ALabelBeatsEverything) {
  EXPECT_EQ(chosen("b", {"a", "b", "default"}, {"a", {"named"}}),
            (ConfigChoice{"b", ChosenBy::kLabel}));
}

TEST(ConfigChoice, TheDefaultBeatsFallbacks) {
  EXPECT_EQ(chosen("", {"a", "default"}, {"a", {"named"}}),
            (ConfigChoice{"a", ChosenBy::kDefault}));
}

TEST(ConfigChoice, FallbacksAreTriedInTheirOrder) {
  const Names two = {"a", "default"};
  EXPECT_EQ(chosen("", two, {"", {"named", "empty"}}),
            (ConfigChoice{"default", ChosenBy::kNamed}));
  EXPECT_EQ(chosen("", two, {"", {"empty", "named"}}),
            (ConfigChoice{"", ChosenBy::kEmpty}));
  EXPECT_EQ(chosen("", two, {"", {"single", "empty"}}),
            (ConfigChoice{"", ChosenBy::kEmpty}));
  EXPECT_EQ(chosen("", {"a"}, {"", {"named", "single"}}),
            (ConfigChoice{"a", ChosenBy::kSingle}));
}

TEST(ConfigChoice, WhatDoesNotFitIsSaidInThePeersWordsAndWithAdvice) {
  EXPECT_EQ(refusal("", {}, {"a", {"empty"}}),
            "no configuration files available (is the ConfigMap empty, or not "
            "mounted?)");
  EXPECT_EQ(refusal("mig-mixd", {"default", "mig-mixed"}),
            "specified config \"mig-mixd\" does not exist (the node's label: "
            "did you mean \"mig-mixed\"?)");
  EXPECT_EQ(refusal("other", {"a"}),
            "specified config \"other\" does not exist (the node's label: "
            "there is only \"a\")");
  EXPECT_EQ(
      refusal("", {"a", "b"}, {"other", {"empty"}}),
      "specified config \"other\" does not exist (the default config: there "
      "are \"a\", \"b\")");
  EXPECT_EQ(refusal("", {"a", "b"}, {"", {"named", "single"}}),
            "no config was set, no default was provided, and all fallbacks "
            "failed (label the node; there are \"a\", \"b\")");
}

TEST(ConfigChoice, AnUnknownFallbackMattersOnceItIsItsTurn) {
  EXPECT_EQ(chosen("", {"default"}, {"", {"named", "sngle"}}).name, "default");
  EXPECT_EQ(refusal("", {"a", "b"}, {"", {"named", "sngle"}}),
            "unknown fallback strategy: \"sngle\" (give named, single or "
            "empty)");
}

TEST(ConfigChoice, NoLabelLeadsOutOfTheDirectory) {
  const Names names = {"a", "b"};
  for (const char* label : {"../x", "a/b", "/etc/passwd", "..", ".", "..data",
                            "a/", "./a", "a\n", " a"}) {
    EXPECT_THAT(refusal(label, names), HasSubstr("does not exist")) << label;
  }
  EXPECT_THAT(refusal("../x", names), HasSubstr("not a path"));
}

TEST(ConfigChoice, AWrongLabelIsNotRepeatedAtLength) {
  const std::string text = refusal(std::string(1U << 20U, 'x'), {"a"});
  EXPECT_LT(text.size(), 300U);
  EXPECT_THAT(refusal("a\n\x1b[2J", {"a"}), Not(HasSubstr("\x1b")));
}

TEST(ConfigChoice, TenThousandConfigurationsAreNotListed) {
  const Names names = thousands();
  EXPECT_EQ(chosen("c04711", names).name, "c04711");
  EXPECT_LT(refusal("d", names).size(), 300U);
  EXPECT_THAT(refusal("d", names), HasSubstr("and 9992 others"));
}

}  // namespace
}  // namespace gpunode::config
