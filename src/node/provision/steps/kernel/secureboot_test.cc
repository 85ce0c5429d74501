// kernel.secureboot (node.md 0.8), as plans from facts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/steps/kernel/kernel_steps.h"

namespace gpunode::provision {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

TEST_F(KernelSteps, WithoutSecureBootAnythingLoads) {
  EXPECT_EQ(host_.plan(*secure_).state, StepState::kOk);
  host_.facts.secure_boot.state = facts::SecureBoot::kOff;
  EXPECT_EQ(host_.plan(*secure_).state, StepState::kOk);
  host_.facts.secure_boot.state = facts::SecureBoot::kUnknown;
  const StepPlan unknown = host_.plan(*secure_);
  EXPECT_EQ(unknown.state, StepState::kOk);
  EXPECT_THAT(unknown.notes, SizeIs(1));
}

TEST_F(KernelSteps, AKeyIsEnrolledByAPerson) {
  host_.facts.secure_boot.state = facts::SecureBoot::kOn;
  const StepPlan none = host_.plan(*secure_);
  EXPECT_EQ(none.state, StepState::kBlocked);
  EXPECT_THAT(none.fix, AllOf(HasSubstr("dkms generate_mok"),
                              HasSubstr("mokutil --import /var/lib/dkms/"),
                              HasSubstr("Enroll MOK")));
  host_.facts.secure_boot.mok_certificate = "/var/lib/dkms/mok.pub";
  host_.facts.secure_boot.is_mok_enrolled = false;
  const StepPlan there = host_.plan(*secure_);
  EXPECT_EQ(there.state, StepState::kBlocked);
  EXPECT_THAT(there.fix, Not(HasSubstr("generate_mok")));
  EXPECT_THAT(there.why, HasSubstr("not enrolled"));
  host_.facts.secure_boot.is_mok_enrolled = true;
  EXPECT_EQ(host_.plan(*secure_).state, StepState::kOk);
}

// Whoever's key signed it, the kernel took it: DKMS's own need not be enrolled.
TEST_F(KernelSteps, AModuleThatRunsSignedNeedsNoKey) {
  facts::PciGpu& gpu = host_.facts.gpus.emplace_back();
  gpu.device_id = 0x1eb8;
  gpu.product = "Tesla T4";
  host_.spec.driver.branch = 580;
  host_.facts.secure_boot.state = facts::SecureBoot::kOn;
  host_.facts.secure_boot.enforces_signatures = true;
  host_.facts.secure_boot.mok_certificate = "/var/lib/dkms/mok.pub";
  host_.facts.secure_boot.is_mok_enrolled = false;
  facts::ModuleFile& module = host_.facts.kernels.images.front().module;
  module = {"/lib/modules/x/extra/nvidia.ko.xz", "580.65.06", kOld,
            "Dual MIT/GPL", "NVIDIA Corporation"};
  EXPECT_EQ(host_.plan(*secure_).state, StepState::kBlocked) << "not loaded";
  host_.facts.driver.loaded_version = "580.65.06";
  host_.facts.driver.is_loaded_open = true;
  const StepPlan plan = host_.plan(*secure_);
  EXPECT_EQ(plan.state, StepState::kOk) << plan.why;
  EXPECT_THAT(plan.notes, IsEmpty());
  // What is built anew is signed by DKMS.
  const auto expect_blocked = [&](const char* what, const auto& change) {
    TrialHost other = host_;
    change(other);
    EXPECT_EQ(other.plan(*secure_).state, StepState::kBlocked) << what;
  };
  expect_blocked("unsigned", [](TrialHost& host) {
    host.facts.kernels.images.front().module.signer.clear();
  });
  expect_blocked("another branch",
                 [](TrialHost& host) { host.spec.driver.branch = 570; });
  expect_blocked("another flavour", [](TrialHost& host) {
    host.spec.driver.flavour = WantedFlavour::kProprietary;
  });
  expect_blocked("another file", [](TrialHost& host) {
    host.facts.kernels.images.front().module.version = "580.95.05";
  });
  expect_blocked("another kernel", [](TrialHost& host) {
    host.facts.kernels.images.emplace_back().release = kNew;
    host.facts.kernels.next = kNew;
  });
}

TEST_F(KernelSteps, ACloudsConsoleIsNoScreen) {
  host_.facts.secure_boot.state = facts::SecureBoot::kOn;
  host_.facts.machine.cloud = "azure";
  EXPECT_THAT(host_.plan(*secure_).fix, HasSubstr("serial console"));
}

TEST_F(KernelSteps, AnEnrolmentThatCannotBeToldIsANote) {
  host_.facts.secure_boot.state = facts::SecureBoot::kOn;
  host_.facts.secure_boot.mok_certificate = "/var/lib/dkms/mok.pub";
  const StepPlan plan = host_.plan(*secure_);
  EXPECT_EQ(plan.state, StepState::kOk);
  EXPECT_THAT(plan.notes, Contains(HasSubstr("--test-key")));
}

TEST_F(KernelSteps, ReadyMadeModulesNeedTheirMakersKey) {
  host_.facts.secure_boot.state = facts::SecureBoot::kOn;
  host_.facts.secure_boot.enforces_signatures = true;
  // DKMS's own key has nothing to do with it.
  host_.facts.secure_boot.mok_certificate = "/var/lib/dkms/mok.pub";
  host_.facts.secure_boot.is_mok_enrolled = true;
  host_.spec.driver.source = DriverSource::kPrecompiled;
  const StepPlan plan = host_.plan(*secure_);
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.why, HasSubstr("NVIDIA signed the modules"));
  EXPECT_THAT(plan.fix, HasSubstr("NVIDIA2019-public_key.der"));
  EXPECT_THAT(plan.fix, HasSubstr("route: signed"));
  // The owner's word.
  host_.spec.driver.secure_boot = SecureBootRoute::kSigned;
  const StepPlan said = host_.plan(*secure_);
  EXPECT_EQ(said.state, StepState::kOk) << said.why;
  EXPECT_THAT(said.notes, testing::Contains(HasSubstr("owner's word")));
  // Nowhere to enrol it.
  host_.facts.secure_boot.state = facts::SecureBoot::kAbsent;
  EXPECT_EQ(host_.plan(*secure_).state, StepState::kBlocked);
}

