// What an earlier file asked for and this one does not.
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/provision/journal.h"
#include "node/provision/steps/steps.h"
#include "node/provision/steps/storage/storage.h"
#include "node/provision/steps/trial_host.h"

namespace gpunode::provision {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kPath = "/var/lib/containerd";
constexpr const char* kMountUnit =
    "/etc/systemd/system/var-lib-containerd.mount";
constexpr const char* kUsersDropIn =
    "/etc/systemd/system/containerd.service.d/10-gpunode-data.conf";

StorageSpec entry() {
  StorageSpec entry;
  entry.id = "data";
  entry.label = "gn-data";
  entry.path = kPath;
  entry.on_boot_blank = OnBootBlank::kReformat;
  entry.users = {"containerd.service", "kubelet.service"};
  return entry;
}

/// A host that an entry was carried out on, and the journal of that.
struct MadeHost : TrialHost {
  std::vector<JournalLine> journal;

  explicit MadeHost(StorageSpec made = entry()) {
    facts.machine.selinux = true;
    facts.storage.root_is_known = true;
    facts.files["/etc/machine-id"].content = "aabb\n";
    facts.files["/etc/fstab"].content = "UUID=1 / xfs defaults 0 0\n";
    for (const std::string& unit : made.users) {
      facts.units[unit] = {"not-found", "inactive", ""};
    }
    spec.host.swap_off = false;
    spec.storage = {std::move(made)};
    carry_out_storage();
  }

  void carry_out_storage() {
    for (const auto& step : steps_for(spec, journal)) {
      const std::string id(step->id());
      if (!id.starts_with("storage.") || id.ends_with(".disk")) continue;
      const StepPlan done = plan(*step);
      EXPECT_NE(done.state, StepState::kBlocked) << id << ": " << done.why;
      for (const Action& action : done.actions) {
        journal.push_back({.seq = journal.size() + 1,
                           .event = JournalEvent::kBegin,
                           .step = id,
                           .action = action});
      }
      carry_out(done);
    }
  }

  void mount() {
    host::Mount mount;
    mount.mount_point = kPath;
    facts.storage.mounts.push_back(mount);
  }

