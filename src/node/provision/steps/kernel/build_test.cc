// kernel.build, as plans from facts.
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/steps/kernel/kernel_steps.h"

namespace gpunode::provision {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

TEST_F(KernelSteps, WhatABuildNeedsIsInstalledAndProven) {
  const StepPlan plan = converges(*build_);
  ASSERT_THAT(plan.actions, SizeIs(3));
  // Node.md 0.6: kernel-headers is not needed, and often not to be had.
  EXPECT_THAT(std::get<InstallPackages>(plan.actions[0]).packages,
              ElementsAre("kernel-devel=4.18.0-513.5.1.el8_9", "gcc", "gcc-c++",
                          "make", "elfutils-libelf-devel", "dkms"));
  EXPECT_EQ(std::get<ProveBuild>(plan.actions[1]).release, kOld);
  EXPECT_THAT(plan.notes,
              Contains(HasSubstr("dl.rockylinux.org/vault/rocky/8.9")));
}

TEST_F(KernelSteps, DevelIsForTheTargetAndNotForWhatRuns) {
  boots_next(kNew);
  const StepPlan plan = host_.plan(*build_);
  EXPECT_THAT(std::get<InstallPackages>(plan.actions[0]).packages,
              Contains("kernel-devel=4.18.0-553.22.1.el8_10"));
  EXPECT_EQ(std::get<ProveBuild>(plan.actions[1]).release, kNew);
}

TEST_F(KernelSteps, AProofThatWasCutOffIsMadeAgain) {
  StepPlan plan = host_.plan(*build_);
  plan.actions.pop_back();
  host_.carry_out(plan);
  const StepPlan again = converges(*build_);
  EXPECT_THAT(actions(again),
              ElementsAre(HasSubstr("prove that a module can be built"),
                          HasSubstr("write /var/lib/gpunode/")));
}

TEST_F(KernelSteps, AnotherKernelNeedsItsOwnProof) {
  converges(*build_);
  boots_next(kNew);
  host_.facts.kernel.release = kNew;
  host_.facts.kernels.images.back().has_devel = true;
  EXPECT_THAT(actions(converges(*build_)), SizeIs(2));
}

TEST_F(KernelSteps, DevelOfAnotherReleaseIsReplacedAndNamed) {
  converges(*build_);
  facts::KernelImage& image = host_.facts.kernels.images.front();
  image.has_devel = false;
  image.devel_release = kNew;
  const StepPlan plan = converges(*build_);
  EXPECT_THAT(plan.why, HasSubstr(std::string("is of ") + kNew));
  EXPECT_THAT(std::get<InstallPackages>(plan.actions[0]).packages,
              ElementsAre("kernel-devel=4.18.0-513.5.1.el8_9"));
}

TEST_F(KernelSteps, TheKernelsOwnCompilerIsUsed) {
  be_ubuntu("6.8.0-1015-aws");
  const StepPlan plan = converges(*build_);
  EXPECT_THAT(
      std::get<InstallPackages>(plan.actions[0]).packages,
      AllOf(Contains("linux-headers-6.8.0-1015-aws"), Contains("gcc-12")));
  EXPECT_EQ(std::get<ProveBuild>(plan.actions[1]).compiler, "/usr/bin/gcc-12");
}

TEST_F(KernelSteps, ModulesThatComeBuiltNeedNoCompiler) {
  host_.spec.driver.source = DriverSource::kDistribution;
  EXPECT_EQ(host_.plan(*build_).state, StepState::kNotWanted);
}

}  // namespace
}  // namespace gpunode::provision
