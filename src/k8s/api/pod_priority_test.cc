#include "k8s/api/pod_priority.h"

#include <limits>
#include <string>

#include <gtest/gtest.h>

namespace gpunode::kube {
namespace {

std::string pod(const std::string& spec) {
  return R"({"kind":"Pod","metadata":{"name":"a","annotations":{"priority":)"
         R"("9"}},"spec":{)" +
         spec + R"("nodeName":"n"},"status":{"priority":7}})";
}

TEST(PodPriority, IsWhatAdmissionMadeOfTheClass) {
  const auto of_spec = [](const std::string& spec) {
    const auto read = read_pod_priority(pod(spec));
    EXPECT_TRUE(read) << (read ? "" : read.error().message());
    return read ? *read : -99;
  };
  const auto of = [&](const std::string& number) {
    return of_spec("\"priority\":" + number + ",");
  };
  EXPECT_EQ(of("0"), 0);
  EXPECT_EQ(of("1000"), 1000);
  EXPECT_EQ(of("-10"), -10);
  EXPECT_EQ(of("2000001000"), 2000001000);
  EXPECT_EQ(of("2147483647"), std::numeric_limits<std::int32_t>::max());
  EXPECT_EQ(of("-2147483648"), std::numeric_limits<std::int32_t>::min());
  EXPECT_EQ(of("null"), 0);
  EXPECT_EQ(of_spec(""), 0) << "of no class";
  EXPECT_EQ(of_spec(R"("containers":[{"priority":3}],)"), 0);
}

TEST(PodPriority, IsNotGuessed) {
  for (const char* number :
       {"\"5\"", "1.5", "1e3", "true", "[1]", "2147483648", "-2147483649"}) {
    const auto read =
        read_pod_priority(pod("\"priority\":" + std::string(number) + ","));
    ASSERT_FALSE(read) << number;
    EXPECT_EQ(read.error().code(), ErrorCode::kCorrupt) << number;
  }
  for (const char* text : {"", "{}", "[]", "null", R"({"spec":5})",
                           R"({"spec":{"priority":1)", R"({"spec":null})"}) {
    EXPECT_FALSE(read_pod_priority(text)) << text;
  }
}

}  // namespace
}  // namespace gpunode::kube
