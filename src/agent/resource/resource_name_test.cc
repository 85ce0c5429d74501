#include "agent/resource/resource_name.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::resource {
namespace {

TEST(ResourceName, KeepsWhatItParsed) {
  const auto name = ResourceName::parse("nvidia.com/mig-1g.5gb.shared");
  ASSERT_TRUE(name.has_value());
  EXPECT_EQ(name->value(), "nvidia.com/mig-1g.5gb.shared");
  EXPECT_EQ(name->base_name(), "mig-1g.5gb.shared");
}

TEST(ResourceName, RefusesWhatCouldNotBeASocketName) {
  for (const char* text :
       {"", "gpu", "/gpu", "nvidia.com/", "nvidia.com/Gpu", "nvidia.com/../gpu",
        "nvidia.com/a/b", "nvidia.com/-gpu", "nvidia.com/gpu-", "nvidia.com/.",
        "nvidia.com/a..b", "nvidia.com/g u", "nv_idia.com/gpu"}) {
    const auto name = ResourceName::parse(text);
    ASSERT_FALSE(name.has_value()) << text;
    EXPECT_EQ(name.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(
        name.error().message(),
        testing::StartsWith("incorrect format for resource name '" +
                            std::string(text) + "': [a lowercase RFC 1123 "));
  }
}

TEST(ResourceName, IsAtMost63CharactersLong) {
  const std::string longest = "nvidia.com/" + std::string(52, 'u');
  EXPECT_TRUE(ResourceName::parse(longest).has_value());
  const auto longer = ResourceName::parse(longest + "u");
  ASSERT_FALSE(longer.has_value());
  EXPECT_EQ(longer.error().message(),
            "fully-qualified resource name must be 63 characters or less: " +
                longest + "u");
}

}  // namespace
}  // namespace gpunode::resource
