// For tests of the kernel's Steps: the host that they plan for.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/steps/steps.h"
#include "node/provision/steps/trial_host.h"

namespace gpunode::provision {

inline constexpr const char* kOld = "4.18.0-513.5.1.el8_9.x86_64";
inline constexpr const char* kNew = "4.18.0-553.22.1.el8_10.x86_64";

/// The seed's machine: a Rocky 8.9 with a driver in its file.
class KernelSteps : public testing::Test {
 protected:
  KernelSteps() {
    host_.spec.driver.is_wanted = true;
    host_.facts.kernel.boot_id = "boot-1";
    host_.facts.kernel.command_line = "BOOT_IMAGE=x root=UUID=abc-1 ro";
    host_.facts.trees["/usr/bin/dracut"].exists = true;
    host_.facts.trees["/usr/sbin/grubby"].exists = true;
    add_kernel(kOld);
    host_.facts.kernels.next = kOld;
    host_.facts.kernels.next_why = "GRUB's saved_entry";
  }

  void add_kernel(const char* release) {
    facts::KernelImage& image = host_.facts.kernels.images.emplace_back();
    image.release = release;
    image.compiler = "gcc (GCC) 8.5.0 20210514 (Red Hat 8.5.0-20)";
  }

  void boots_next(const char* release) {
    add_kernel(release);
    host_.facts.kernels.next = release;
  }

  void be_ubuntu(const char* release) {
    host_.facts.os = {};
    host_.facts.os.id = "ubuntu";
    host_.facts.os.id_like = {"debian"};
    host_.facts.os.version_id = "22.04";
    host_.facts.trees.clear();
    host_.facts.trees["/usr/sbin/update-initramfs"].exists = true;
    host_.facts.trees["/usr/sbin/update-grub"].exists = true;
    host_.facts.kernels.images.clear();
    host_.facts.kernel.release = release;
    add_kernel(release);
    host_.facts.kernels.images.back().compiler =
        "x86_64-linux-gnu-gcc-12 (Ubuntu 12.3.0-1ubuntu1~22.04) 12.3.0";
    host_.facts.kernels.next = release;
  }

  static std::vector<std::string> actions(const StepPlan& plan) {
    std::vector<std::string> words;
    for (const Action& action : plan.actions) words.push_back(describe(action));
    return words;
  }

  /// Planned, done, and then there is nothing left to do.
  StepPlan converges(const Step& step) {
    StepPlan plan = host_.plan(step);
    EXPECT_EQ(plan.state, StepState::kChange) << plan.why << plan.fix;
    host_.carry_out(plan);
    const StepPlan again = host_.plan(step);
    EXPECT_EQ(again.state, StepState::kOk) << again.why;
    EXPECT_THAT(actions(again), testing::IsEmpty());
    return plan;
  }

  void expect_not_wanted(const Step& step) {
    host_.spec.driver.is_wanted = false;
    EXPECT_EQ(host_.plan(step).state, StepState::kNotWanted);
    EXPECT_FALSE(step.wants(host_.spec).driver);
  }

  TrialHost host_;
  std::unique_ptr<Step> nouveau_ = make_kernel_nouveau();
  std::unique_ptr<Step> target_ = make_kernel_target();
  std::unique_ptr<Step> secure_ = make_kernel_secureboot();
  std::unique_ptr<Step> build_ = make_kernel_build();
};

}  // namespace gpunode::provision