  bool has(const std::string& path) const {
    const auto file = facts.files.find(path);
    return file != facts.files.end() && file->second.content.has_value();
  }
};

std::vector<std::string> words(const StepPlan& plan) {
  std::vector<std::string> words;
  for (const Action& action : plan.actions) words.push_back(describe(action));
  return words;
}

StepPlan plan_leftovers(const MadeHost& host) {
  return host.plan(
      *make_storage_leftovers(storage_leftovers(host.spec, host.journal)));
}

TEST(StorageLeftovers, AnUnchangedFileHasNone) {
  const MadeHost host;
  EXPECT_TRUE(storage_leftovers(host.spec, host.journal).empty());
  for (const auto& step : steps_for(host.spec, host.journal)) {
    EXPECT_NE(step->id(), "storage.leftovers");
  }
}

TEST(StorageLeftovers, FailInPlaceOfReformatSwitchesTheUnitsOff) {
  MadeHost host;
  host.spec.storage.front().on_boot_blank = OnBootBlank::kFail;
  const StepPlan boot = host.plan(*make_storage_boot(host.spec.storage[0]));
  EXPECT_EQ(boot.state, StepState::kChange);
  EXPECT_THAT(
      words(boot),
      ElementsAre("disable gpunode-storage-data.service",
                  "remove /etc/systemd/system/gpunode-storage-data.service"));
  const StepPlan label = host.plan(*make_storage_label(host.spec.storage[0]));
  EXPECT_THAT(
      words(label),
      ElementsAre("disable gpunode-label-data.service",
                  "remove /etc/systemd/system/gpunode-label-data.service"));
  host.carry_out(boot);
  EXPECT_EQ(host.plan(*make_storage_boot(host.spec.storage[0])).state,
            StepState::kNotWanted);
}

TEST(StorageLeftovers, AUnitThatIsNotOursStays) {
  TrialHost host;
  host.facts.files["/etc/systemd/system/gpunode-storage-data.service"].content =
      "[Unit]\n";
  StorageSpec fails = entry();
  fails.on_boot_blank = OnBootBlank::kFail;
  EXPECT_EQ(host.plan(*make_storage_boot(fails)).state, StepState::kNotWanted);
}

TEST(StorageLeftovers, OfAnEntryThatIsGoneAllGoes) {
  MadeHost host;
  host.spec.storage.clear();
  const StepPlan plan = plan_leftovers(host);
  EXPECT_EQ(plan.state, StepState::kChange);
  EXPECT_THAT(words(plan), Contains("disable gpunode-storage-data.service"));
  EXPECT_THAT(words(plan), Contains("disable var-lib-containerd.mount"));
  host.carry_out_storage();
  for (const char* path :
       {kMountUnit, kUsersDropIn,
        "/etc/systemd/system/kubelet.service.d/10-gpunode-data.conf",
        "/etc/systemd/system/gpunode-storage-data.service",
        "/etc/systemd/system/gpunode-label-data.service"}) {
    EXPECT_FALSE(host.has(path)) << path;
  }
  EXPECT_EQ(plan_leftovers(host).state, StepState::kNotWanted);
}

TEST(StorageLeftovers, WhatIsMountedStaysWithItsGuardsAndIsMadeAnewNoMore) {
  MadeHost host;
  host.mount();
  host.spec.storage.clear();
  const StepPlan plan = plan_leftovers(host);
  EXPECT_THAT(words(plan), Contains("disable gpunode-storage-data.service"));
  EXPECT_THAT(plan.notes, ElementsAre(HasSubstr("is still mounted")));
  host.carry_out(plan);
  EXPECT_TRUE(host.has(kMountUnit));
  EXPECT_TRUE(host.has(kUsersDropIn));
  EXPECT_FALSE(host.has("/etc/systemd/system/gpunode-storage-data.service"));
  const StepPlan again = plan_leftovers(host);
  EXPECT_EQ(again.state, StepState::kOk);
  EXPECT_THAT(again.actions, IsEmpty());
}

TEST(StorageLeftovers, AServiceThatIsNoUserAnyMoreIsLetGo) {
  MadeHost host;
  host.mount();
  host.spec.storage.front().users = {"kubelet.service"};
  EXPECT_THAT(words(plan_leftovers(host)),
              ElementsAre(std::string("remove ") + kUsersDropIn));
}

TEST(StorageLeftovers, AFileThatSomebodyChangedIsDrift) {
  MadeHost host;
  host.facts.files[kUsersDropIn].content = "[Unit]\n# mine\n";
  host.spec.storage.clear();
  EXPECT_EQ(plan_leftovers(host).state, StepState::kDrift);
}

TEST(StorageLeftovers, ALineOfFstabGoesWithItsEntry) {
  StorageSpec made = entry();
  made.via = MountVia::kFstab;
  MadeHost host(made);
  ASSERT_THAT(*host.facts.files["/etc/fstab"].content, HasSubstr(kPath));
  host.spec.storage.clear();
  MadeHost mounted = host;
  mounted.mount();
  mounted.carry_out_storage();
  EXPECT_THAT(*mounted.facts.files["/etc/fstab"].content, HasSubstr(kPath));
  EXPECT_THAT(plan_leftovers(mounted).notes,
              ElementsAre(HasSubstr("is still mounted")));
  host.carry_out_storage();
  EXPECT_EQ(*host.facts.files["/etc/fstab"].content,
            "UUID=1 / xfs defaults 0 0\n");
}

TEST(StorageLeftovers, ALineOfFstabGoesWhereAUnitIsWanted) {
  StorageSpec made = entry();
  made.via = MountVia::kFstab;
  MadeHost host(made);
  host.spec.storage.front().via = MountVia::kUnit;
  host.carry_out_storage();
  EXPECT_EQ(*host.facts.files["/etc/fstab"].content,
            "UUID=1 / xfs defaults 0 0\n");
  EXPECT_TRUE(host.has(kMountUnit));
  EXPECT_FALSE(host.has(std::string(kMountUnit) + ".d/10-gpunode.conf"));
}

TEST(StorageLeftovers, TheUnitOfAnotherPathGoes) {
  MadeHost host;
  host.spec.storage.front().path = "/mnt/data";
  host.carry_out_storage();
  EXPECT_FALSE(host.has(kMountUnit));
  EXPECT_TRUE(host.has("/etc/systemd/system/mnt-data.mount"));
  EXPECT_TRUE(host.has(kUsersDropIn));
}

}  // namespace
}  // namespace gpunode::provision
