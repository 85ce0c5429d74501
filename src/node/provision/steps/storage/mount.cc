// storage.<id>.mount: the file system is where it belongs, with what was there.

#include <algorithm>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "node/provision/file_plan.h"
#include "node/provision/fstab_edit.h"
#include "node/provision/steps/storage/storage.h"
#include "node/provision/steps/storage/tree_move.h"
#include "node/provision/unit_name.h"

namespace gpunode::provision {
namespace {

/// A disk that does not come must not keep the host from booting.
constexpr int kDeviceTimeoutSeconds = 90;

/// The socket that usually starts a service: "docker.socket".
std::string socket_of(const std::string& service) {
  return service.substr(0, service.rfind('.')) + ".socket";
}

class Mount final : public Step {
 public:
  explicit Mount(StorageSpec entry)
      : entry_(std::move(entry)),
        id_(fmt::format("storage.{}.mount", entry_.id)),
        title_(fmt::format("{} is its own disk", entry_.path)),
        unit_(unit_name(entry_.path, "mount")),
        unit_path_("/etc/systemd/system/" + unit_),
        drop_in_path_(unit_path_ + ".d/10-gpunode.conf"),
        move_(entry_) {}

  std::string_view id() const override { return id_; }
  std::string_view title() const override { return title_; }
  std::string_view reason() const override {
    return "by UUID, so that no renumbering mounts another disk, and never so "
           "that a boot waits for it without end";
  }

