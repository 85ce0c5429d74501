#include "node/diagnose/node_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::diagnose {
namespace {

using std::chrono::days;
using std::chrono::seconds;
using std::chrono::sys_seconds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Gravity = CheckFinding::Gravity;

constexpr sys_seconds kNow{seconds(1'800'000'000)};

CheckRules rules() {
  CheckRules made;
  made.now = kNow;
  return made;
}

/// One of a year's validity that ends so long from now.
facts::CertificateFacts ending_in(seconds left) {
  facts::CertificateFacts one;
  one.path = "/var/lib/kubelet/pki/kubelet-client-current.pem";
  one.not_after = kNow + left;
  one.not_before = one.not_after - days(365);
  return one;
}

NodeLook with_step(StepStand stand) {
  NodeLook look;
  look.plan.exists = true;
  look.plan.steps = {{"prep.modules", "modules are loaded"},
                     {"prep.swap", "swap is off", stand, "it is on", "do it"}};
  return look;
}

NodeLook with_kernels(const std::string& next) {
  NodeLook look;
  look.kernels.running = "6.1.0-9";
  look.kernels.running_module = "/lib/modules/6.1.0-9/extra/nvidia.ko";
  look.kernels.next = {next, "the newest"};
  return look;
}

std::vector<std::string> reasons_of(const NodeLook& look) {
  std::vector<std::string> reasons;
  for (const auto& one : check_node(look, rules())) {
    reasons.push_back(one.reason);
    EXPECT_FALSE(one.finding.next.empty()) << one.reason;
    EXPECT_FALSE(one.finding.check.empty()) << one.reason;
  }
  return reasons;
}

TEST(NodeCheck, AHostOfWhichNothingIsKnownHasNothingToTell) {
  EXPECT_THAT(check_node({}, rules()), IsEmpty());
}

TEST(NodeCheck, WhatIsNotAsTheFileSaysIsTold) {
  EXPECT_THAT(reasons_of(with_step(StepStand::kAsDeclared)), IsEmpty());
  EXPECT_THAT(reasons_of(with_step(StepStand::kNotWanted)), IsEmpty());
  EXPECT_THAT(reasons_of(with_step(StepStand::kDrift)),
              ::testing::ElementsAre("Drift"));
  for (const StepStand stand :
       {StepStand::kToDo, StepStand::kBlocked, StepStand::kRefused}) {
    EXPECT_THAT(reasons_of(with_step(stand)),
                ::testing::ElementsAre("NotAsDeclared"));
  }
  const auto found = check_node(with_step(StepStand::kDrift), rules());
  EXPECT_THAT(found[0].finding.what, HasSubstr("prep.swap"));
  EXPECT_THAT(found[0].finding.what, HasSubstr("it is on"));
  EXPECT_EQ(check_node(with_step(StepStand::kBlocked), rules())[0].finding.next,
            "do it");
}

TEST(NodeCheck, WhatARunHasYetToDoIsNoNewsWhileItLasts) {
  NodeLook look = with_step(StepStand::kToDo);
  look.plan.is_pending = true;
  EXPECT_THAT(reasons_of(look), ::testing::ElementsAre("RunPending"));
  look = with_step(StepStand::kDrift);
  look.plan.is_pending = true;
  EXPECT_THAT(reasons_of(look), ::testing::ElementsAre("RunPending", "Drift"));
}

TEST(NodeCheck, APlanThatCannotBeMadeIsTold) {
  NodeLook look;
  look.plan.exists = true;
  look.plan.problem = "node.yaml has 2 problems";
  EXPECT_THAT(reasons_of(look), ::testing::ElementsAre("PlanUnknown"));
}

TEST(NodeCheck, AKernelWithoutItsModuleIsBad) {
  NodeLook look = with_kernels("6.1.0-18");
  const auto found = check_node(look, rules());
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].reason, "KernelWithoutModule");
  EXPECT_EQ(found[0].gravity, Gravity::kBad);
  EXPECT_THAT(found[0].finding.what, HasSubstr("6.1.0-18"));
  EXPECT_THAT(found[0].finding.next, HasSubstr("-k 6.1.0-18"));
  // Loaded, and its file is gone already.
  look.kernels.running_module.clear();
  look.kernels.is_loaded = true;
  EXPECT_THAT(reasons_of(look), ::testing::ElementsAre("KernelWithoutModule"));
}

// An update that was booted into: the GPUs are gone already.
TEST(NodeCheck, ARunningKernelWithoutTheModuleThatAnotherHasIsBad) {
  NodeLook look = with_kernels("6.1.0-9");
  look.kernels.running_module.clear();
  look.kernels.other_with_module = "6.1.0-8";
  const auto found = check_node(look, rules());
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].reason, "KernelWithoutModule");
  EXPECT_EQ(found[0].gravity, Gravity::kBad);
  EXPECT_THAT(found[0].finding.what, HasSubstr("6.1.0-9 runs"));
  EXPECT_THAT(found[0].finding.what, HasSubstr("6.1.0-8 has one"));
  EXPECT_THAT(found[0].finding.next, HasSubstr("-k 6.1.0-9"));
  // The next one is as bad, and another: both are told.
  look.kernels.next.release = "6.1.0-10";
  EXPECT_THAT(reasons_of(look), SizeIs(2));
  look.kernels.next_module = "/lib/modules/6.1.0-10/extra/nvidia.ko";
  EXPECT_THAT(reasons_of(look), SizeIs(1));
  // Of a host that is mounted elsewhere none runs.
  look.kernels.running.clear();
  EXPECT_THAT(reasons_of(look), IsEmpty());
}

