#include "agent/labels/label_set.h"

#include <algorithm>
#include <string>

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace gpunode::labels {
namespace {

TEST(LabelValue, IsMadeByNvidiasRule) {
  EXPECT_EQ(value_of("NVIDIA H100 80GB HBM3"), "NVIDIA-H100-80GB-HBM3");
  EXPECT_EQ(value_of("Google Compute  Engine (x) \xc3\xa9_1"),
            "Google-Compute-Engine-x-_1");
  EXPECT_EQ(value_of("  x   y  "), "x-y");
  EXPECT_EQ(value_of("a\tb\n"), "ab");
  EXPECT_EQ(value_of(""), "");
}

TEST(LabelValue, NeverBeginsOrEndsWithWhatTheApiServerRefuses) {
  EXPECT_EQ(value_of("-abc-"), "abc");
  EXPECT_EQ(value_of("To Be Filled By O.E.M."), "To-Be-Filled-By-O.E.M");
  EXPECT_EQ(value_of("---"), "");
  EXPECT_EQ(value_of("(R)", "-SHARED"), "R-SHARED");
  EXPECT_EQ(value_of("...", "-SHARED"), "SHARED");
}

TEST(LabelValue, IsCutBeforeItsSuffix) {
  EXPECT_EQ(value_of(std::string(70, 'x')), std::string(63, 'x'));
  EXPECT_EQ(value_of(std::string(70, 'x'), "-MIG-1g.5gb-SHARED"),
            std::string(45, 'x') + "-MIG-1g.5gb-SHARED");
  // What the cut leaves at the end must be a letter or digit again.
  EXPECT_EQ(value_of(std::string(61, 'x') + "-yyy"),
            std::string(61, 'x') + "-y");
  EXPECT_EQ(value_of(std::string(62, 'x') + "-yyy"), std::string(62, 'x'));
}

TEST(LabelValue, IsValidWhateverTheText) {
  EXPECT_TRUE(rc::check([](const std::string& text) {
    RC_ASSERT(is_valid_value(value_of(text)));
    const std::string shared = value_of(text, "-SHARED");
    RC_ASSERT(is_valid_value(shared));
    RC_ASSERT(shared.ends_with("SHARED"));
    RC_ASSERT(value_of(value_of(text)) == value_of(text));
  }));
}

TEST(LabelValue, ValidityIsTheApiServersRule) {
  EXPECT_TRUE(is_valid_value(""));
  EXPECT_TRUE(is_valid_value("a"));
  EXPECT_TRUE(is_valid_value("a.-_b"));
  EXPECT_FALSE(is_valid_value("-a"));
  EXPECT_FALSE(is_valid_value("a."));
  EXPECT_FALSE(is_valid_value("a b"));
  EXPECT_FALSE(is_valid_value("a/b"));
  EXPECT_TRUE(is_valid_value(std::string(63, 'a')));
  EXPECT_FALSE(is_valid_value(std::string(64, 'a')));
}

TEST(FeatureFile, IsALineALabelByKey) {
  EXPECT_EQ(to_feature_file({{"b", "2"}, {"a", ""}}), "a=\nb=2\n");
  EXPECT_EQ(to_feature_file({}), "");
}

}  // namespace
}  // namespace gpunode::labels
