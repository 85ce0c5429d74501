// prep.proxy: what it writes, for whom, and that passwords stay unseen.
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/plan_text.h"
#include "node/provision/run_json.h"
#include "node/provision/steps/steps.h"
#include "node/provision/steps/trial_host.h"

namespace gpunode::provision {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr const char* kEnvironment = "/etc/gpunode/proxy.env";
constexpr const char* kContainerd =
    "/etc/systemd/system/containerd.service.d/10-gpunode-proxy.conf";

struct ProxyHost : TrialHost {
  ProxyHost() { spec.proxy.http = "http://proxy.example:3128"; }

  StepPlan proxy_plan() const { return plan(*make_prep_proxy()); }
  void runs(const char* unit) {
    facts.units[unit] = {"loaded", "active", "enabled"};
  }
};

std::vector<std::string> restarted(const StepPlan& plan) {
  std::vector<std::string> units;
  for (const Action& action : plan.actions) {
    const auto* unit = std::get_if<SetUnit>(&action);
    if (unit != nullptr && unit->restart) units.push_back(unit->unit);
  }
  return units;
}

TEST(PrepProxy, IsNotWantedWithoutOne) {
  const TrialHost host;
  EXPECT_EQ(host.plan(*make_prep_proxy()).state, StepState::kNotWanted);
}

TEST(PrepProxy, IsThereBeforeContainerdAndKubeletAreInstalled) {
  ProxyHost host;
  host.spec.proxy.https = "http://proxy.example:3129";
  host.spec.proxy.none = "10.0.0.0/8,.internal";
  const StepPlan plan = host.proxy_plan();
  EXPECT_EQ(plan.state, StepState::kChange);
  ASSERT_THAT(plan.actions, SizeIs(3));
  const auto& environment = std::get<WriteFile>(plan.actions[0]);
  EXPECT_EQ(environment.path, kEnvironment);
  EXPECT_EQ(environment.mode, 0U);
  EXPECT_THAT(environment.content,
              AllOf(HasSubstr("\nHTTP_PROXY=\"http://proxy.example:3128\"\n"),
                    HasSubstr("\nHTTPS_PROXY=\"http://proxy.example:3129\"\n"),
                    HasSubstr("\nNO_PROXY=\"localhost,127.0.0.0/8,::1,"),
                    HasSubstr(",10.0.0.0/8,.internal\"\n")));
  const auto& drop_in = std::get<WriteFile>(plan.actions[1]);
  EXPECT_EQ(drop_in.path, kContainerd);
  EXPECT_THAT(
      drop_in.content,
      HasSubstr("\n[Service]\nEnvironmentFile=-/etc/gpunode/proxy.env\n"));
  host.carry_out(plan);
  EXPECT_EQ(host.proxy_plan().state, StepState::kOk);
}

TEST(PrepProxy, StartsAnewWhatRunsAndNothingElse) {
  ProxyHost host;
  host.runs("containerd.service");
  host.runs("crio.service");
  host.facts.units["kubelet.service"] = {"loaded", "inactive", "enabled"};
  StepPlan plan = host.proxy_plan();
  EXPECT_THAT(restarted(plan),
              testing::ElementsAre("containerd.service", "crio.service"));
  host.carry_out(plan);
  plan = host.proxy_plan();
  EXPECT_EQ(plan.state, StepState::kOk) << plan.why;
  // Another address: all that run have the old one.
  host.spec.proxy.http = "http://other.example:3128";
  plan = host.proxy_plan();
  EXPECT_THAT(restarted(plan), SizeIs(2));
}

TEST(PrepProxy, WhatWasCutOffBeforeTheRestartIsEnded) {
  ProxyHost host;
  host.carry_out(host.proxy_plan());
  host.runs("containerd.service");
  EXPECT_EQ(host.proxy_plan().state, StepState::kOk);
  host.history.unsettled[kEnvironment] = "prep.proxy";
  const StepPlan plan = host.proxy_plan();
  EXPECT_EQ(plan.state, StepState::kChange);
  EXPECT_THAT(restarted(plan), testing::ElementsAre("containerd.service"));
}

TEST(PrepProxy, AChangeByHandIsDrift) {
  ProxyHost host;
  host.carry_out(host.proxy_plan());
  host.facts.files[kEnvironment].content = "HTTP_PROXY=http://mine\n";
  EXPECT_EQ(host.proxy_plan().state, StepState::kDrift);
}

TEST(PrepProxy, GoesWhenItIsNoLongerAskedFor) {
  ProxyHost host;
  host.runs("kubelet.service");
  host.carry_out(host.proxy_plan());
  host.spec.proxy = {};
  const StepPlan plan = host.proxy_plan();
  EXPECT_EQ(plan.state, StepState::kChange);
  EXPECT_THAT(plan.actions, SizeIs(4));
  EXPECT_THAT(restarted(plan), testing::ElementsAre("kubelet.service"));
  host.carry_out(plan);
  EXPECT_EQ(host.proxy_plan().state, StepState::kNotWanted);
}

TEST(PrepProxy, APasswordIsForRootAloneAndIsNotShown) {
  ProxyHost host;
  host.spec.proxy.http = "http://me:s3cr%40t$x@proxy.example:3128";
  const StepPlan plan = host.proxy_plan();
  const auto& environment = std::get<WriteFile>(plan.actions.at(0));
  EXPECT_EQ(environment.mode, 0600U);
  EXPECT_THAT(environment.content, HasSubstr("s3cr%40t\\$x@"));
  Plan whole;
  whole.steps.push_back({"prep.proxy", "title", "reason", plan});
  const std::string page =
      plan_page(whole, {.all = true, .diffs = true, .forecasts = {}})
          .render({});
  EXPECT_THAT(page, AllOf(HasSubstr("http://***@proxy.example:3128"),
                          Not(HasSubstr("s3cr"))));
  std::string lines;
  const SystemClock clock;
  RunJson json([&](const std::string& line) { lines += line; }, clock);
  json.plan(whole, {});
  EXPECT_THAT(lines, AllOf(HasSubstr("http://***@proxy.example:3128"),
                           Not(HasSubstr("s3cr"))));
  // The plan that is kept is the whole.
  EXPECT_THAT(plan_file(whole), HasSubstr("s3cr"));
}

TEST(PrepProxy, AFileWithAPasswordThatOthersMayReadIsClosed) {
  ProxyHost host;
  host.spec.proxy.http = "http://me:secret@proxy.example:3128";
  host.carry_out(host.proxy_plan());
  EXPECT_EQ(host.proxy_plan().state, StepState::kOk);
  host.facts.files[kEnvironment].mode = 0644;
  const StepPlan plan = host.proxy_plan();
  EXPECT_EQ(plan.state, StepState::kChange);
  EXPECT_EQ(std::get<WriteFile>(plan.actions.at(0)).mode, 0600U);
  host.carry_out(plan);
  EXPECT_EQ(host.proxy_plan().state, StepState::kOk);
}

}  // namespace
}  // namespace gpunode::provision
