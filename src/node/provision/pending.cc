#include "node/provision/pending.h"

#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/host/host_file.h"

namespace gpunode::provision {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kLimitBytes = std::size_t{64} << 10U;
constexpr mode_t kMode = 0600;

Error damaged() {
  return {ErrorCode::kCorrupt,
          fmt::format("{} cannot be read; run `gpunode apply`, which plans "
                      "anew",
                      kPendingPath)};
}

}  // namespace

Result<std::optional<Pending>> read_pending(const host::HostRoot& host) {
  if (!host.exists(kPendingPath)) return std::optional<Pending>();
  TRY(const std::string text, host.read_file(kPendingPath, kLimitBytes));
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return damaged();
  Pending pending;
  try {
    pending.run = json.at("run").get<std::string>();
    pending.spec_path = json.at("spec").get<std::string>();
    pending.confirmed_wipes =
        json.at("confirmed_wipes").get<std::vector<std::string>>();
    pending.only = json.at("only").get<std::vector<std::string>>();
    pending.overwrite_drift = json.at("overwrite_drift").get<bool>();
  } catch (const Json::exception&) {
    return damaged();
  }
  return std::optional<Pending>(std::move(pending));
}

Result<void> write_pending(const host::HostRoot& host, const Pending& pending) {
  const Json json = {{"run", pending.run},
                     {"spec", pending.spec_path},
                     {"confirmed_wipes", pending.confirmed_wipes},
                     {"only", pending.only},
                     {"overwrite_drift", pending.overwrite_drift}};
  return host::replace_host_file(
      host, kPendingPath, json.dump() + "\n",
      {.mode = kMode, .durability = host::Durability::kDurable});
}

Result<void> remove_pending(const host::HostRoot& host) {
  return host::remove_host_file(host, kPendingPath);
}

std::string reboot_refusal(const std::vector<JournalLine>& lines,
                           const std::string& run, const std::string& reason,
                           int max) {
  int reboots = 0;
  std::string last;
  for (const JournalLine& line : lines) {
    if (line.event != JournalEvent::kReboot || line.run != run) continue;
    // The one that is being asked about is the last line itself.
    if (&line == &lines.back()) continue;
    ++reboots;
    last = line.note;
  }
  if (reboots >= max) {
    return fmt::format(
        "this run rebooted {} times already, which is all that "
        "spec.host.reboot.max allows",
        reboots);
  }
  if (reboots > 0 && last == reason) {
    return fmt::format(
        "the last reboot was for the same reason ({}) and did "
        "not help",
        reason);
  }
  return "";
}

}  // namespace gpunode::provision
