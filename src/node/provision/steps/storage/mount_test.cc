// storage.<id>.mount: the disk at its place, with what was there.

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/steps/storage/storage_host.h"
#include "node/provision/storage_choice.h"

namespace gpunode::provision {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(StorageMount, TwoLinesOfFstabBothStay) {
  TrialHost host = g5();
  StorageSpec second = entry();
  second.id = "logs";
  second.path = "/var/log/pods";
  host.spec.storage.front().via = MountVia::kFstab;
  second.via = MountVia::kFstab;
  host.spec.storage.push_back(second);
  host.facts.files["/etc/fstab"].content = "UUID=1 / xfs defaults 0 0\n";
  const StepPlan plan = host.plan(*make_storage_mount(second));
  const auto& fstab = std::get<WriteFile>(plan.actions.at(1)).content;
  EXPECT_THAT(fstab, HasSubstr(" /var/lib/containerd "));
  EXPECT_THAT(fstab, HasSubstr(" /var/log/pods "));
}

StepPlan plan_mount(const TrialHost& host) {
  return host.plan(*make_storage_mount(host.spec.storage.front()));
}

TEST(StorageMount, AUnitByUuidThatABootDoesNotWaitFor) {
  TrialHost host = g5();
  const StepPlan plan = plan_mount(host);
  EXPECT_THAT(words(plan),
              ElementsAre("write /etc/systemd/system/var-lib-containerd.mount",
                          "enable var-lib-containerd.mount",
                          "start var-lib-containerd.mount"));
  const auto& unit = std::get<WriteFile>(plan.actions.at(0)).content;
  EXPECT_THAT(unit, HasSubstr("What=/dev/disk/by-uuid/" +
                              storage_uuid("aabb\n", "containerd")));
  EXPECT_THAT(unit, HasSubstr("WantedBy=local-fs.target"));
  EXPECT_THAT(unit, HasSubstr("AssertPathExists=!/var/lib/gpunode/"));
  EXPECT_THAT(unit, HasSubstr("Options=noatime\n"));
}

TEST(StorageMount, ThroughASymbolicLinkNothingIsMounted) {
  TrialHost host = g5();
  host.facts.trees["/var/lib/containerd"].link = "/var/lib/containerd";
  const StepPlan plan = plan_mount(host);
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.actions, IsEmpty());
  EXPECT_THAT(plan.why, HasSubstr("/var/lib/containerd is a symbolic link"));
  EXPECT_THAT(plan.fix, HasSubstr("realpath"));
}

TEST(StorageMount, ALinkThatLeadsNowhereIsNotWrittenOver) {
  TrialHost host = g5();
  host.facts.files["/etc/systemd/system/var-lib-containerd.mount"].link_target =
      "/gone.mount";
  const StepPlan plan = plan_mount(host);
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.actions, IsEmpty());
  EXPECT_THAT(plan.why, HasSubstr("a symbolic link to /gone.mount"));
}

TEST(StorageMount, NothingHidesWhatABootNeedsOfOurs) {
  TrialHost host = g5();
  host.spec.storage.front().path = "/opt/gpunode";
  host.spec.program = "/opt/gpunode-1.0/bin/gpunode";
  EXPECT_EQ(plan_mount(host).state, StepState::kChange);
  host.spec.program = "/opt/gpunode/bin/gpunode";
  EXPECT_EQ(plan_mount(host).state, StepState::kBlocked);
  EXPECT_THAT(plan_mount(host).why, HasSubstr("/opt/gpunode/bin/gpunode"));
  host.spec.program.clear();
  host.spec.path = "/opt/gpunode/node.yaml";
  EXPECT_THAT(plan_mount(host).why, HasSubstr("/opt/gpunode/node.yaml"));
}

TEST(StorageMount, AnFstabLineIsNofailPassZeroAndChecked) {
  TrialHost host = g5();
  host.spec.storage.front().via = MountVia::kFstab;
  host.facts.files["/etc/fstab"].content = "UUID=1 / xfs defaults 0 0\n";
  const StepPlan plan = plan_mount(host);
  EXPECT_THAT(std::get<WriteFile>(plan.actions.at(0)).content,
              HasSubstr("[Unit]\nRequiresMountsFor=/var/lib/gpunode\n"
                        "AssertPathExists=!/var/lib/gpunode/"));
  const auto& fstab = std::get<WriteFile>(plan.actions.at(1));
  EXPECT_THAT(fstab.content,
              testing::StartsWith("UUID=1 / xfs defaults 0 0\n"));
  EXPECT_THAT(fstab.content,
              testing::EndsWith(" /var/lib/containerd xfs noatime,nofail,"
                                "x-systemd.device-timeout=90s 0 0\n"));
  EXPECT_THAT(fstab.check,
              ElementsAre("/usr/bin/findmnt", "--verify", "--tab-file", "@"));
  EXPECT_THAT(words(plan), ElementsAre("write /etc/systemd/system/var-lib-"
                                       "containerd.mount.d/10-gpunode.conf",
                                       "write /etc/fstab",
                                       "start var-lib-containerd.mount"));
}

