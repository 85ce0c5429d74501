// What becomes of disks at paths that SELinux's policy does not know.
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/steps/storage/storage.h"
#include "node/provision/steps/trial_host.h"

namespace gpunode::provision {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kRules =
    "/etc/selinux/targeted/contexts/files/file_contexts.subs";
constexpr const char* kContainers = "system_u:object_r:container_var_lib_t:s0";
constexpr const char* kUnknown = "system_u:object_r:default_t:s0";

StorageSpec entry(const std::string& path,
                  const std::vector<std::string>& users) {
  StorageSpec entry;
  entry.id = "disk";
  entry.label = "gn-disk";
  entry.path = path;
  entry.users = users;
  return entry;
}

/// A host of RHEL's kin with a disk to be mounted at the entry's path.
TrialHost host_for(const StorageSpec& entry) {
  TrialHost host;
  host.spec.storage = {entry};
  host.facts.machine.selinux = true;
  host.facts.files["/etc/machine-id"].content = "aabb\n";
  host.facts.files["/etc/selinux/config"].content =
      "# SELINUXTYPE= can take one of\nSELINUX=enforcing\n"
      "SELINUXTYPE=targeted\n";
  host.facts.trees[entry.path].selinux_policy_label = kUnknown;
  host.facts.trees["/var/lib/containerd"].selinux_policy_label = kContainers;
  host.facts.trees["/var/lib/kubelet"].selinux_policy_label =
      "system_u:object_r:container_file_t:s0";
  for (const std::string& user : entry.users) {
    host.facts.units[user] = {"not-found", "inactive", ""};
  }
  return host;
}

StepPlan plan_mount(const TrialHost& host) {
  return host.plan(*make_storage_mount(host.spec.storage.back()));
}

StepPlan plan_label(const TrialHost& host) {
  return host.plan(*make_storage_label(host.spec.storage.back()));
}

/// What is written to the file of rules, "" if nothing is.
std::string rules_in(const StepPlan& plan) {
  for (const Action& action : plan.actions) {
    const auto* write = std::get_if<WriteFile>(&action);
    if (write != nullptr &&
        write->path.find("file_contexts") != std::string::npos) {
      EXPECT_EQ(write->path, kRules);
      return write->content;
    }
  }
  return "";
}

TEST(StoragePathRule, AnEnginesDiskElsewhereIsLabelledAsAtItsHome) {
  TrialHost host = host_for(entry("/data", {"containerd.service"}));
  const StepPlan plan = plan_mount(host);
  EXPECT_EQ(rules_in(plan), "/data /var/lib/containerd\n");
  // The rule is there when the labels are given.
  std::size_t rule = 0;
  std::size_t relabel = 0;
  for (std::size_t i = 0; i < plan.actions.size(); ++i) {
    const auto* write = std::get_if<WriteFile>(&plan.actions[i]);
    if (write != nullptr && write->path == kRules) rule = i + 1;
    const auto* run = std::get_if<RunProgram>(&plan.actions[i]);
    if (run != nullptr && run->argv.front() == "/usr/bin/find") relabel = i + 1;
  }
  EXPECT_GT(rule, 0U);
  EXPECT_GT(relabel, rule);
}

TEST(StoragePathRule, OthersRulesStayAndOneForThePathIsEnough) {
  TrialHost host = host_for(entry("/data", {"kubelet.service"}));
  host.facts.files[kRules].content = "/srv/www /var/www";
  EXPECT_EQ(rules_in(plan_mount(host)),
            "/srv/www /var/www\n/data /var/lib/kubelet\n");
  host.facts.files[kRules].content = "/data /somewhere/else\n";
  EXPECT_EQ(rules_in(plan_mount(host)), "");
}

TEST(StoragePathRule, APathThatThePolicyKnowsNeedsNone) {
  TrialHost known = host_for(entry("/data", {"containerd.service"}));
  known.facts.trees["/data"].selinux_policy_label = kContainers;
  EXPECT_EQ(rules_in(plan_mount(known)), "");
  // /var/log/pods, used by the kubelet, has a type of its own.
  TrialHost logs = host_for(entry("/var/log/pods", {"kubelet.service"}));
  logs.facts.trees["/var/log/pods"].selinux_policy_label =
      "system_u:object_r:container_log_t:s0";
  EXPECT_EQ(rules_in(plan_mount(logs)), "");
  TrialHost home =
      host_for(entry("/var/lib/containerd", {"containerd.service"}));
  home.facts.trees["/var/lib/containerd"].selinux_policy_label =
      "system_u:object_r:var_lib_t:s0";
  EXPECT_EQ(rules_in(plan_mount(home)), "");
  TrialHost without = host_for(entry("/data", {"containerd.service"}));
  without.facts.machine.selinux = false;
  EXPECT_EQ(rules_in(plan_mount(without)), "");
}

TEST(StoragePathRule, WhereNobodyIsNamedAPersonIsTold) {
  const TrialHost host = host_for(entry("/data", {"database.service"}));
  const StepPlan plan = plan_mount(host);
  EXPECT_EQ(rules_in(plan), "");
  EXPECT_EQ(plan.state, StepState::kChange);
  EXPECT_THAT(
      plan.notes,
      ElementsAre(HasSubstr("policy has only default_t for /data: confined")));
}

TEST(StoragePathRule, AnUnknownPolicyIsToldWithTheCommand) {
  for (const char* config : {"SELINUXTYPE=own\n", "", "SELINUXTYPE=../x\n"}) {
    TrialHost host = host_for(entry("/data", {"containerd.service"}));
    host.facts.files["/etc/selinux/config"].content = config;
    const StepPlan plan = plan_mount(host);
    EXPECT_EQ(rules_in(plan), "");
    EXPECT_THAT(plan.notes,
                ElementsAre(HasSubstr("`semanage fcontext -a -e "
                                      "/var/lib/containerd /data`")));
  }
}

TEST(StoragePathRule, TwoEntriesOfOneFileKeepEachOthers) {
  StorageSpec first = entry("/data", {"containerd.service"});
  first.id = "first";
  TrialHost host = host_for(first);
  host.spec.storage.push_back(entry("/pods", {"kubelet.service"}));
  host.facts.trees["/pods"].selinux_policy_label = kUnknown;
  host.facts.units["kubelet.service"] = {"not-found", "inactive", ""};
  EXPECT_EQ(rules_in(host.plan(*make_storage_mount(first))),
            "/data /var/lib/containerd\n");
  EXPECT_EQ(rules_in(plan_mount(host)),
            "/data /var/lib/containerd\n/pods /var/lib/kubelet\n");
}

// A disk that was mounted before there was a rule, or whose rule went.
TEST(StoragePathRule, WhatIsMountedAlreadyGetsItAndItsLabels) {
  TrialHost host = host_for(entry("/data", {"containerd.service"}));
  facts::TreeFacts& tree = host.facts.trees["/data"];
  tree = {true, true, true, 0, kUnknown, kUnknown};
  const StepPlan plan = plan_label(host);
  EXPECT_EQ(rules_in(plan), "/data /var/lib/containerd\n");
  EXPECT_TRUE(std::holds_alternative<RunProgram>(plan.actions.back()));
  EXPECT_THAT(plan.why, HasSubstr("the policy says system_u:object_r:"
                                  "container_var_lib_t"));
  // Labelled by hand: the rule alone is lacking, and the labels stay.
  tree.selinux_label = kContainers;
  const StepPlan rule = plan_label(host);
  EXPECT_EQ(rules_in(rule), "/data /var/lib/containerd\n");
  EXPECT_THAT(rule.actions, testing::SizeIs(1));
  // As the policy answers once the rule is there.
  host.facts.files[kRules].content = rules_in(rule);
  tree.selinux_policy_label = kContainers;
  EXPECT_EQ(plan_label(host).state, StepState::kOk);
}

}  // namespace
}  // namespace gpunode::provision
