// storage.<id>.mount: the file system is where it belongs, with what was there.

#include <algorithm>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "node/provision/file_plan.h"
#include "node/provision/fstab_edit.h"
#include "node/provision/steps/storage/storage.h"
#include "node/provision/tree_actions.h"
#include "node/provision/unit_name.h"

namespace gpunode::provision {
namespace {

constexpr const char* kFstab = "/etc/fstab";
/// A disk that does not come must not keep the host from booting.
constexpr int kDeviceTimeoutSeconds = 90;

class Mount final : public Step {
 public:
  explicit Mount(StorageSpec entry)
      : entry_(std::move(entry)),
        id_(fmt::format("storage.{}.mount", entry_.id)),
        title_(fmt::format("{} is its own disk", entry_.path)),
        unit_(unit_name(entry_.path, "mount")),
        unit_path_("/etc/systemd/system/" + unit_),
        aside_(entry_.path + ".before-gpunode") {}

  std::string_view id() const override { return id_; }
  std::string_view title() const override { return title_; }
  std::string_view reason() const override {
    return "by UUID, so that no renumbering mounts another disk, and never so "
           "that a boot waits for it without end";
  }

  facts::Wanted wants(const NodeSpec& /*spec*/) const override {
    facts::Wanted wanted;
    wanted.files = {std::string(kMachineIdPath), unit_path_};
    if (entry_.via == MountVia::kFstab) wanted.files.insert(kFstab);
    wanted.units = {unit_};
    wanted.units.insert(entry_.users.begin(), entry_.users.end());
    wanted.trees = {entry_.path, aside_};
    wanted.disks = {entry_.select};
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override;

 private:
  std::string options() const;
  std::string unit_text(const std::string& uuid) const;
  std::string fstab_line(const std::string& uuid) const;
  void plan_definition(const PlanInput& input, const std::string& uuid,
                       StepPlan& plan) const;
  /// What is at the path already. False if it stands in the way.
  bool plan_existing(const PlanInput& input, const std::string& uuid,
                     StepPlan& plan) const;
  std::vector<std::string> running_users(const PlanInput& input) const;

  StorageSpec entry_;
  std::string id_;
  std::string title_;
  std::string unit_;
  std::string unit_path_;
  std::string aside_;
};

std::string Mount::options() const {
  return fmt::format("{}{}nofail,x-systemd.device-timeout={}s",
                     fmt::join(entry_.options, ","),
                     entry_.options.empty() ? "" : ",", kDeviceTimeoutSeconds);
}

std::string Mount::unit_text(const std::string& uuid) const {
  // WantedBy, not RequiredBy: as nofail, a boot goes on without it. Who needs
  // it says so itself (storage.<id>.users).
  return fmt::format(R"([Unit]
Description={0} on its own disk
Documentation=man:gpunode(1)
ConditionPathExists=!{4}

[Mount]
What=/dev/disk/by-uuid/{1}
Where={0}
Type={2}
Options={3}

[Install]
WantedBy=local-fs.target
)",
                     entry_.path, uuid, entry_.type,
                     fmt::join(entry_.options, ","), unfinished_path(uuid));
}

std::string Mount::fstab_line(const std::string& uuid) const {
  // 0 0: fsck.xfs does nothing, and a boot must not stop for it.
  return fmt::format("UUID={} {} {} {} 0 0", uuid, entry_.path, entry_.type,
                     options());
}

/// The mount at exactly this path that is on top.
const host::Mount* mounted_at(const facts::StorageFacts& storage,
                              const std::string& path) {
  const host::Mount* found = nullptr;
  for (const host::Mount& mount : storage.mounts) {
    if (mount.mount_point == path) found = &mount;
  }
  return found;
}

bool is_mount_of(const host::Mount& mount, const facts::StorageFacts& storage,
                 const std::string& uuid) {
  return std::ranges::any_of(storage.disks, [&](const facts::DiskFacts& disk) {
    return disk.uuid == uuid && disk.device.number == mount.device;
  });
}

void Mount::plan_definition(const PlanInput& input, const std::string& uuid,
                            StepPlan& plan) const {
  if (entry_.via == MountVia::kUnit) {
    plan_managed_file(input, unit_path_, unit_text(uuid), plan);
    return;
  }
  plan_no_managed_file(input, unit_path_, plan);
  const auto fstab = input.facts.files.find(kFstab);
  const std::string before =
      fstab == input.facts.files.end() || !fstab->second.content
          ? ""
          : *fstab->second.content;
  for (const facts::FstabLine& line : facts::parse_fstab(before)) {
    if (line.target != entry_.path || line.source == "UUID=" + uuid) continue;
    plan.state = StepState::kBlocked;
    plan.why = fmt::format("line {} of {} mounts {} at {} already", line.line,
                           kFstab, line.source, entry_.path);
    plan.fix = "take that line out, or give this entry another mount.path";
    return;
  }
  // prep.swap, which comes before, changes the same file.
  std::string after =
      input.spec.host.swap_off ? fstab_without_swap(before) : before;
  // So do the entries before this one: all plan from one look at the host.
  for (const StorageSpec& other : input.spec.storage) {
    if (other.id == entry_.id) break;
    if (other.via != MountVia::kFstab) continue;
    after = fstab_with(after, other.id,
                       Mount(other).fstab_line(uuid_of(input, other)));
  }
  after = fstab_with(after, entry_.id, fstab_line(uuid));
  if (fstab_with(before, entry_.id, fstab_line(uuid)) == before) return;
  plan_edited_file(input, kFstab, std::move(after), plan);
  for (Action& action : plan.actions) {
    auto* write = std::get_if<WriteFile>(&action);
    if (write == nullptr || write->path != kFstab) continue;
    write->check = {"/usr/bin/findmnt", "--verify", "--tab-file", "@"};
  }
}

std::vector<std::string> Mount::running_users(const PlanInput& input) const {
  std::vector<std::string> running;
  for (const std::string& unit : entry_.users) {
    const auto found = input.facts.units.find(unit);
    if (found != input.facts.units.end() &&
        found->second.active_state == "active") {
      running.push_back(unit);
    }
  }
  return running;
}

bool Mount::plan_existing(const PlanInput& input, const std::string& uuid,
                          StepPlan& plan) const {
  const auto tree = input.facts.trees.find(entry_.path);
  const bool has_data = tree != input.facts.trees.end() &&
                        tree->second.exists && tree->second.entries != 0;
  const auto aside = input.facts.trees.find(aside_);
  const bool was_interrupted =
      aside != input.facts.trees.end() && aside->second.exists && !has_data;
  if (!has_data || was_interrupted) return true;
  if (aside != input.facts.trees.end() && aside->second.exists) {
    plan = StepPlan::blocked(
        fmt::format("{} is from an earlier migration, and {} has {} entries "
                    "again",
                    aside_, entry_.path, tree->second.entries),
        "move one of them away, then plan again");
    return false;
  }
  if (entry_.existing_data == ExistingData::kRefuse) {
    plan = StepPlan::blocked(
        fmt::format("{} has {} entries already, and existingData is refuse",
                    entry_.path, tree->second.entries),
        "set existingData to migrate, or to discard to set them aside");
    return false;
  }
  for (const host::Mount& mount : input.facts.storage.mounts) {
    if (!mount.mount_point.starts_with(entry_.path + "/")) continue;
    plan = StepPlan::blocked(
        fmt::format("{} is mounted, so containers run on {}", mount.mount_point,
                    entry_.path),
        "drain the node and stop its containers: `kubectl drain` and `crictl "
        "stopp`, then apply again");
    return false;
  }
  plan.actions.emplace_back(
      MigrateTree{.path = entry_.path,
                  .uuid = uuid,
                  .type = entry_.type,
                  .aside = aside_,
                  .discard = entry_.existing_data == ExistingData::kDiscard});
  plan.notes.push_back(fmt::format(
      "what was in {} stays as {}; remove it when the node is known to work",
      entry_.path, aside_));
  return true;
}

StepPlan Mount::plan(const PlanInput& input) const {
  const std::string uuid = uuid_of(input, entry_);
  const host::Mount* mounted = mounted_at(input.facts.storage, entry_.path);
  const bool is_there =
      mounted != nullptr && is_mount_of(*mounted, input.facts.storage, uuid);
  if (mounted != nullptr && !is_there) {
    return StepPlan::blocked(
        fmt::format("{} is mounted at {} already", mounted->source,
                    entry_.path),
        "unmount it and take it out of fstab or its unit, or give this entry "
        "another mount.path");
  }
  StepPlan plan;
  const std::vector<std::string> running =
      is_there ? std::vector<std::string>() : running_users(input);
  for (auto unit = running.rbegin(); unit != running.rend(); ++unit) {
    plan.actions.emplace_back(SetUnit{.unit = *unit, .active = Wish::kNo});
  }
  const bool is_unit = entry_.via == MountVia::kUnit;
  if (is_unit) plan_definition(input, uuid, plan);
  const auto unit = input.facts.units.find(unit_);
  const bool is_enabled =
      !is_unit || (unit != input.facts.units.end() &&
                   unit->second.unit_file_state == "enabled");
  // Before the data moves: cut off after that, a boot must find the mount, or
  // the runtime would begin anew in the empty directory. A line of fstab has no
  // condition on the copy being whole, so it comes after.
  if (!is_enabled) {
    plan.actions.emplace_back(SetUnit{.unit = unit_, .enabled = Wish::kYes});
  }
  if (!is_there && !plan_existing(input, uuid, plan)) return plan;
  if (!is_unit) plan_definition(input, uuid, plan);
  if (plan.state == StepState::kBlocked) {
    plan.actions.clear();
    return plan;
  }
  if (!is_there || !is_enabled) {
    if (!is_there) {
      plan.actions.emplace_back(SetUnit{.unit = unit_, .active = Wish::kYes});
    }
    if (plan.state == StepState::kOk) plan.state = StepState::kChange;
    if (!is_there) plan.why = fmt::format("{} is not mounted", entry_.path);
    if (plan.why.empty()) plan.why = fmt::format("{} is not enabled", unit_);
  }
  for (const std::string& user : running) {
    plan.actions.emplace_back(SetUnit{.unit = user, .active = Wish::kYes});
  }
  return plan;
}

}  // namespace

std::unique_ptr<Step> make_storage_mount(const StorageSpec& entry) {
  return std::make_unique<Mount>(entry);
}

}  // namespace gpunode::provision