TEST(StorageMount, TheMountPointOfAnFstabLineIsMadeBeforeTheLineIsChecked) {
  TrialHost host = g5();
  host.spec.storage.front().via = MountVia::kFstab;
  host.facts.files["/etc/fstab"].content = "";
  host.facts.trees["/var/lib/containerd"] = {.exists = false};
  EXPECT_THAT(
      words(plan_mount(host)),
      ElementsAre(
          "write "
          "/etc/systemd/system/var-lib-containerd.mount.d/10-gpunode.conf",
          "make the directory /var/lib/containerd", "write /etc/fstab",
          "start var-lib-containerd.mount"));
}

TEST(StorageMount, SomebodyElsesLineForThePathBlocks) {
  TrialHost host = g5();
  host.spec.storage.front().via = MountVia::kFstab;
  host.facts.files["/etc/fstab"].content =
      "UUID=2 /var/lib/containerd ext4 defaults 0 0\n";
  const StepPlan plan = plan_mount(host);
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.why, HasSubstr("line 1"));
  EXPECT_THAT(plan.actions, IsEmpty());
}

TEST(StorageMount, WhatIsThereAlreadyMovesWhileItsUsersAreStopped) {
  TrialHost host = g5();
  host.spec.storage.front().existing_data = ExistingData::kMigrate;
  host.facts.trees["/var/lib/containerd"] = {true, true, false, 12, ""};
  host.facts.units["containerd.service"] = {"loaded", "active", "enabled"};
  host.facts.units["kubelet.service"] = {"loaded", "active", "enabled"};
  const StepPlan plan = plan_mount(host);
  const std::string uuid = storage_uuid("aabb\n", "containerd");
  EXPECT_THAT(words(plan),
              ElementsAre("prove that xfs " + uuid +
                              " can be mounted with "
                              "noatime",
                          "stop kubelet.service", "stop containerd.service",
                          "write /var/lib/gpunode/moving-var-lib-containerd"
                          ".mount",
                          "write /etc/systemd/system/var-lib-containerd.mount",
                          "enable var-lib-containerd.mount",
                          "migrate /var/lib/containerd",
                          "start var-lib-containerd.mount",
                          "start containerd.service", "start kubelet.service"));
}

TEST(StorageMount, OptionsAreTriedBeforeAnythingIsStopped) {
  TrialHost host = g5();
  host.facts.units["containerd.service"] = {"loaded", "active", "enabled"};
  host.spec.storage.front().options = {"noatime", "logbsize=256k"};
  const StepPlan plan = plan_mount(host);
  const auto* trial = std::get_if<ProveMount>(&plan.actions.at(0));
  ASSERT_NE(trial, nullptr);
  EXPECT_EQ(trial->uuid, storage_uuid("aabb\n", "containerd"));
  EXPECT_THAT(trial->options, ElementsAre("noatime", "logbsize=256k"));
  EXPECT_EQ(describe(plan.actions.at(1)), "stop containerd.service");
}

TEST(StorageMount, WhatMovedIsLabelledBeforeItsUsersRunAgain) {
  TrialHost host = g5();
  host.spec.storage.front().existing_data = ExistingData::kMigrate;
  host.facts.machine.selinux = true;
  host.facts.trees["/var/lib/containerd"] = {true, true, false, 12, ""};
  host.facts.units["containerd.service"] = {"loaded", "active", "enabled"};
  const auto actions = words(plan_mount(host));
  ASSERT_GE(actions.size(), 4U);
  EXPECT_THAT(std::vector(actions.end() - 4, actions.end()),
              ElementsAre("migrate /var/lib/containerd",
                          "start var-lib-containerd.mount", kRelabel,
                          "start containerd.service"));
}

