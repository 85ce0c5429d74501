#include "container/oci/mode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::oci {
namespace {

using Kind = DeviceList::Kind;
using testing::ElementsAre;
using testing::HasSubstr;

ContainerRequest asking(std::vector<std::string> devices,
                        std::vector<std::string> annotated = {}) {
  ContainerRequest request;
  request.devices = read_device_list(devices);
  request.annotated = read_device_list(annotated);
  return request;
}

Plan planned(Mode mode, const ContainerRequest& request) {
  auto plan = make_plan(mode, request, {});
  EXPECT_TRUE(plan) << plan.error().message();
  return plan ? *std::move(plan) : Plan();
}

TEST(Mode, AutoTakesQualifiedNamesFromTheSpecs) {
  const Plan plan =
      planned(Mode::kAuto, asking({"nvidia.com/gpu=0", "a.b/c=d"}));
  EXPECT_EQ(plan.source, Source::kSpecs);
  EXPECT_THAT(plan.names, ElementsAre("nvidia.com/gpu=0", "a.b/c=d"));
  EXPECT_THAT(planned(Mode::kAuto, asking({"0"}, {"nvidia.com/gpu=1"})).names,
              ElementsAre("nvidia.com/gpu=1"));
}

TEST(Mode, AutoMakesTheRestOnTheSpotAndIgnoresAnnotationsThen) {
  const Plan plan = planned(Mode::kAuto, asking({"0", "1"}, {"plain"}));
  EXPECT_EQ(plan.source, Source::kJustMade);
  EXPECT_THAT(plan.devices.names, ElementsAre("0", "1"));
  EXPECT_EQ(planned(Mode::kAuto, asking({"all"})).devices.kind, Kind::kAll);
  EXPECT_EQ(planned(Mode::kAuto, asking({})).source, Source::kNothing);
}

TEST(Mode, CdiQualifiesByTheDefaultKind) {
  EXPECT_THAT(planned(Mode::kCdi, asking({"0", "x.com/y=z"})).names,
              ElementsAre("nvidia.com/gpu=0", "x.com/y=z"));
  EXPECT_THAT(planned(Mode::kCdi, asking({"all"})).names,
              ElementsAre("nvidia.com/gpu=all"));
  EXPECT_THAT(planned(Mode::kCdi, asking({"none"})).names,
              ElementsAre("nvidia.com/gpu=none"));
  // An annotation wins, over "void" too.
  EXPECT_THAT(planned(Mode::kCdi, asking({"void"}, {"nvidia.com/gpu=0"})).names,
              ElementsAre("nvidia.com/gpu=0"));
}

TEST(Mode, JitIgnoresAnnotations) {
  EXPECT_EQ(planned(Mode::kJitCdi, asking({}, {"nvidia.com/gpu=0"})).source,
            Source::kNothing);
  EXPECT_THAT(planned(Mode::kLegacy, asking({"0"})).devices.names,
              ElementsAre("0"));
}

TEST(Mode, TheRuntimesOwnKindIsMadeOnTheSpotAndStandsAlone) {
  for (const Mode mode : {Mode::kAuto, Mode::kCdi, Mode::kJitCdi}) {
    const Plan plan = planned(mode, asking({"runtime.nvidia.com/gpu=0"}));
    EXPECT_EQ(plan.source, Source::kJustMade) << static_cast<int>(mode);
    EXPECT_THAT(plan.devices.names, ElementsAre("0")) << static_cast<int>(mode);
    const auto mixed = make_plan(
        mode, asking({"runtime.nvidia.com/gpu=0", "nvidia.com/gpu=1"}), {});
    ASSERT_FALSE(mixed);
    EXPECT_EQ(mixed.error().message(),
              "requesting a CDI device with vendor 'runtime.nvidia.com' is not "
              "supported when requesting other CDI devices");
  }
}

TEST(Mode, OthersAreRefused) {
  EXPECT_THAT(make_plan(Mode::kCsv, asking({"0"}), {}).error().message(),
              HasSubstr("Tegra"));
  ToolkitConfig rules;
  rules.runtime.mode = "foo";
  EXPECT_EQ(mode_of_program("/x/gpunode-runtime", rules).error().message(),
            "invalid mode \"foo\"");
}

TEST(Mode, SomeNamesOfTheProgramForceOne) {
  EXPECT_EQ(*mode_of_program("/usr/bin/nvidia-container-runtime.cdi", {}),
            Mode::kCdi);
  EXPECT_EQ(*mode_of_program("nvidia-container-runtime.legacy", {}),
            Mode::kLegacy);
  EXPECT_EQ(*mode_of_program("/x/gpunode-runtime", {}), Mode::kAuto);
  ToolkitConfig rules;
  rules.runtime.mode = "jit-cdi";
  EXPECT_EQ(*mode_of_program("gpunode-runtime", rules), Mode::kJitCdi);
}

}  // namespace
}  // namespace gpunode::oci
