// storage.<id>.boot, users and label: what a boot does with the disk.

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/steps/storage/storage_host.h"

namespace gpunode::provision {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(StorageBoot, AllOfADiskIsReadWithoutALimit) {
  TrialHost host = g5();
  StorageSpec reformat = entry();
  reformat.on_boot_blank = OnBootBlank::kReformat;
  reformat.select.full_proof = true;
  const StepPlan plan = host.plan(*make_storage_boot(reformat));
  EXPECT_THAT(std::get<WriteFile>(plan.actions.at(0)).content,
              HasSubstr("TimeoutStartSec=infinity"));
}

TEST(StorageUsers, DoNotStartWithoutTheMount) {
  TrialHost host = g5();
  const StepPlan plan = host.plan(*make_storage_users(entry()));
  EXPECT_THAT(words(plan),
              ElementsAre("write /etc/systemd/system/containerd.service.d/"
                          "10-gpunode-containerd.conf",
                          "write /etc/systemd/system/kubelet.service.d/"
                          "10-gpunode-containerd.conf"));
  EXPECT_THAT(std::get<WriteFile>(plan.actions.at(0)).content,
              HasSubstr("RequiresMountsFor=/var/lib/containerd\n"));
  host.carry_out(plan);
  EXPECT_EQ(host.plan(*make_storage_users(entry())).state, StepState::kOk);
}

TEST(StorageBoot, MakesABlankDiskAnewBeforeItsMount) {
  TrialHost host = g5();
  EXPECT_EQ(host.plan(*make_storage_boot(entry())).state,
            StepState::kNotWanted);
  StorageSpec reformat = entry();
  reformat.on_boot_blank = OnBootBlank::kReformat;
  const StepPlan plan = host.plan(*make_storage_boot(reformat));
  const auto& unit = std::get<WriteFile>(plan.actions.at(0)).content;
  EXPECT_THAT(unit, HasSubstr("Before=var-lib-containerd.mount"));
  EXPECT_THAT(unit, HasSubstr("--blank-only --run-wait=600 "
                              "--ignore-preflight=all "
                              "--only=storage.containerd.disk "
                              "/etc/gpunode/node.yaml\n"));
  // A oneshot has none of its own, and a disk may not answer.
  EXPECT_THAT(unit, HasSubstr("\nTimeoutStartSec=15min\n"));
  host.spec.program.clear();
  EXPECT_EQ(host.plan(*make_storage_boot(reformat)).state, StepState::kBlocked);
}

TEST(StorageBoot, ThoseOfSeveralEntriesRunOneAfterTheOther) {
  TrialHost host = g5();
  StorageSpec first = entry();
  first.on_boot_blank = OnBootBlank::kReformat;
  StorageSpec other = first;
  other.id = "logs";
  other.on_boot_blank = OnBootBlank::kFail;
  StorageSpec last = first;
  last.id = "scratch";
  host.spec.storage = {first, other, last};
  const auto unit_of = [&](const StorageSpec& one) {
    const StepPlan plan = host.plan(*make_storage_boot(one));
    return std::get<WriteFile>(plan.actions.at(0)).content;
  };
  EXPECT_THAT(unit_of(first), HasSubstr("After=systemd-udev-settle.service "
                                        "systemd-remount-fs.service\n"));
  EXPECT_THAT(unit_of(last), HasSubstr("After=systemd-udev-settle.service "
                                       "systemd-remount-fs.service "
                                       "gpunode-storage-containerd.service\n"));
}

TEST(StorageBoot, TheFilesPathIsOneWordOfTheUnit) {
  TrialHost host = g5();
  host.spec.path = "/etc/gpunode/50% of it.yaml";
  StorageSpec reformat = entry();
  reformat.on_boot_blank = OnBootBlank::kReformat;
  const StepPlan plan = host.plan(*make_storage_boot(reformat));
  EXPECT_THAT(std::get<WriteFile>(plan.actions.at(0)).content,
              HasSubstr(" \"/etc/gpunode/50%% of it.yaml\"\n"));
}

TEST(StorageLabel, IsWhatThePolicySaysWhoeverMadeIt) {
  TrialHost host = g5();
  host.facts.machine.selinux = true;
  facts::TreeFacts& tree = host.facts.trees["/var/lib/containerd"];
  tree = {true,
          true,
          true,
          0,
          "system_u:object_r:var_lib_t:s0",
          "system_u:object_r:container_var_lib_t:s0"};
  const StepPlan plan = host.plan(*make_storage_label(entry()));
  EXPECT_THAT(words(plan), ElementsAre(kRelabel));
  EXPECT_THAT(plan.why, HasSubstr("container_var_lib_t"));
  tree.selinux_label = "unconfined_u:object_r:container_var_lib_t:s0";
  EXPECT_EQ(host.plan(*make_storage_label(entry())).state, StepState::kOk);
}

TEST(StorageLabel, OfADiskMadeAnewAtBootIsThereBeforeItsUsers) {
  TrialHost host = g5();
  host.facts.machine.selinux = true;
  StorageSpec reformat = entry();
  reformat.on_boot_blank = OnBootBlank::kReformat;
  const StepPlan plan = host.plan(*make_storage_label(reformat));
  ASSERT_THAT(words(plan),
              ElementsAre("write /etc/systemd/system/"
                          "gpunode-label-containerd.service",
                          "enable gpunode-label-containerd.service"));
  const auto& unit = std::get<WriteFile>(plan.actions.at(0)).content;
  EXPECT_THAT(unit, HasSubstr("\nAfter=var-lib-containerd.mount\n"
                              "Before=containerd.service"));
  EXPECT_THAT(unit, HasSubstr("WantedBy=var-lib-containerd.mount\n"));
  EXPECT_THAT(unit, HasSubstr("/sbin/restorecon /var/lib/containerd\n"));
  EXPECT_THAT(unit, HasSubstr("\nTimeoutStartSec=5min\n"));
  host.carry_out(plan);
  EXPECT_EQ(host.plan(*make_storage_label(reformat)).state, StepState::kOk);
}

TEST(StorageLabel, IsAskedForWhereAPolicyIsLoadedThoughItOnlyWarns) {
  TrialHost host = g5();
  EXPECT_EQ(host.plan(*make_storage_label(entry())).state,
            StepState::kNotWanted);
  host.facts.machine.selinux = true;
  // Not mounted yet: storage.containerd.mount labels what it mounts.
  EXPECT_EQ(host.plan(*make_storage_label(entry())).state, StepState::kOk);
  host.facts.trees["/var/lib/containerd"] = {true, true, true, 0,
                                             "system_u:object_r:unlabeled_t"};
  EXPECT_THAT(words(host.plan(*make_storage_label(entry()))),
              ElementsAre(kRelabel));
  host.facts.trees["/var/lib/containerd"].selinux_label =
      "system_u:object_r:container_var_lib_t:s0";
  EXPECT_EQ(host.plan(*make_storage_label(entry())).state, StepState::kOk);
}

}  // namespace
}  // namespace gpunode::provision
