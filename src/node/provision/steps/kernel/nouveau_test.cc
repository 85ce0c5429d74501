// kernel.nouveau (node.md 0.8), as plans from facts.
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/steps/kernel/kernel_steps.h"

namespace gpunode::provision {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

TEST_F(KernelSteps, NouveauIsKeptOutOfEachKernelsInitramfs) {
  boots_next(kNew);
  const StepPlan plan = converges(*nouveau_);
  ASSERT_THAT(plan.actions, SizeIs(5));
  const auto& file = std::get<WriteFile>(plan.actions[0]);
  EXPECT_EQ(file.path, "/etc/modprobe.d/gpunode-nouveau.conf");
  for (const char* name : {"nouveau", "nova_core", "nova", "nova_drm"}) {
    EXPECT_THAT(file.content,
                HasSubstr(std::string("blacklist ") + name + "\n"));
  }
  EXPECT_EQ(
      std::get<RunProgram>(plan.actions[1]).argv,
      (std::vector<std::string>{"/usr/bin/dracut", "--force", "--kver", kOld}));
  EXPECT_EQ(std::get<RunProgram>(plan.actions[2]).argv.back(), kNew);
}

TEST_F(KernelSteps, UbuntusInitramfsIsMadeByItsOwnProgram) {
  be_ubuntu("6.8.0-45-generic");
  const StepPlan plan = converges(*nouveau_);
  EXPECT_EQ(std::get<RunProgram>(plan.actions[1]).argv,
            (std::vector<std::string>{"/usr/sbin/update-initramfs", "-u", "-k",
                                      "6.8.0-45-generic"}));
}

// Killed between the file and the images.
TEST_F(KernelSteps, ImagesFromBeforeTheFileAreMadeAgain) {
  StepPlan plan = host_.plan(*nouveau_);
  plan.actions.resize(1);
  host_.carry_out(plan);
  const StepPlan again = converges(*nouveau_);
  EXPECT_THAT(again.why, HasSubstr("initramfs"));
  EXPECT_THAT(again.actions, SizeIs(3));
}

TEST_F(KernelSteps, AFileThatWasChangedByHandIsDrift) {
  converges(*nouveau_);
  host_.facts.files["/etc/modprobe.d/gpunode-nouveau.conf"].content =
      "# nothing\n";
  const StepPlan plan = host_.plan(*nouveau_);
  EXPECT_EQ(plan.state, StepState::kDrift);
  EXPECT_THAT(plan.actions, SizeIs(2));  // The file, and the images anew.
}

// One reboot serves both a new kernel and a GPU that nouveau has.
TEST_F(KernelSteps, ABoundNouveauNeedsTheRebootOfTheTarget) {
  facts::PciGpu& gpu = host_.facts.gpus.emplace_back();
  gpu.driver = "nouveau";
  host_.facts.modules["nouveau"] = true;
  boots_next(kNew);
  EXPECT_THAT(actions(converges(*nouveau_)),
              Not(Contains(HasSubstr("reboot"))));
  const StepPlan plan = converges(*target_);
  EXPECT_THAT(actions(plan),
              ElementsAre(AllOf(HasSubstr("reboot"), HasSubstr(kNew))));
  EXPECT_THAT(plan.why, HasSubstr("nouveau has the GPUs"));
  // After it neither has anything to do.
  EXPECT_EQ(host_.plan(*nouveau_).state, StepState::kOk);
}

TEST_F(KernelSteps, NouveauThatIsLoadedInSpiteOfTheFileIsMetAgain) {
  converges(*nouveau_);
  host_.facts.files["/run/gpunode/nouveau-initramfs"].content.reset();
  EXPECT_EQ(host_.plan(*nouveau_).state, StepState::kOk);
  host_.facts.modules["nouveau"] = true;
  const StepPlan plan = converges(*nouveau_);
  EXPECT_THAT(plan.why, HasSubstr("loaded although"));
  EXPECT_THAT(actions(plan), SizeIs(2));
  EXPECT_THAT(actions(host_.plan(*target_)), ElementsAre(HasSubstr("reboot")));
}

TEST_F(KernelSteps, ANouveauThatIsBuiltInIsAPersons) {
  host_.facts.modules["nouveau"] = false;
  const StepPlan plan = host_.plan(*nouveau_);
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.fix, HasSubstr("nouveau.modeset=0"));
}

TEST_F(KernelSteps, AHostWithoutAnInitramfsMakerIsTold) {
  host_.facts.trees.clear();
  EXPECT_THAT(converges(*nouveau_).notes,
              Contains(HasSubstr("neither update-initramfs nor dracut")));
}

}  // namespace
}  // namespace gpunode::provision
