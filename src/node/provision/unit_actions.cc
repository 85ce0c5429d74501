#include "node/provision/unit_actions.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace gpunode::provision {
namespace {

constexpr const char* kSystemctl = "/usr/bin/systemctl";
/// containerd with many containers takes its time to stop.
constexpr std::chrono::minutes kUnitTimeout{5};

struct UnitState {
  bool enabled = false;
  bool masked = false;
  bool active = false;
  bool exists = false;
  bool needs_reload = false;
};

UnitState parse_state(std::string_view text) {
  UnitState state;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line == "LoadState=masked") state.masked = true;
    if (line == "LoadState=loaded" || line == "LoadState=masked") {
      state.exists = true;
    }
    if (line == "UnitFileState=enabled") state.enabled = true;
    if (line == "ActiveState=active" || line == "ActiveState=activating" ||
        line == "ActiveState=reloading") {
      state.active = true;
    }
    if (line == "NeedDaemonReload=yes") state.needs_reload = true;
  }
  return state;
}

host::Command show(const std::string& unit) {
  host::Command command;
  command.argv = {kSystemctl, "show",
                  "-pLoadState,UnitFileState,ActiveState,NeedDaemonReload",
                  "--", unit};
  return command;
}

Wish back(Wish wish, bool was) {
  if (wish == Wish::kAsIs) return Wish::kAsIs;
  return was ? Wish::kYes : Wish::kNo;
}

}  // namespace

Result<void> UnitActions::systemctl(std::vector<std::string> arguments) {
  host::Command command;
  command.argv = {kSystemctl};
  command.argv.insert(command.argv.end(),
                      std::make_move_iterator(arguments.begin()),
                      std::make_move_iterator(arguments.end()));
  command.timeout = kUnitTimeout;
  TRY_VOID(runner_.output(command));
  return {};
}

Result<void> UnitActions::flush() {
  if (!is_stale_) return {};
  TRY_VOID(systemctl({"daemon-reload"}));
  is_stale_ = false;
  return {};
}

Result<Inverse> UnitActions::prepare(const SetUnit& action) {
  TRY(const std::string text, runner_.output(show(action.unit)));
  const UnitState state = parse_state(text);
  // What is started anew for its files is, once they are back, once more.
  return Inverse::of(SetUnit{.unit = action.unit,
                             .enabled = back(action.enabled, state.enabled),
                             .masked = back(action.masked, state.masked),
                             .active = back(action.active, state.active),
                             .restart = action.restart && state.active});
}

Result<void> UnitActions::perform(const SetUnit& action) {
  TRY_VOID(flush());
  TRY(const std::string text, runner_.output(show(action.unit)));
  UnitState state = parse_state(text);
  if (state.needs_reload) {
    is_stale_ = true;
    TRY_VOID(flush());
  }
  // An undone package takes its units with it: there is nothing to stop then.
  const bool only_takes = action.enabled != Wish::kYes &&
                          action.active != Wish::kYes &&
                          action.masked != Wish::kYes;
  if (!state.exists && only_takes) return {};
  if (action.masked == Wish::kNo && state.masked) {
    TRY_VOID(systemctl({"unmask", "--", action.unit}));
  }
  if (action.active == Wish::kNo && state.active) {
    TRY_VOID(systemctl({"stop", "--", action.unit}));
  }
  if (action.enabled == Wish::kYes && !state.enabled) {
    TRY_VOID(systemctl({"enable", "--", action.unit}));
  }
  if (action.enabled == Wish::kNo && state.enabled) {
    TRY_VOID(systemctl({"disable", "--", action.unit}));
  }
  if (action.masked == Wish::kYes && !state.masked) {
    TRY_VOID(systemctl({"mask", "--", action.unit}));
  }
  if (action.active == Wish::kYes && (!state.active || action.restart)) {
    TRY_VOID(
        systemctl({state.active ? "restart" : "start", "--", action.unit}));
  }
  return {};
}

Result<Inverse> UnitActions::prepare(const RunProgram& action) {
  if (action.undo.empty()) return Inverse{};
  return Inverse::of(RunProgram{action.undo, {}, action.timeout_seconds},
                     Undo::kCompensating);
}

Result<void> UnitActions::perform(const RunProgram& action) {
  host::Command command;
  command.argv = action.argv;
  command.timeout = std::chrono::seconds(action.timeout_seconds);
  TRY_VOID(runner_.output(command));
  return {};
}

Result<Inverse> UnitActions::prepare(const Reboot& /*action*/) {
  return Inverse{};
}

Result<void> UnitActions::perform(const Reboot& /*action*/) {
  TRY_VOID(flush());
  // Orderly: services stop, file systems are unmounted.
  return systemctl({"reboot"});
}

}  // namespace gpunode::provision
