#include "container/oci/requirement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace gpunode::oci {
namespace {

using testing::HasSubstr;

RequirementFacts facts() {
  RequirementFacts facts;
  facts.driver_version = "550.163.01";
  facts.cuda_version = "12.4";
  return facts;
}

Verdict judged(std::string_view expression) {
  const auto verdict = judge(expression, facts());
  EXPECT_TRUE(verdict) << verdict.error().message();
  return verdict ? *verdict : Verdict::kUnknown;
}

TEST(Requirement, ComparesVersionsByNumbers) {
  EXPECT_EQ(judged("cuda>=12.4"), Verdict::kMet);
  EXPECT_EQ(judged("cuda>=12.4.0"), Verdict::kMet);
  EXPECT_EQ(judged("cuda>=12.10"), Verdict::kUnmet);
  EXPECT_EQ(judged("cuda<12.4"), Verdict::kUnmet);
  EXPECT_EQ(judged("cuda<=12.4"), Verdict::kMet);
  EXPECT_EQ(judged("cuda=12.4"), Verdict::kMet);
  EXPECT_EQ(judged("cuda!=12.4"), Verdict::kUnmet);
  EXPECT_EQ(judged("driver>550"), Verdict::kMet);
  EXPECT_EQ(judged("driver>=99"), Verdict::kMet);
}

TEST(Requirement, SpaceIsOrAndCommaIsAnd) {
  EXPECT_EQ(judged("cuda>=99 driver>=550,driver<551"), Verdict::kMet);
  EXPECT_EQ(judged("cuda>=99 driver>=550,driver<550"), Verdict::kUnmet);
  EXPECT_EQ(judged("cuda>=12,driver>=550"), Verdict::kMet);
  EXPECT_EQ(judged(""), Verdict::kMet);
  EXPECT_EQ(judged("  "), Verdict::kMet);
}

TEST(Requirement, WhatNobodyKnowsRefusesNobody) {
  // The form of NVIDIA's CUDA images.
  EXPECT_EQ(judged("cuda>=12.8 brand=tesla,driver>=550,driver<551"),
            Verdict::kUnknown);
  EXPECT_EQ(judged("cuda>=12.8 brand=tesla,driver>=470,driver<471"),
            Verdict::kUnmet);
  EXPECT_EQ(judged("arch>=9.0"), Verdict::kUnknown);
  EXPECT_EQ(judged("colour=red"), Verdict::kUnknown);
}

TEST(Requirement, BrandsAreWords) {
  RequirementFacts here = facts();
  here.brands = {"tesla"};
  EXPECT_EQ(*judge("brand=tesla", here), Verdict::kMet);
  EXPECT_EQ(*judge("brand!=tesla", here), Verdict::kUnmet);
  EXPECT_FALSE(judge("brand>tesla", here));
  // Of a GPU that drivers call by two brands, only other ones are certain.
  here.brands = {"nvidia", "tesla"};
  EXPECT_EQ(*judge("brand=tesla", here), Verdict::kUnknown);
  EXPECT_EQ(*judge("brand!=tesla", here), Verdict::kUnknown);
  EXPECT_EQ(*judge("brand=geforce", here), Verdict::kUnmet);
  EXPECT_EQ(*judge("brand!=geforce", here), Verdict::kMet);
}

TEST(Requirement, OfALowerBoundOnlyTheCertainIsSaid) {
  RequirementFacts newer = facts();
  newer.cuda_version = "13.1";
  newer.is_cuda_at_least = true;
  EXPECT_EQ(*judge("cuda>=13.0", newer), Verdict::kMet);
  EXPECT_EQ(*judge("cuda>=13.1", newer), Verdict::kMet);
  EXPECT_EQ(*judge("cuda>=14", newer), Verdict::kUnknown);
  EXPECT_EQ(*judge("cuda<13.0", newer), Verdict::kUnmet);
  EXPECT_EQ(*judge("cuda<14", newer), Verdict::kUnknown);
  EXPECT_EQ(*judge("cuda=12.4", newer), Verdict::kUnmet);
  EXPECT_EQ(*judge("cuda!=12.4", newer), Verdict::kMet);
}

TEST(Requirement, WhatIsNoExpressionSaysWhy) {
  const auto fault = [](std::string_view expression) {
    const auto verdict = judge(expression, facts());
    return verdict ? "" : verdict.error().message();
  };
  EXPECT_EQ(fault("cuda"),
            "invalid requirement \"cuda\": has none of != <= >= = < >");
  EXPECT_THAT(fault("cuda>="), HasSubstr("has no value"));
  EXPECT_THAT(fault(">=1"), HasSubstr("has no property"));
  EXPECT_THAT(fault("cuda>=x"), HasSubstr("is not a version"));
  EXPECT_THAT(fault("cuda>=1..2"), HasSubstr("is not a version"));
  EXPECT_THAT(fault("cuda!12"), HasSubstr("has none of"));
}

TEST(Requirement, DriverBranchesBringACuda) {
  EXPECT_EQ(cuda_of_driver("550.163.01").version, "12.4");
  EXPECT_EQ(cuda_of_driver("535.104.05").version, "12.2");
  EXPECT_EQ(cuda_of_driver("470.82.01").version, "11.4");
  EXPECT_EQ(cuda_of_driver("580.159").version, "13.0");
  EXPECT_EQ(cuda_of_driver("390.1").version, "9.1");
  EXPECT_EQ(cuda_of_driver("").version, "");
  EXPECT_EQ(cuda_of_driver("304.1").version, "");
  EXPECT_FALSE(cuda_of_driver("590.1").is_at_least);
  EXPECT_TRUE(cuda_of_driver("610.2").is_at_least);
}

RC_GTEST_PROP(Requirement, OrderOfVersionsIsThatOfTheirNumbers,
              (std::vector<std::uint8_t> a, std::vector<std::uint8_t> b)) {
  const auto text = [](const std::vector<std::uint8_t>& parts) {
    std::string out = "0";
    if (!parts.empty()) out = std::to_string(parts[0]);
    for (std::size_t i = 1; i < parts.size(); ++i) {
      out += "." + std::to_string(parts[i]);
    }
    return out;
  };
  RequirementFacts here;
  here.cuda_version = text(a);
  std::vector<std::uint8_t> x = a;
  std::vector<std::uint8_t> y = b;
  x.resize(std::max(a.size(), b.size()));
  y.resize(x.size());
  RC_ASSERT((*judge("cuda>=" + text(b), here) == Verdict::kMet) == (x >= y));
  RC_ASSERT((*judge("cuda<" + text(b), here) == Verdict::kMet) == (x < y));
}

}  // namespace
}  // namespace gpunode::oci