// A boot between any two of these mounts nothing before the data is there, and
// finds the mount once it has gone from its old place.
TEST(StorageMount, CutOffAmidAMigrationNoBootLosesSightOfTheData) {
  for (const MountVia via : {MountVia::kUnit, MountVia::kFstab}) {
    TrialHost host = g5();
    host.spec.storage.front().via = via;
    host.spec.storage.front().existing_data = ExistingData::kMigrate;
    host.facts.trees["/var/lib/containerd"] = {true, true, false, 12, ""};
    const std::vector<Action> actions = plan_mount(host).actions;
    bool is_marked = false;
    bool is_conditional = false;
    bool is_mountable = false;
    bool has_moved = false;
    for (const Action& action : actions) {
      if (const auto* file = std::get_if<WriteFile>(&action)) {
        if (file->path.starts_with("/var/lib/gpunode/moving-")) {
          is_marked = true;
          EXPECT_FALSE(is_mountable);
        }
        is_conditional |= file->content.find("=!/var/lib/gpunode/moving-") !=
                              std::string::npos &&
                          file->content.find("=!/var/lib/gpunode/copying-") !=
                              std::string::npos;
        is_mountable |= file->path == "/etc/fstab";
      }
      const auto* unit = std::get_if<SetUnit>(&action);
      is_mountable |= unit != nullptr && unit->enabled == Wish::kYes;
      has_moved |= std::holds_alternative<MigrateTree>(action);
      EXPECT_TRUE(!is_mountable || (is_conditional && is_marked));
      EXPECT_TRUE(!has_moved || is_mountable);
    }
    EXPECT_TRUE(has_moved);
  }
}

TEST(StorageMount, AMarkOfAMigrationThatIsNotWantedAnyMoreGoes) {
  TrialHost host = g5();
  host.facts.files["/var/lib/gpunode/moving-var-lib-containerd.mount"].content =
      "/var/lib/containerd\n";
  const StepPlan plan = plan_mount(host);
  EXPECT_EQ(words(plan).front(),
            "remove /var/lib/gpunode/moving-var-lib-containerd.mount");
}

TEST(StorageMount, WhatIsThereAlreadyBlocksUnlessTold) {
  TrialHost host = g5();
  host.facts.trees["/var/lib/containerd"] = {true, true, false, 12, ""};
  StepPlan plan = plan_mount(host);
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.fix, HasSubstr("migrate"));
  host.spec.storage.front().existing_data = ExistingData::kMigrate;
  host::Mount layer;
  layer.mount_point = "/var/lib/containerd/overlay/1";
  host.facts.storage.mounts = {layer};
  plan = plan_mount(host);
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.fix, HasSubstr("kubectl drain"));
}

// containerd stopped, its shims not: what they run has its layers in the tree.
TEST(StorageMount, ContainersThatOutliveTheirRuntimeBlock) {
  for (const ExistingData what :
       {ExistingData::kMigrate, ExistingData::kDiscard}) {
    TrialHost host = g5();
    host.facts.trees["/var/lib/containerd"] = {true, true, false, 12, ""};
    host.spec.storage.front().existing_data = what;
    host::Mount rootfs;
    rootfs.type = "overlay";
    rootfs.mount_point = "/run/containerd/k8s.io/a/rootfs";
    rootfs.super_options =
        "rw,lowerdir=/var/lib/containerd/s/1/fs,upperdir=/u,workdir=/w";
    host.facts.storage.mounts = {rootfs};
    const StepPlan plan = plan_mount(host);
    EXPECT_EQ(plan.state, StepState::kBlocked);
    EXPECT_THAT(plan.why, HasSubstr(rootfs.mount_point));
    EXPECT_THAT(plan.fix, HasSubstr("crictl stopp"));
    EXPECT_THAT(plan.actions, IsEmpty());
  }
}

TEST(StorageMount, MountedAsItShouldBeThereIsNothingToDo) {
  TrialHost host = g5();
  host.carry_out(plan_disk(host));
  host.carry_out(plan_mount(host));
  host::Mount mount;
  mount.mount_point = "/var/lib/containerd";
  mount.device = {259, 1};
  host.facts.storage.disks[1].device.number = {259, 1};
  host.facts.storage.mounts = {mount};
  EXPECT_EQ(plan_mount(host).state, StepState::kOk) << plan_mount(host).why;
  // Another disk is there.
  host.facts.storage.mounts.front().device = {259, 9};
  EXPECT_EQ(plan_mount(host).state, StepState::kBlocked);
}