TEST(NodeCheck, ALoadedModuleWhoseFileIsGoneIsBadForTheSameKernelToo) {
  NodeLook look = with_kernels("6.1.0-9");
  look.kernels.running_module.clear();
  look.kernels.is_loaded = true;
  EXPECT_THAT(reasons_of(look), ::testing::ElementsAre("KernelWithoutModule"));
  // A container brings it to whatever kernel starts.
  look.kernels.is_of_container = true;
  EXPECT_THAT(reasons_of(look), IsEmpty());
}

TEST(NodeCheck, WhereTheNextIsNotKnownOneThatMayBeItIsWarnedOf) {
  NodeLook look = with_kernels("");
  look.kernels.next.why = "GRUB_DEFAULT is \"1>2\"";
  look.kernels.without_module = {"6.1.0-18", "6.1.0-20"};
  const auto found = check_node(look, rules());
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].reason, "KernelWithoutModule");
  EXPECT_EQ(found[0].gravity, Gravity::kWarning);
  EXPECT_THAT(found[0].finding.what, HasSubstr("6.1.0-18, 6.1.0-20"));
  EXPECT_THAT(found[0].finding.what, HasSubstr("1>2"));
  EXPECT_THAT(found[0].finding.next, HasSubstr("-k 6.1.0-18"));
}

TEST(NodeCheck, AKernelIsFineThatHasItOrIsOfNoNode) {
  NodeLook look = with_kernels("6.1.0-18");
  look.kernels.next_module = "/lib/modules/6.1.0-18/extra/nvidia.ko";
  EXPECT_THAT(reasons_of(look), IsEmpty());
  look = with_kernels("6.1.0-9");
  look.kernels.next_module = look.kernels.running_module;
  EXPECT_THAT(reasons_of(look), IsEmpty());
  EXPECT_THAT(reasons_of(with_kernels("")), IsEmpty());
  // No driver yet: the kernel is as good as this one.
  look = with_kernels("6.1.0-18");
  look.kernels.running_module.clear();
  EXPECT_THAT(reasons_of(look), IsEmpty());
}

