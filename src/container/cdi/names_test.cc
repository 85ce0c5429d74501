#include "container/cdi/names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::cdi {
namespace {

TEST(QualifiedNames, AreTakenApart) {
  for (const char* text :
       {"nvidia.com/gpu=0", "nvidia.com/gpu=0:1", "nvidia.com/gpu=all",
        "nvidia.com/gpu=GPU-8932f937-d72c-4106-c12f-20bd9faed9f6",
        "k8s.device-plugin.nvidia.com/gpu=MIG-1", "a/b=c", "V-1/c_2.x=3.d-e"}) {
    const auto name = parse_qualified_name(text);
    ASSERT_TRUE(name) << name.error().message();
    EXPECT_EQ(name->text(), text);
  }
  const auto name = parse_qualified_name("nvidia.com/gpu=0:1");
  ASSERT_TRUE(name);
  EXPECT_EQ(*name, (QualifiedName{"nvidia.com", "gpu", "0:1"}));
}

struct Refused {
  const char* text;
  const char* why;
};

class BadName : public testing::TestWithParam<Refused> {};

TEST_P(BadName, IsRefusedWithTheReason) {
  const auto name = parse_qualified_name(GetParam().text);
  ASSERT_FALSE(name);
  EXPECT_EQ(name.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(name.error().message(), testing::HasSubstr(GetParam().why));
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, BadName,
    testing::Values(
        Refused{"", "\"\" is not vendor/class=device"},
        Refused{"0", "is not vendor/class=device"},
        Refused{"nvidia.com/gpu", "is not vendor/class=device"},
        Refused{"gpu=0", "is not vendor/class"},
        Refused{"/gpu=0", "has a vendor that is empty"},
        Refused{"nvidia.com/=0", "has a class that is empty"},
        Refused{"nvidia.com/gpu=", "has a device that is empty"},
        Refused{"1a/gpu=0", "vendor that does not start with a letter"},
        Refused{"a-/gpu=0", "vendor that ends in \"-\""},
        Refused{"a/b/c=0", "class that has \"/\""},
        Refused{"a/b= nvidia.com/gpu", "device that does not start with"},
        Refused{"a/b=c d", "device that has \" \""},
        Refused{"a/b=c:", "device that ends in \":\""},
        Refused{"a/b=\n", "device that does not start with"},
        Refused{"a/b=..", "device that does not start with"}));

TEST(QuotedValues, StayOneShortLine) {
  EXPECT_EQ(in_quotes("a\nb"), "\"a\\nb\"");
  const std::string shown =
      in_quotes(std::string(119, 'x') + "\xc3\xa9 and on");
  EXPECT_EQ(shown, '"' + std::string(119, 'x') + "\"...");
}

}  // namespace
}  // namespace gpunode::cdi
