#include "node/provision/pending.h"

#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/host/host_file.h"
#include "base/text/base64.h"
#include "node/provision/text_json.h"

namespace gpunode::provision {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kLimitBytes = std::size_t{64} << 20U;
constexpr mode_t kMode = 0600;

/// Before a file's name, which is a member's, that is not UTF-8; no path begins
/// with it.
constexpr std::string_view kBase64 = "base64:";

Json encode(const std::string& text) {
  return Json::parse(text_json(text));
}

Json encode(const std::vector<std::string>& texts) {
  Json list = Json::array();
  for (const std::string& one : texts) list.push_back(encode(one));
  return list;
}

Json encode(const std::map<std::string, std::string>& files) {
  Json object = Json::object();
  for (const auto& [path, seen] : files) {
    const bool is_text = encode(path).is_string();
    object[is_text ? path : std::string(kBase64) + text::encode_base64(path)] =
        encode(seen);
  }
  return object;
}

/// These throw what nlohmann throws at a value of another type.
std::string text_of(const Json& json) {
  auto text = text_from_json(json.dump());
  return text ? *std::move(text) : json.get<std::string>();
}

std::vector<std::string> texts_of(const Json& json) {
  std::vector<std::string> texts;
  for (const Json& one : json.get<std::vector<Json>>()) {
    texts.push_back(text_of(one));
  }
  return texts;
}

std::map<std::string, std::string> files_of(const Json& json) {
  std::map<std::string, std::string> files;
  for (const auto& [name, seen] : json.get<std::map<std::string, Json>>()) {
    const auto path = name.starts_with(kBase64)
                          ? text::decode_base64(name.substr(kBase64.size()))
                          : std::optional(name);
    if (path) files[*path] = text_of(seen);
  }
  return files;
}

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
    pending.run = text_of(json.at("run"));
    pending.spec_path = text_of(json.at("spec"));
    pending.confirmed_wipes = texts_of(json.at("confirmed_wipes"));
    pending.only = texts_of(json.at("only"));
    pending.overwrite_drift = json.at("overwrite_drift").get<bool>();
    pending.blank_only = json.at("blank_only").get<bool>();
    pending.ignored_preflight = texts_of(json.at("ignored_preflight"));
    pending.spec_files = files_of(json.at("spec_files"));
    pending.plan = json.at("plan").dump();
  } catch (const Json::exception&) {
    return damaged();
  }
  return std::optional<Pending>(std::move(pending));
}

Result<void> write_pending(const host::HostRoot& host, const Pending& pending) {
  const Json json = {{"run", encode(pending.run)},
                     {"spec", encode(pending.spec_path)},
                     {"confirmed_wipes", encode(pending.confirmed_wipes)},
                     {"only", encode(pending.only)},
                     {"overwrite_drift", pending.overwrite_drift},
                     {"blank_only", pending.blank_only},
                     {"ignored_preflight", encode(pending.ignored_preflight)},
                     {"spec_files", encode(pending.spec_files)},
                     {"plan", Json::parse(pending.plan, nullptr, false)}};
  return host::replace_host_file(
      host, kPendingPath, json.dump() + "\n",
      {.mode = kMode, .durability = host::Durability::kDurable});
}

Result<void> remove_pending(const host::HostRoot& host) {
  // A run that is to be undone must not be gone on with after a power cut.
  TRY(const host::RootDirectory root, host::open_host(host));
  auto removed = root.remove_file(kPendingPath, host::Durability::kDurable);
  if (!removed) return host::below(host, std::move(removed).error());
  return {};
}

std::string spec_difference(const Pending& pending,
                            const std::map<std::string, std::string>& now) {
  for (const auto& [path, seen] : pending.spec_files) {
    const auto found = now.find(path);
    if (found == now.end()) return path + " is gone";
    if (found->second != seen) return path + " was edited";
  }
  for (const auto& [path, seen] : now) {
    if (!pending.spec_files.contains(path)) return path + " is new";
  }
  return "";
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
    // Asked for, and nobody rebooted.
    if (line.boot_id == lines.back().boot_id) continue;
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