TEST(NodeCheck, CertificatesAreToldOfAMonthBeforeTheyEnd) {
  const auto reasons = [](const facts::CertificateFacts& one) {
    NodeLook look;
    look.certificates = {one};
    return reasons_of(look);
  };
  EXPECT_THAT(reasons(ending_in(days(30))), IsEmpty());
  EXPECT_THAT(reasons(ending_in(days(30) - seconds(1))),
              ::testing::ElementsAre("CertificateExpiring"));
  EXPECT_THAT(reasons(ending_in(seconds(0))),
              ::testing::ElementsAre("CertificateExpiring"));
  EXPECT_THAT(reasons(ending_in(seconds(-1))),
              ::testing::ElementsAre("CertificateExpired"));
  facts::CertificateFacts broken = ending_in(days(300));
  broken.error = "permission denied";
  EXPECT_THAT(reasons(broken), ::testing::ElementsAre("CertificateUnreadable"));
}

// A signer of a day's certificates: the kubelet renews at seven to nine tenths.
TEST(NodeCheck, AShortCertificateIsNotToldOfAllItsLife) {
  const auto reasons = [](seconds left) {
    NodeLook look;
    look.certificates = {ending_in(left)};
    look.certificates[0].not_before =
        look.certificates[0].not_after - std::chrono::hours(24);
    return reasons_of(look);
  };
  EXPECT_THAT(reasons(std::chrono::hours(3)), IsEmpty());
  EXPECT_THAT(reasons(std::chrono::hours(2)),
              ::testing::ElementsAre("CertificateExpiring"));
}

TEST(NodeCheck, EachCertificateHasItsOwnRemedy) {
  std::set<std::string> remedies;
  for (const char* path :
       {"/var/lib/kubelet/pki/kubelet-client-current.pem",
        "/var/lib/kubelet/pki/kubelet.crt", "/etc/kubernetes/pki/ca.crt",
        "/etc/kubernetes/pki/apiserver.crt"}) {
    NodeLook look;
    look.certificates = {ending_in(seconds(-1))};
    look.certificates[0].path = path;
    const auto found = check_node(look, rules());
    ASSERT_THAT(found, SizeIs(1));
    EXPECT_THAT(found[0].finding.what, HasSubstr(path));
    remedies.insert(found[0].finding.next);
  }
  EXPECT_THAT(remedies, SizeIs(4));
}

TEST(NodeCheck, DaysAreWholeAndGoBelowZero) {
  EXPECT_EQ(days_left(ending_in(days(2) - seconds(1)), kNow), 1);
  EXPECT_EQ(days_left(ending_in(seconds(-1)), kNow), -1);
  facts::CertificateFacts last;
  last.not_after = sys_seconds(seconds(253402300799));
  EXPECT_GT(days_left(last, kNow), 2'900'000);
}

TEST(NodeCheck, TheGravestGivesTheConditionItsReason) {
  NodeLook look = with_kernels("6.1.0-18");
  look.plan = with_step(StepStand::kDrift).plan;
  look.certificates = {ending_in(days(3))};
  const auto condition = condition_of(check_node(look, rules()));
  EXPECT_EQ(condition.status, kube::NodeCondition::Status::kTrue);
  EXPECT_EQ(condition.type, "GpuNodeNeedsAttention");
  EXPECT_EQ(condition.reason, "KernelWithoutModule");
  EXPECT_THAT(condition.message, HasSubstr("prep.swap"));
  EXPECT_THAT(condition.message, HasSubstr("expires in 3 days"));
  const auto none = condition_of({});
  EXPECT_EQ(none.status, kube::NodeCondition::Status::kFalse);
  EXPECT_EQ(none.reason, "AsDeclared");
}

TEST(NodeCheck, AKubeletsNameIsItsNodes) {
  EXPECT_EQ(node_of_kubelet("system:node:gpu-1.example"), "gpu-1.example");
  EXPECT_EQ(node_of_kubelet("kubernetes-admin"), "");
  EXPECT_EQ(node_of_kubelet(""), "");
}

}  // namespace
}  // namespace gpunode::diagnose
