#include "node/rollout/bring_move.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace gpunode::rollout {
namespace {

using Json = nlohmann::ordered_json;
using Kind = BringMove::Kind;
using State = BringStamp::State;

/// gpunode's exit code for a reboot that is needed.
constexpr int kRebootNeeded = 4;

const char* state_name(State state) {
  switch (state) {
    case State::kStarted:
      return "started";
    case State::kDone:
      return "done";
    case State::kFailed:
      break;
  }
  return "failed";
}

BringMove failed(int exit_code) {
  switch (exit_code) {
    case kRebootNeeded:
      return {Kind::kFailed,
              "the node must be rebooted, and the file does not say that "
              "gpunode may (spec.host.reboot.mode: auto); next: reboot it, the "
              "run goes on by itself"};
    case 3:
      return {Kind::kFailed,
              "gpunode refused for safety (exit code 3); next: read what it "
              "said above, change the file or the node"};
    case 5:
      return {Kind::kFailed,
              "a person must act on the node first (exit code 5); next: read "
              "what it said above"};
    case 6:
      return {Kind::kFailed,
              "another gpunode was at work on the node (exit code 6); next: "
              "again, when it is done"};
    default:
      return {Kind::kFailed,
              fmt::format("gpunode apply ended with {}; next: read what it "
                          "said above, or on the node `journalctl -u "
                          "gpunode-first` and `gpunode status`",
                          exit_code)};
  }
}

/// Takes the first part of a dotted version off the front.
unsigned long first_number(std::string_view& version) {
  unsigned long number = 0;
  const std::string_view part = version.substr(0, version.find('.'));
  std::from_chars(part.data(), part.data() + part.size(), number);
  version.remove_prefix(std::min(version.size(), part.size() + 1));
  return number;
}

}  // namespace

std::optional<BringStamp> read_stamp(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  const auto text_of = [&](const char* key) -> std::string {
    const auto found = json.find(key);
    return found != json.end() && found->is_string() ? found->get<std::string>()
                                                     : "";
  };
  BringStamp stamp{State::kStarted, text_of("digest"), text_of("attempt"),
                   text_of("words")};
  if (stamp.digest.empty()) return std::nullopt;
  const std::string name = text_of("state");
  for (const State state : {State::kStarted, State::kDone, State::kFailed}) {
    if (name != state_name(state)) continue;
    stamp.state = state;
    return stamp;
  }
  return std::nullopt;
}

std::string stamp_text(const BringStamp& stamp) {
  Json json = {{"state", state_name(stamp.state)},
               {"digest", stamp.digest},
               {"attempt", stamp.attempt}};
  if (!stamp.words.empty()) json["words"] = stamp.words;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<FirstUnit> read_first_unit(std::string_view shown) {
  FirstUnit unit;
  while (!shown.empty()) {
    const std::string_view line = shown.substr(0, shown.find('\n'));
    shown.remove_prefix(std::min(shown.size(), line.size() + 1));
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view value = line.substr(equals + 1);
    if (line.starts_with("ActiveState=")) unit.active = value;
    if (line.starts_with("ExecMainStatus=")) {
      std::from_chars(value.data(), value.data() + value.size(),
                      unit.exit_code);
    }
  }
  if (unit.active.empty()) {
    return Error(ErrorCode::kCorrupt,
                 "systemctl show says nothing of how gpunode-first.service is");
  }
  return unit;
}

BringMove next_move(const BringLook& look, const BringWish& wish) {
  const bool is_ours = look.stamp && look.stamp->digest == wish.digest;
  if (!is_ours) {
    if (look.unit.is_running()) return {Kind::kWaitForOther, ""};
    return {Kind::kPrepare, ""};
  }
  const BringStamp& stamp = *look.stamp;
  if (stamp.state == State::kDone) return {Kind::kDone, ""};
  // Whoever began it: the boot, or a person who has put right what was wrong.
  if (look.unit.is_running()) return {Kind::kFollow, ""};
  if (look.has_ended_well) return {Kind::kDone, ""};
  const bool is_same_attempt = stamp.attempt == wish.attempt;
  if (stamp.state == State::kFailed) {
    if (!is_same_attempt) return {Kind::kPrepare, ""};
    return {Kind::kFailed, stamp.words};
  }
  if (look.unit.active != "failed") return {Kind::kStart, ""};
  if (look.unit.exit_code == kRebootNeeded && wish.reboots_by_itself) {
    return {Kind::kFollow, ""};
  }
  if (!is_same_attempt) return {Kind::kPrepare, ""};
  return failed(look.unit.exit_code);
}

int compare_versions(std::string_view a, std::string_view b) {
  while (!a.empty() || !b.empty()) {
    const unsigned long x = first_number(a);
    const unsigned long y = first_number(b);
    if (x != y) return x < y ? -1 : 1;
  }
  return 0;
}

ProgramChoice choose_program(std::string_view ours, std::string_view package,
                             std::string_view brought) {
  if (!package.empty() && compare_versions(package, ours) >= 0) {
    return {kPackageDirectory, false};
  }
  if (!brought.empty() && compare_versions(brought, ours) > 0) {
    return {kBroughtDirectory, false};
  }
  return {kBroughtDirectory, true};
}

}  // namespace gpunode::rollout
