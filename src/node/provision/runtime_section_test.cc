#include "node/provision/runtime_section.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/spec_file.h"

namespace gpunode::provision {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

SpecReading read(const std::string& runtime) {
  return read_spec({{"node.yaml",
                     "apiVersion: gpunode.dev/v1alpha1\nkind: GPUNode\nspec:\n"
                     "  runtime: " +
                         runtime + "\n"}});
}

TEST(RuntimeSection, ReadsWhatTheFormatPromises) {
  const SpecReading reading = read(
      "{engine: containerd, install: {source: docker-ce, version: \"1.7\"}, "
      "systemdCgroup: false, sandboxImage: \"registry.k8s.io/pause:3.8\", "
      "gpu: {mode: cdi}, deviceLinks: false}");
  ASSERT_THAT(reading.problems, IsEmpty());
  const RuntimeSpec& runtime = reading.spec.runtime;
  EXPECT_TRUE(runtime.is_wanted);
  EXPECT_EQ(runtime.source, EngineSource::kDocker);
  EXPECT_EQ(runtime.version, "1.7");
  EXPECT_FALSE(runtime.has_systemd_cgroup);
  EXPECT_EQ(runtime.sandbox_image, "registry.k8s.io/pause:3.8");
  EXPECT_EQ(runtime.gpu_mode, GpuMode::kCdi);
  EXPECT_FALSE(runtime.has_device_links);
  EXPECT_THAT(reading.spec.not_carried_out, IsEmpty());
}

TEST(RuntimeSection, IsAsTheSeedHasItIfItSaysLittle) {
  const SpecReading reading = read("{engine: containerd}");
  ASSERT_THAT(reading.problems, IsEmpty());
  EXPECT_EQ(reading.spec.runtime.source, EngineSource::kDistribution);
  EXPECT_EQ(reading.spec.runtime.gpu_mode, GpuMode::kDefaultRuntime);
  EXPECT_TRUE(reading.spec.runtime.has_systemd_cgroup);
  EXPECT_TRUE(reading.spec.runtime.has_device_links);
  EXPECT_FALSE(read_spec({{"node.yaml",
                           "apiVersion: gpunode.dev/v1alpha1\n"
                           "kind: GPUNode\nspec: {}\n"}})
                   .spec.runtime.is_wanted);
  EXPECT_EQ(read("{nvidia: {mode: runtimeclass}}").spec.runtime.gpu_mode,
            GpuMode::kRuntimeClass);
}

TEST(RuntimeSection, TellsEachMistakeWithItsPlace) {
  struct Case {
    const char* yaml;
    const char* words;
  };
  for (const Case& one :
       {Case{"{engine: docker}", "gpunode runtime configure --runtime docker"},
        Case{"{engine: cri-o}", "--runtime crio"},
        Case{"{engine: rkt}", "is no engine"},
        Case{"{engin: containerd}", "engine"},
        Case{"{install: {source: docker}}", "docker-ce"},
        Case{"{install: {version: \"1\"}}", "no version of containerd"},
        Case{"{install: {version: \"1.7-1\"}}", "no version of containerd"},
        Case{"{install: {source: preinstalled, version: \"1.7\"}}",
             "leave one of the two out"},
        Case{"{sandboxImage: pause}", "no image with its tag"},
        Case{"{sandboxImage: \"a b:1\"}", "no image with its tag"},
        Case{"{gpu: {mode: default}}", "default-runtime"},
        Case{"{gpu: {mode: cdi}, nvidia: {mode: cdi}}", "says this already"},
        Case{"{nvidia: {toolkitVersion: \"1.18\"}}", "in the place of NVIDIA"},
        Case{"{deviceLinks: often}", "deviceLinks"}}) {
    const SpecReading reading = read(one.yaml);
    ASSERT_THAT(reading.problems, SizeIs(1)) << one.yaml;
    EXPECT_THAT(reading.problems[0],
                AllOf(HasSubstr("node.yaml:4:"), HasSubstr(one.words)))
        << one.yaml;
  }
}

}  // namespace
}  // namespace gpunode::provision
