// What is so of all Steps of the kernel.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/steps/kernel/kernel_steps.h"

namespace gpunode::provision {
namespace {

TEST_F(KernelSteps, NobodyLooksWithoutADriverInTheFile) {
  expect_not_wanted(*nouveau_);
  expect_not_wanted(*target_);
  expect_not_wanted(*secure_);
  expect_not_wanted(*build_);
}

TEST_F(KernelSteps, ADriverThatIsThereIsItsOwners) {
  host_.spec.driver.source = DriverSource::kPreinstalled;
  boots_next(kNew);
  for (const auto* step : {&nouveau_, &target_, &build_}) {
    EXPECT_EQ(host_.plan(**step).state, StepState::kNotWanted) << (*step)->id();
  }
  // What the file asks for in so many words is done all the same.
  host_.spec.host.kernel.policy = KernelPolicy::kPinRunning;
  EXPECT_EQ(host_.plan(*target_).state, StepState::kChange);
}

}  // namespace
}  // namespace gpunode::provision