/// The store of g5() is mounted where it belongs.
void mount_store(TrialHost& host) {
  host::Mount mount;
  mount.mount_point = "/var/lib/containerd";
  mount.device = {259, 1};
  host.facts.storage.disks[1].device.number = {259, 1};
  host.facts.storage.mounts = {mount};
}

// Stopped, killed or failed between a stop and the start that belongs to it.
TEST(StorageMount, WhatARunStoppedAndDidNotStartAgainIsStarted) {
  TrialHost host = g5();
  host.carry_out(plan_disk(host));
  host.spec.storage.front().existing_data = ExistingData::kMigrate;
  host.facts.trees["/var/lib/containerd"] = {true, true, false, 12, ""};
  host.history.stopped = {{"containerd.service", "storage.containerd.mount"},
                          {"kubelet.service", "storage.containerd.mount"}};
  const StepPlan plan = plan_mount(host);
  EXPECT_THAT(words(plan), Contains("stop containerd.service"));
  EXPECT_EQ(words(plan).back(), "start kubelet.service");
  host.carry_out(plan);
  host.facts.units["containerd.service"].active_state = "inactive";
  host.facts.units["kubelet.service"].active_state = "inactive";
  mount_store(host);
  host.facts.files["/var/lib/gpunode/moving-var-lib-containerd.mount"] = {};
  const StepPlan rest = plan_mount(host);
  EXPECT_EQ(rest.state, StepState::kChange);
  EXPECT_THAT(rest.why, HasSubstr("containerd.service was stopped"));
  EXPECT_THAT(words(rest),
              ElementsAre("start containerd.service", "start kubelet.service"));
  host.carry_out(rest);
  EXPECT_EQ(plan_mount(host).state, StepState::kOk) << plan_mount(host).why;
  // Another entry's Step stopped it, and starts it when its own data is there.
  host.facts.units["containerd.service"].active_state = "inactive";
  host.history.stopped = {{"containerd.service", "storage.other.mount"}};
  EXPECT_EQ(plan_mount(host).state, StepState::kOk);
}

TEST(StorageMount, WithoutKnowingWhoUsesItNothingMoves) {
  TrialHost host = g5();
  host.carry_out(plan_disk(host));
  host.facts.units.clear();
  const StepPlan plan = plan_mount(host);
  EXPECT_EQ(plan.state, StepState::kBlocked);
  EXPECT_THAT(plan.why, HasSubstr("whether containerd.service runs"));
  EXPECT_THAT(plan.fix, HasSubstr("`systemctl show -- containerd.service`"));
  mount_store(host);
  EXPECT_NE(plan_mount(host).state, StepState::kBlocked);
}

TEST(StorageMount, WhatStartsAUserIsStoppedBeforeItAndStartedAfterIt) {
  TrialHost host = g5();
  host.spec.storage.front().users = {"docker.service"};
  host.facts.units["docker.service"] = {
      "loaded", "active", "enabled", {"docker.socket"}};
  const auto step = make_storage_mount(host.spec.storage.front());
  EXPECT_THAT(step->wants(host.spec).units, Contains("docker.socket"));
  // Without knowing of it, a client would start docker amid the move.
  EXPECT_EQ(plan_mount(host).state, StepState::kBlocked);
  host.facts.units["docker.socket"] = {"loaded", "active", "enabled"};
  const auto all = words(plan_mount(host));
  ASSERT_GE(all.size(), 5U);
  EXPECT_EQ(all[1], "stop docker.socket");
  EXPECT_EQ(all[2], "stop docker.service");
  EXPECT_EQ(all[all.size() - 2], "start docker.service");
  EXPECT_EQ(all[all.size() - 1], "start docker.socket");
  // A socket that is not active stays so.
  host.facts.units["docker.socket"].active_state = "inactive";
  EXPECT_EQ(words(plan_mount(host)).at(1), "stop docker.service");
  EXPECT_EQ(words(plan_mount(host)).back(), "start docker.service");
}

TEST(StorageMount, WhoIsOnItsWayUpOrDownIsStoppedToo) {
  for (const char* state :
       {"activating", "deactivating", "reloading", "active"}) {
    TrialHost host = g5();
    host.facts.units["containerd.service"].active_state = state;
    EXPECT_EQ(words(plan_mount(host)).at(1), "stop containerd.service");
  }
}

}  // namespace
}  // namespace gpunode::provision
