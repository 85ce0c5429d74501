#include "container/engines/docker_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text/json_edit.h"

namespace gpunode::engines {
namespace {

using ::testing::HasSubstr;

RuntimeRequest request_of(bool as_default, bool cdi) {
  RuntimeRequest request;
  request.path = "nvidia-container-runtime";
  request.is_exact_copy = true;
  request.enable_cdi = cdi;
  request.default_runtime = as_default ? RuntimeRequest::DefaultRuntime::kSet
                                       : RuntimeRequest::DefaultRuntime::kUnset;
  return request;
}

std::string text_of(const Result<EnginePlan>& plan) {
  if (!plan) return "error: " + plan.error().message();
  return plan->files.at(0).after.value_or("none");
}

TEST(DockerAsPeer, MissingFileIsTheirsByteForByte) {
  EXPECT_EQ(text_of(plan_docker("/d", std::nullopt, request_of(false, false))),
            R"({
    "runtimes": {
        "nvidia": {
            "args": [],
            "path": "nvidia-container-runtime"
        }
    }
})");
}

TEST(DockerAsPeer, FeaturesAreMerged) {
  // nvidia-ctk loses buildkit here.
  const std::string text = text_of(plan_docker(
      "/d",
      R"({"log-driver":"json-file","features":{"buildkit":true},)"
      R"("runtimes":{"kata":{"path":"/usr/bin/kata","runtimeArgs":["a"]}}})",
      request_of(true, true)));
  const auto tree = text::read_json(text, "x");
  ASSERT_TRUE(tree) << text;
  EXPECT_EQ(text::to_json(text::tree_of(*tree)),
            R"({"default-runtime":"nvidia","features":{"buildkit":true,)"
            R"("cdi":true},"log-driver":"json-file","runtimes":{"kata":)"
            R"({"path":"/usr/bin/kata","runtimeArgs":["a"]},"nvidia":)"
            R"({"args":[],"path":"nvidia-container-runtime"}}})");
}

TEST(DockerAsPeer, ADefaultOfOurNameIsTakenBack) {
  EXPECT_EQ(text_of(plan_docker("/d", "{\"default-runtime\": \"nvidia\"}",
                                request_of(false, false)))
                .find("default-runtime"),
            std::string::npos);
}

TEST(Docker, ASecondRunChangesNothing) {
  const auto first =
      plan_docker("/d", "{\n  \"a\": 1\n}\n", request_of(true, true));
  const auto second = plan_docker("/d", text_of(first), request_of(true, true));
  ASSERT_TRUE(second);
  EXPECT_FALSE(second->is_change());
}

TEST(Docker, RefusesInGosWords) {
  EXPECT_THAT(text_of(plan_docker("/d", "{bad", request_of(false, false))),
              HasSubstr("invalid character 'b' looking for beginning of object "
                        "key string"));
  EXPECT_THAT(text_of(plan_docker("/d", "", request_of(false, false))),
              HasSubstr("EOF"));
  // A panic of nvidia-ctk.
  EXPECT_EQ(text_of(plan_docker("/d", "{\"runtimes\": []}",
                                request_of(false, false))),
            "error: runtimes is no object");
}

}  // namespace
}  // namespace gpunode::engines