  facts::Wanted wants(const NodeSpec& /*spec*/) const override {
    facts::Wanted wanted;
    wanted.files = {std::string(kMachineIdPath), unit_path_, drop_in_path_,
                    kFstabPath};
    wanted.units = {unit_};
    for (const std::string& user : entry_.users) {
      wanted.units.insert(user);
      wanted.units.insert(socket_of(user));
    }
    move_.want(wanted);
    want_path_rule(entry_, wanted);
    wanted.disks = {entry_.select};
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override;

  /// /etc/fstab as all Steps leave it up to the entry `last`, or to the end.
  static std::string fstab_after(const PlanInput& input,
                                 std::string_view last = "");

 private:
  std::string options() const;
  std::string unit_text(const std::string& uuid) const;
  std::string fstab_line(const std::string& uuid) const;
  void plan_definition(const PlanInput& input, const std::string& uuid,
                       StepPlan& plan) const;
  /// The users, and after them the units that start them: what is stopped from
  /// the last to the first and started the other way round.
  std::vector<std::string> users_and_triggers(const PlanInput& input) const;
  /// The users that do not run while the data moves, and run after it.
  std::vector<std::string> running_users(const PlanInput& input) const;
  /// Those that this Step stopped and never came to start again.
  std::vector<std::string> stopped_users(const PlanInput& input) const;
  /// A user of which it is not known whether it runs; empty if there is none.
  std::string unknown_user(const PlanInput& input) const;

  StorageSpec entry_;
  std::string id_;
  std::string title_;
  std::string unit_;
  std::string unit_path_;
  std::string drop_in_path_;
  TreeMove move_;
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
{4}
[Mount]
What=/dev/disk/by-uuid/{1}
Where={0}
Type={2}
Options={3}

[Install]
WantedBy=local-fs.target
)",
                     entry_.path, uuid, entry_.type,
                     fmt::join(entry_.options, ","), move_.guards());
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

std::string content_of_fstab(const PlanInput& input) {
  const auto fstab = input.facts.files.find(kFstabPath);
  const bool is_there =
      fstab != input.facts.files.end() && fstab->second.content;
  return is_there ? *fstab->second.content : "";
}

std::string Mount::fstab_after(const PlanInput& input, std::string_view last) {
  // prep.swap, which comes before, changes the same file.
  std::string text = content_of_fstab(input);
  if (input.spec.host.swap_off) text = fstab_without_swap(text);
  // So do the entries before this one: all plan from one look at the host.
  for (const StorageSpec& entry : input.spec.storage) {
    const std::string uuid = uuid_of(input, entry);
    text = entry.via == MountVia::kFstab
               ? fstab_with(text, entry.id, Mount(entry).fstab_line(uuid))
               : fstab_without(text, entry.id, "UUID=" + uuid);
    if (entry.id == last) break;
  }
  return text;
}

void Mount::plan_definition(const PlanInput& input, const std::string& uuid,
                            StepPlan& plan) const {
  if (entry_.via == MountVia::kUnit) {
    plan_managed_file(input, unit_path_, unit_text(uuid), plan);
    plan_no_managed_file(input, drop_in_path_, plan);
    // A line of an earlier file that said `via: fstab`.
    const std::string fstab = content_of_fstab(input);
    if (fstab_without(fstab, entry_.id, "UUID=" + uuid) != fstab) {
      plan_edited_file(input, kFstabPath, fstab_after(input, entry_.id), plan);
    }
    return;
  }
  plan_no_managed_file(input, unit_path_, plan);
  // A line of fstab asserts nothing; the unit that systemd makes of it may.
  plan_managed_file(input, drop_in_path_, "[Unit]\n" + move_.guards(), plan);
  const std::string before = content_of_fstab(input);
  for (const facts::FstabLine& line : facts::parse_fstab(before)) {
    if (line.target != entry_.path || line.source == "UUID=" + uuid) continue;
    plan.state = StepState::kBlocked;
    plan.why = fmt::format("line {} of {} mounts {} at {} already", line.line,
                           kFstabPath, line.source, entry_.path);
    plan.fix = "take that line out, or give this entry another mount.path";
    return;
  }
  if (fstab_with(before, entry_.id, fstab_line(uuid)) == before) return;
  // A unit's mount point systemd makes; findmnt wants that of a line to be
  // there.
  const auto tree = input.facts.trees.find(entry_.path);
  if (tree != input.facts.trees.end() && !tree->second.exists) {
    plan.actions.emplace_back(MakeDirectory{entry_.path});
  }
  plan_edited_file(input, kFstabPath, fstab_after(input, entry_.id), plan);
  for (Action& action : plan.actions) {
    auto* write = std::get_if<WriteFile>(&action);
    if (write == nullptr || write->path != kFstabPath) continue;
    write->check = {"/usr/bin/findmnt", "--verify", "--tab-file", "@"};
  }
}

/// What is on its way down or up has processes too.
bool runs(const PlanInput& input, const std::string& unit) {
  const auto found = input.facts.units.find(unit);
  if (found == input.facts.units.end()) return false;
  const std::string& state = found->second.active_state;
  return !state.empty() && state != "inactive" && state != "failed";
}

std::vector<std::string> Mount::users_and_triggers(
    const PlanInput& input) const {
  std::vector<std::string> units = entry_.users;
  for (const std::string& user : entry_.users) {
    const auto found = input.facts.units.find(user);
    if (found == input.facts.units.end()) continue;
    for (const std::string& trigger : found->second.triggered_by) {
      if (std::ranges::find(units, trigger) == units.end()) {
        units.push_back(trigger);
      }
    }
  }
  return units;
}

std::vector<std::string> Mount::running_users(const PlanInput& input) const {
  std::vector<std::string> running;
  for (const std::string& unit : users_and_triggers(input)) {
    if (runs(input, unit) || input.history.stopped.contains(unit)) {
      running.push_back(unit);
    }
  }
  return running;
}

std::vector<std::string> Mount::stopped_users(const PlanInput& input) const {
  std::vector<std::string> stopped;
  for (const std::string& unit : users_and_triggers(input)) {
    const auto found = input.history.stopped.find(unit);
    if (found != input.history.stopped.end() && found->second == id_ &&
        !runs(input, unit)) {
      stopped.push_back(unit);
    }
  }
  return stopped;
}

std::string Mount::unknown_user(const PlanInput& input) const {
  for (std::string& unit : users_and_triggers(input)) {
    if (!input.facts.units.contains(unit)) return std::move(unit);
  }
  return "";
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
  StepPlan place;
  if (!is_there && !plan_mount_place(input, entry_, place)) return place;
  if (const std::string mark = move_.mark_of_mounted(input);
      is_there && !mark.empty()) {
    return StepPlan::blocked(
        fmt::format("{} is mounted, and {} says that it must not be yet: what "
                    "was at {} has not moved to it, or not all",
                    entry_.path, mark, entry_.path),
        fmt::format("stop what uses it and `systemctl stop {}`; look at what "
                    "is in {} then and on the disk, and apply again",
                    unit_, entry_.path));
  }
  if (const std::string unit = unknown_user(input);
      !is_there && !unit.empty()) {
    return StepPlan::blocked(
        fmt::format("whether {} runs, which uses {}, is not known", unit,
                    entry_.path),
        fmt::format("`systemctl show -- {}` must answer; then plan again",
                    unit));
  }
  StepPlan moving;
  if (!is_there) moving = move_.plan(input, uuid);
  if (moving.state == StepState::kBlocked) return moving;
  StepPlan plan;
  // A run may have been stopped after it stopped them: then they do not run,
  // and are to run all the same.
  const std::vector<std::string> running =
      is_there ? stopped_users(input) : running_users(input);
  // A misspelt option is found while all goes on as before.
  if (!is_there && (!running.empty() || !moving.actions.empty())) {
    plan.actions.emplace_back(ProveMount{uuid, entry_.type, entry_.options});
  }
  if (!is_there) {
    for (auto unit = running.rbegin(); unit != running.rend(); ++unit) {
      plan.actions.emplace_back(SetUnit{.unit = *unit, .active = Wish::kNo});
    }
  }
  // Cut off anywhere, a boot must find the mount, or the runtime would begin
  // anew in an empty directory; and must not mount before the data is there.
  // So the mark comes first, and the data moves last.
  move_.plan_mark(input, moving, plan);
  plan_definition(input, uuid, plan);
  if (!is_there) plan_path_rule(input, entry_, plan);
  const auto unit = input.facts.units.find(unit_);
  const bool is_enabled = entry_.via == MountVia::kFstab ||
                          (unit != input.facts.units.end() &&
                           unit->second.unit_file_state == "enabled");
  if (!is_enabled) {
    plan.actions.emplace_back(SetUnit{.unit = unit_, .enabled = Wish::kYes});
  }
  plan.actions.insert(plan.actions.end(), moving.actions.begin(),
                      moving.actions.end());
  plan.notes.insert(plan.notes.end(), moving.notes.begin(), moving.notes.end());
  if (plan.state == StepState::kBlocked) {
    plan.actions.clear();
    return plan;
  }
  if (!is_there || !is_enabled) {
    if (!is_there) {
      plan.actions.emplace_back(SetUnit{.unit = unit_, .active = Wish::kYes});
      // Before the runtime looks: the root of a new file system is unlabeled.
      if (input.facts.machine.selinux) {
        plan.actions.emplace_back(relabel_tree(entry_.path));
      }
    }
    if (plan.state == StepState::kOk) plan.state = StepState::kChange;
    if (!is_there) plan.why = fmt::format("{} is not mounted", entry_.path);
    if (plan.why.empty()) plan.why = fmt::format("{} is not enabled", unit_);
  }
  for (const std::string& user : running) {
    plan.actions.emplace_back(SetUnit{.unit = user, .active = Wish::kYes});
  }
  if (!running.empty() && plan.state == StepState::kOk) {
    plan.state = StepState::kChange;
    plan.why = fmt::format(
        "{} was stopped by an earlier run, which did not "
        "come to start it again",
        running.front());
  }
  return plan;
}

}  // namespace

std::string storage_fstab(const PlanInput& input) {
  return Mount::fstab_after(input);
}

std::unique_ptr<Step> make_storage_mount(const StorageSpec& entry) {
  return std::make_unique<Mount>(entry);
}

}  // namespace gpunode::provision