TEST_F(KernelSteps, UbuntusOwnModulesAreSigned) {
  be_ubuntu("6.8.0-45-generic");
  host_.facts.secure_boot.state = facts::SecureBoot::kOn;
  host_.spec.driver.secure_boot = SecureBootRoute::kSigned;
  const StepPlan built = host_.plan(*secure_);
  EXPECT_EQ(built.state, StepState::kBlocked);
  EXPECT_THAT(built.fix, HasSubstr("source: distro"));
  host_.spec.driver.source = DriverSource::kDistribution;
  EXPECT_EQ(host_.plan(*secure_).state, StepState::kOk);
}

TEST_F(KernelSteps, SusesSignedModulesAreSomebodyElsesToInstall) {
  host_.facts.os.id = "sles";
  host_.facts.os.id_like = {"suse"};
  host_.facts.os.version_id = "15.6";
  host_.facts.secure_boot.state = facts::SecureBoot::kOn;
  host_.spec.driver.secure_boot = SecureBootRoute::kSigned;
  const StepPlan plan = host_.plan(*secure_);
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.fix, HasSubstr("say `source: preinstalled`"));
  EXPECT_THAT(plan.fix, testing::Not(HasSubstr("source: distro")));
}

TEST_F(KernelSteps, WhatMakesAKeyIsNamedWithWhereItIs) {
  host_.facts.secure_boot.state = facts::SecureBoot::kOn;
  EXPECT_THAT(host_.plan(*secure_).fix,
              HasSubstr("out of EPEL, which `gpunode apply --only "
                        "prep.repositories` sets up, dkms, `dkms "
                        "generate_mok`"));
  be_ubuntu("6.8.0-45-generic");
  EXPECT_THAT(host_.plan(*secure_).fix, testing::Not(HasSubstr("EPEL")));
}

TEST_F(KernelSteps, SignaturesWithoutSecureBootHaveNoKeyToEnrol) {
  host_.facts.secure_boot.enforces_signatures = true;
  const StepPlan plan = host_.plan(*secure_);
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.why, HasSubstr("module.sig_enforce"));
}

}  // namespace
}  // namespace gpunode::provision
