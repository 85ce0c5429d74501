#include "container/engines/crio_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::engines {
namespace {

using ::testing::HasSubstr;

constexpr const char* kInput = R"(# by hand
[crio.runtime]
default_runtime = "crun"
[crio.runtime.runtimes.crun]
runtime_path = "/usr/bin/crun"
monitor_path = "/usr/libexec/crio/conmon"
runtime_root = "/run/crun"
runtime_type = "oci"
allowed_annotations = ["io.containers.trace-syscall"]
)";

RuntimeRequest request_of(bool as_default, bool as_peer) {
  RuntimeRequest request;
  request.path = "/usr/bin/nvidia-container-runtime";
  request.is_exact_copy = as_peer;
  if (as_default) {
    request.default_runtime = RuntimeRequest::DefaultRuntime::kSet;
  }
  return request;
}

CrioFiles files_of(std::optional<std::string> config, bool drop_in) {
  CrioFiles files;
  files.config_path = "/etc/crio/crio.conf";
  files.config = std::move(config);
  if (drop_in) files.drop_in_path = "/etc/crio/crio.conf.d/99-nvidia.toml";
  return files;
}

std::string text_of(const Result<EnginePlan>& plan) {
  if (!plan) return "error: " + plan.error().message();
  return plan->files.at(0).after.value_or("none");
}

TEST(CrioAsPeer, DropInIsTheirsByteForByte) {
  EXPECT_EQ(text_of(plan_crio(files_of(kInput, true), request_of(true, true))),
            R"(
[crio]

  [crio.runtime]
    default_runtime = "nvidia"

    [crio.runtime.runtimes]

      [crio.runtime.runtimes.nvidia]
        allowed_annotations = ["io.containers.trace-syscall"]
        monitor_path = "/usr/libexec/crio/conmon"
        runtime_path = "/usr/bin/nvidia-container-runtime"
        runtime_root = "/run/crun"
        runtime_type = "oci"
)");
  EXPECT_EQ(text_of(plan_crio(files_of(kInput, true), request_of(false, true)))
                .find("default_runtime"),
            std::string::npos);
}

TEST(CrioAsPeer, MissingFile) {
  const auto plan =
      plan_crio(files_of(std::nullopt, true), request_of(false, true));
  EXPECT_EQ(text_of(plan), R"(
[crio]

  [crio.runtime]

    [crio.runtime.runtimes]

      [crio.runtime.runtimes.nvidia]
        runtime_path = "/usr/bin/nvidia-container-runtime"
        runtime_type = "oci"
)");
  EXPECT_EQ(plan->notes.size(), 1U);
}

TEST(Crio, WithoutADropInTheFileIsEditedAndKeepsItsRest) {
  // nvidia-ctk replaces the whole file by the one entry.
  const std::string text =
      text_of(plan_crio(files_of(kInput, false), request_of(true, false)));
  EXPECT_THAT(text, HasSubstr("# by hand\n"));
  EXPECT_THAT(text, HasSubstr("default_runtime = \"nvidia\""));
  EXPECT_THAT(text, HasSubstr("[crio.runtime.runtimes.crun]"));
  EXPECT_THAT(text, HasSubstr("[crio.runtime.runtimes.nvidia]"));
  EXPECT_EQ(text_of(plan_crio(files_of(text, false), request_of(true, false))),
            text);
}

TEST(Crio, RefusesWhatItCannotRead) {
  EXPECT_THAT(
      text_of(plan_crio(files_of("[a\n", true), request_of(true, true))),
      HasSubstr("error: /etc/crio/crio.conf:1:"));
}

}  // namespace
}  // namespace gpunode::engines
