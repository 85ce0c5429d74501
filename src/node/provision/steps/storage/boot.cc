// storage.<id>.boot: a disk that comes back blank is made anew at boot.

#include <fmt/format.h>

#include "node/provision/file_plan.h"
#include "node/provision/steps/storage/storage.h"
#include "node/provision/unit_name.h"

namespace gpunode::provision {
namespace {

/// A boot unit of another entry that was not there to be ordered after, or a
/// person: not longer than a start of the unit may take.
constexpr int kRunWaitSeconds = 600;

std::string unit_of(const StorageSpec& entry) {
  return fmt::format("gpunode-storage-{}.service", entry.id);
}

class Boot final : public Step {
 public:
  explicit Boot(StorageSpec entry)
      : entry_(std::move(entry)),
        id_(fmt::format("storage.{}.boot", entry_.id)),
        unit_(unit_of(entry_)),
        path_("/etc/systemd/system/" + unit_) {}

  std::string_view id() const override { return id_; }
  std::string_view title() const override {
    return "a disk that comes back blank is made anew at boot";
  }
  std::string_view reason() const override {
    return "a cloud's local disk is blank after stop and start; without this "
           "the node stays down, or fills its root disk";
  }

  facts::Wanted wants(const NodeSpec& /*spec*/) const override {
    facts::Wanted wanted;
    wanted.files = {path_};
    wanted.units = {unit_};
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override {
    if (entry_.on_boot_blank != OnBootBlank::kReformat) {
      return taken_unit(input, unit_, "onBootBlank is fail");
    }
    StepPlan plan;
    if (!plan_can_start_program(input, plan)) return plan;
    plan_managed_file(input, path_, text(input.spec), plan);
    const auto unit = input.facts.units.find(unit_);
    if (unit == input.facts.units.end() ||
        unit->second.unit_file_state != "enabled") {
      plan.actions.emplace_back(SetUnit{.unit = unit_, .enabled = Wish::kYes});
      if (plan.state == StepState::kOk) {
        plan.state = StepState::kChange;
        plan.why = fmt::format("{} is not enabled", unit_);
      }
    }
    return plan;
  }

 private:
  /// Only a blank disk is made anew: the same Step as in `apply`, with the same
  /// refusals. It waits for udev, since the disk must be there to be found. A
  /// oneshot has no timeout of its own, and a disk that does not answer would
  /// hold the boot for ever; mkfs's own is 10 minutes. To read all of a disk
  /// takes what it takes.
  std::string text(const NodeSpec& spec) const {
    return fmt::format(R"([Unit]
Description=Make the disk of {0} anew if it came back blank
Documentation=man:gpunode(1)
DefaultDependencies=no
RequiresMountsFor=/var/lib/gpunode
Wants=systemd-udev-settle.service
After=systemd-udev-settle.service systemd-remount-fs.service{5}
Before={1} local-fs.target

[Service]
Type=oneshot
RemainAfterExit=yes
TimeoutStartSec={7}
TimeoutStopSec=30s
ExecStart={2} apply --yes --no-reboot --blank-only --run-wait={6} --ignore-preflight=all --only=storage.{3}.disk {4}

[Install]
WantedBy=local-fs.target
)",
                       entry_.path, unit_name(entry_.path, "mount"),
                       spec.program, entry_.id, exec_word(spec.path),
                       units_before(spec), kRunWaitSeconds,
                       entry_.select.full_proof ? "infinity" : "15min");
  }

  /// Those of the entries before this one: one gpunode at a time changes a
  /// host.
  std::string units_before(const NodeSpec& spec) const {
    std::string units;
    for (const StorageSpec& other : spec.storage) {
      if (other.id == entry_.id) break;
      if (other.on_boot_blank != OnBootBlank::kReformat) continue;
      units += " " + unit_of(other);
    }
    return units;
  }

  StorageSpec entry_;
  std::string id_;
  std::string unit_;
  std::string path_;
};

}  // namespace

std::unique_ptr<Step> make_storage_boot(const StorageSpec& entry) {
  return std::make_unique<Boot>(entry);
}

}  // namespace gpunode::provision
