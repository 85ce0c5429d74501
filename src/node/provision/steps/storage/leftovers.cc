// storage.leftovers: what earlier files asked for and this one does not, goes.

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "node/provision/file_plan.h"
#include "node/provision/fstab_edit.h"
#include "node/provision/steps/storage/storage.h"
#include "node/provision/storage_choice.h"
#include "node/provision/unit_name.h"

namespace gpunode::provision {
namespace {

constexpr std::string_view kUnits = "/etc/systemd/system/";

/// "/var/lib/x" of a line `key=/var/lib/x`; "" if there is none.
std::string value_of(std::string_view text, std::string_view key) {
  const std::string begin = fmt::format("\n{}=/", key);
  const std::size_t at = text.find(begin);
  if (at == std::string_view::npos) return "";
  const std::size_t value = at + begin.size() - 1;
  return std::string(text.substr(value, text.find('\n', value) - value));
}

/// Where the line below the mark of `id` mounts; "" if there is none.
std::string path_of_line(std::string_view fstab, const std::string& id) {
  const std::string mark = fmt::format("# gpunode:{}\n", id);
  const std::size_t at = fstab.find(mark);
  if (at == std::string_view::npos) return "";
  const std::string_view rest = fstab.substr(at + mark.size());
  const auto lines = facts::parse_fstab(rest.substr(0, rest.find('\n')));
  return lines.empty() ? "" : lines.front().target;
}

class Leftovers final : public Step {
 public:
  explicit Leftovers(StorageLeftovers left) : left_(std::move(left)) {}

  std::string_view id() const override { return "storage.leftovers"; }
  std::string_view title() const override {
    return "nothing is left of storage that is no longer asked for";
  }
  std::string_view reason() const override {
    return "a unit of an entry that is gone would go on making a disk anew, "
           "and a drop-in keep a service from starting";
  }

  facts::Wanted wants(const NodeSpec& /*spec*/) const override {
    facts::Wanted wanted;
    wanted.files = {std::string(kMachineIdPath), kFstabPath};
    for (const StorageFile& file : left_.files) wanted.files.insert(file.path);
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override {
    StepPlan plan;
    std::vector<std::string> kept;
    for (const StorageFile& file : left_.files) {
      const std::string path = mounted_path_of(input, file);
      if (path.empty()) {
        take(input, file.path, plan);
      } else if (std::ranges::find(kept, path) == kept.end()) {
        kept.push_back(path);
      }
    }
    take_lines(input, kept, plan);
    for (const std::string& path : kept) plan.notes.push_back(note_of(path));
    if (plan.state == StepState::kOk && kept.empty()) {
      return StepPlan::not_wanted("nothing is left of earlier entries");
    }
    return plan;
  }

 private:
  static std::string note_of(const std::string& path) {
    return fmt::format(
        "{0} is still mounted, and no entry asks for it any more: its mount "
        "and "
        "what waits for it stay, for nothing else keeps services off the bare "
        "directory. To give the disk up: save what is on it, `systemctl stop "
        "{1}`, apply again",
        path, unit_name(path, "mount"));
  }

  static bool is_mounted(const PlanInput& input, const std::string& path) {
    return std::ranges::any_of(
        input.facts.storage.mounts,
        [&](const host::Mount& mount) { return mount.mount_point == path; });
  }

  /// Where a disk is mounted that this file of ours belongs to, and without
  /// which it would be lost from sight; "" if the file can go.
  std::string mounted_path_of(const PlanInput& input,
                              const StorageFile& file) const {
    for (const std::string& path : left_.paths) {
      const std::string unit = unit_name(path, "mount");
      const bool is_its =
          file.path == fmt::format("{}{}", kUnits, unit) ||
          file.path.starts_with(fmt::format("{}{}.d/", kUnits, unit)) ||
          value_of(file.content, "RequiresMountsFor") == path;
      if (is_its && is_mounted(input, path)) return path;
    }
    return "";
  }

  static void take(const PlanInput& input, const std::string& path,
                   StepPlan& plan) {
    const std::string unit(path.substr(kUnits.size()));
    if (unit.find('/') != std::string::npos) {
      return plan_no_managed_file(input, path, plan);
    }
    StepPlan one = taken_unit(input, unit, "");
    if (one.actions.empty()) return;
    if (plan.state != StepState::kDrift) plan.state = one.state;
    if (plan.why.empty()) plan.why = one.why;
    plan.before.merge(one.before);
    plan.actions.insert(plan.actions.end(), one.actions.begin(),
                        one.actions.end());
  }

  /// Lines of /etc/fstab of entries that are gone, unless mounted.
  void take_lines(const PlanInput& input, std::vector<std::string>& kept,
                  StepPlan& plan) const {
    const std::string before = storage_fstab(input);
    std::string after = before;
    for (const std::string& id : left_.entries) {
      StorageSpec entry;
      entry.id = id;
      const std::string source = "UUID=" + uuid_of(input, entry);
      std::string without = fstab_without(after, id, source);
      if (without == after) continue;
      std::string path;
      for (const facts::FstabLine& line : facts::parse_fstab(after)) {
        if (line.source == source) path = line.target;
      }
      if (!is_mounted(input, path)) {
        after = std::move(without);
      } else if (std::ranges::find(kept, path) == kept.end()) {
        kept.push_back(path);
      }
    }
    if (after != before) plan_edited_file(input, kFstabPath, after, plan);
  }

  StorageLeftovers left_;
};

}  // namespace

StorageLeftovers storage_leftovers(const NodeSpec& spec,
                                   const std::vector<JournalLine>& lines) {
  facts::Wanted wanted;
  for (const StorageSpec& entry : spec.storage) {
    for (const auto& step : storage_steps(entry)) wanted.add(step->wants(spec));
  }
  StorageLeftovers left;
  std::map<std::string, std::string> files;
  for (const JournalLine& line : lines) {
    constexpr std::string_view kArea = "storage.";
    if (line.event != JournalEvent::kBegin || !line.step.starts_with(kArea)) {
      continue;
    }
    const auto* write = std::get_if<WriteFile>(&*line.action);
    const std::size_t end = line.step.rfind('.');
    if (write == nullptr || end < kArea.size()) continue;
    const std::string id = line.step.substr(kArea.size(), end - kArea.size());
    const bool is_there = std::ranges::any_of(
        spec.storage, [&](const StorageSpec& one) { return one.id == id; });
    if (write->path == kFstabPath && !is_there) {
      left.entries.insert(id);
      left.paths.insert(path_of_line(write->content, id));
    }
    if (!write->path.starts_with(kUnits)) continue;
    if (wanted.files.contains(write->path)) continue;
    files[write->path] = write->content;
    // A service that is no longer among those of an entry is let go at once.
    if (is_there && write->path.find(".service.d/") != std::string::npos) {
      files[write->path].clear();
    }
    if (std::string path = value_of(write->content, "Where"); !path.empty()) {
      left.paths.insert(std::move(path));
    }
    if (write->path.find(".service.d/") == std::string::npos) continue;
    if (std::string path = value_of(write->content, "RequiresMountsFor");
        !path.empty()) {
      left.paths.insert(std::move(path));
    }
  }
  for (auto& [path, content] : files) {
    left.files.push_back({path, std::move(content)});
  }
  return left;
}

std::unique_ptr<Step> make_storage_leftovers(StorageLeftovers left) {
  return std::make_unique<Leftovers>(std::move(left));
}

}  // namespace gpunode::provision
