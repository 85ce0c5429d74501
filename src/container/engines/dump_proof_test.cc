#include "container/engines/dump_proof.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::engines {
namespace {

using ::testing::HasSubstr;

constexpr const char* kBefore = R"(version = 2
imports = ["/c"]
root = "/r"
[plugins."io.containerd.grpc.v1.cri"]
  enable_cdi = false
  sandbox_image = "p"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    default_runtime_name = "runc"
)";

std::string after(const std::string& sandbox_image, const std::string& name) {
  return R"(version = 2
imports = ["/c", "/d"]
root = "/r"
[plugins."io.containerd.grpc.v1.cri"]
  enable_cdi = false
  sandbox_image = ")" +
         sandbox_image + R"("
  [plugins."io.containerd.grpc.v1.cri".containerd]
    default_runtime_name = ")" +
         name + R"("
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nvidia]
      sandbox_mode = ""
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.nvidia.options]
        BinaryName = "/usr/bin/gpunode-runtime"
)";
}

RuntimeRequest request_of() {
  RuntimeRequest request;
  request.path = "/usr/bin/gpunode-runtime";
  request.default_runtime = RuntimeRequest::DefaultRuntime::kSet;
  return request;
}

std::string verdict(const std::string& dump, const RuntimeRequest& request) {
  const auto proof = prove_containerd(kBefore, dump, request);
  return proof ? "proven" : proof.error().message();
}

TEST(DumpProof, AcceptsWhatWasAskedAndNothingElse) {
  EXPECT_EQ(verdict(after("p", "nvidia"), request_of()), "proven");
}

TEST(DumpProof, NamesWhatElseChanged) {
  EXPECT_EQ(verdict(after("q", "nvidia"), request_of()),
            "containerd would run with other changes too: "
            "plugins.\"io.containerd.grpc.v1.cri\".sandbox_image");
}

TEST(DumpProof, NamesWhatDidNotArrive) {
  EXPECT_THAT(verdict(after("p", "runc"), request_of()),
              HasSubstr("still has \"runc\" as its default runtime"));
  EXPECT_THAT(verdict(kBefore, request_of()),
              HasSubstr("does not see plugins.\"io.containerd.grpc.v1.cri\"."
                        "containerd.runtimes.nvidia.options.BinaryName"));
  RuntimeRequest cdi = request_of();
  cdi.enable_cdi = true;
  EXPECT_THAT(verdict(after("p", "nvidia"), cdi), HasSubstr("enable_cdi"));
}

}  // namespace
}  // namespace gpunode::engines
