// storage.<id>.users: what lives on the mount does not start without it.

#include <fmt/format.h>

#include "node/provision/file_plan.h"
#include "node/provision/steps/storage/storage.h"

namespace gpunode::provision {
namespace {

std::string drop_in_path(const std::string& unit, const std::string& id) {
  return fmt::format("/etc/systemd/system/{}.d/10-gpunode-{}.conf", unit, id);
}

class Users final : public Step {
 public:
  explicit Users(StorageSpec entry)
      : entry_(std::move(entry)),
        id_(fmt::format("storage.{}.users", entry_.id)),
        title_(fmt::format("nothing starts without {}", entry_.path)) {}

  std::string_view id() const override { return id_; }
  std::string_view title() const override { return title_; }
  std::string_view reason() const override {
    return "a runtime that starts before its disk fills the root disk, and "
           "what "
           "it wrote is hidden once the disk is mounted";
  }

  facts::Wanted wants(const NodeSpec& /*spec*/) const override {
    facts::Wanted wanted;
    for (const std::string& unit : entry_.users) {
      wanted.files.insert(drop_in_path(unit, entry_.id));
    }
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override {
    if (entry_.users.empty()) {
      return StepPlan::not_wanted(
          fmt::format("no unit is known to live on {}", entry_.path));
    }
    StepPlan plan;
    for (const std::string& unit : entry_.users) {
      // For a unit that is installed later as well: the drop-in waits for it.
      plan_managed_file(
          input, drop_in_path(unit, entry_.id),
          fmt::format("[Unit]\nRequiresMountsFor={}\n", entry_.path), plan);
    }
    return plan;
  }

 private:
  StorageSpec entry_;
  std::string id_;
  std::string title_;
};

}  // namespace

std::unique_ptr<Step> make_storage_users(const StorageSpec& entry) {
  return std::make_unique<Users>(entry);
}

}  // namespace gpunode::provision
