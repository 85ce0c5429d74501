#include "apps/runtime/hook.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <iterator>
#include <optional>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "apps/runtime/bundle_file.h"
#include "apps/runtime/hook_command.h"
#include "apps/runtime/report.h"
#include "apps/runtime/rules.h"
#include "apps/runtime/share_delivery.h"
#include "apps/runtime/system_log.h"
#include "base/core/log.h"
#include "base/host/host_root.h"
#include "container/hook/confinement.h"
#include "container/hook/container_state.h"
#include "container/hook/permissions.h"
#include "container/oci/container_config.h"
#include "share/grants/grant_files.h"
#include "share/grants/library_files.h"
#include "version.h"

namespace gpunode::runtime {
namespace {

constexpr int kDone = 0;
constexpr int kFailed = 1;

/// A hook's environment comes from the runtime, and may have come from the
/// image: it means nothing here.
std::optional<std::string> no_environment(std::string_view /*name*/) {
  return std::nullopt;
}

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

int print_help(const HookCommand& command) {
  print("NAME:\n   " + std::string(command.name) + " - " +
        std::string(command.usage) + "\n\nOPTIONS:\n" +
        text::describe_flags(command.flags));
  return kDone;
}

int print_all_help() {
  std::string text = "Hooks of a container that is being made.\n\nCOMMANDS:\n";
  for (const HookCommand& command : hook_commands()) {
    text += "   " + std::string(command.name) + "  " +
            std::string(command.usage) + "\n";
  }
  print(text);
  return kDone;
}

Result<std::string> read_state_text(const std::string& path) {
  if (path.empty() || path == "-") {
    return host::read_all(STDIN_FILENO, hook::kMaxStateBytes,
                          "the container's state on standard input");
  }
  return host::HostRoot().read_file(path, hook::kMaxStateBytes);
}

/// Of several paths those that are not there are only named.
Result<std::vector<std::string>> change_modes(const host::RootDirectory& root,
                                              const ModeChange& change) {
  std::vector<std::string> warnings;
  for (const std::string& path : change.paths) {
    const auto changed = hook::change_mode(root, path, change.mode);
    if (changed) continue;
    if (changed.error().code() != ErrorCode::kNotFound) return changed.error();
    warnings.push_back(changed.error().message());
  }
  return warnings;
}

Result<hook::ContainerState> read_state(const std::string& path) {
  TRY(const std::string text, read_state_text(path));
  return hook::parse_container_state(text);
}

/// A share that the bundle's config.json mounts; what of it was left undone.
Result<std::vector<std::string>> deliver(const hook::ContainerState& state,
                                         const host::RootDirectory& root) {
  if (state.bundle.empty()) return std::vector<std::string>();
  auto read = read_bundle_file(state.bundle);
  if (!read) {
    // crun tells the root; in a user namespace its bundle may be hidden.
    const ErrorCode code = read.error().code();
    if (code == ErrorCode::kNotFound || code == ErrorCode::kPermissionDenied) {
      return std::vector<std::string>();
    }
    return std::move(read).error();
  }
  BundleFile& file = *read;
  // Only then is there something to be understood.
  if (file.text.find(share::kShareDirectory) == std::string::npos) {
    return std::vector<std::string>();
  }
  TRY(const auto config,
      oci::read_container_config(std::move(file.text), file.path));
  return deliver_mounted_share(config, root, share::GrantFiles::kRoot);
}

/// What was left undone without harm.
Result<std::vector<std::string>> carry_out(const HookRequest& request,
                                           const hook::ContainerState& state) {
  TRY(const auto root, hook::open_container_root(state));
  if (request.mode_change) return change_modes(root, *request.mode_change);
  std::vector<std::string> warnings;
  if (request.delivers_share) {
    TRY(warnings, deliver(state, root));
  }
  TRY(auto more, hook::apply(request.task, host::HostRoot(), root, true));
  warnings.insert(warnings.end(), std::make_move_iterator(more.begin()),
                  std::make_move_iterator(more.end()));
  return warnings;
}

int fail(std::string_view name, const Error& error) {
  log::error("hook", "{}: {}", name, error.message());
  return kFailed;
}

/// Says what went wrong, or was left undone, where somebody may see it. runc
/// does not listen to a hook that succeeds and crun to none, and an engine's
/// --log is read after failures only: what stays are the log that config.toml
/// names and the system's.
void keep(std::string_view name, const hook::ContainerState& state,
          std::span<const std::string> messages, int status) {
  if (messages.empty()) return;
  Report report;
  if (const auto rules = load_rules()) {
    report.add_destination({rules->runtime.debug, false});
    report.set_level(rules->runtime.log_level);
  }
  const std::string& container =
      state.bundle.empty() ? state.root : state.bundle;
  for (const std::string& message : messages) {
    const std::string line =
        one_line(fmt::format("hook {}: {} ({})", name, message, container));
    if (status == kFailed) {
      report.add_error(line);
    } else {
      log::warning("hook", "{}: {}", name, message);
      report.warn(line);
    }
    warn_system_log(line);
  }
  report.flush();
}

int run_command(const HookCommand& command,
                std::span<const std::string> arguments) {
  const auto flags =
      text::GoFlags::parse(command.flags, arguments, no_environment);
  if (!flags) {
    print("Incorrect Usage: " + flags.error().message() + "\n\n");
    print_help(command);
    return fail(command.name, flags.error());
  }
  if (flags->asks_for_help()) return print_help(command);
  const auto request = command.read(*flags);
  if (!request) return fail(command.name, request.error());
  if (!command.idle_reason.empty()) {
    log::info("hook", "{}: nothing is done: {}", command.name,
              command.idle_reason);
    return kDone;
  }
  const auto state = read_state(request->state_path);
  if (!state) return fail(command.name, state.error());
  const auto warnings = carry_out(*request, *state);
  if (!warnings) {
    const std::array messages = {warnings.error().message()};
    keep(command.name, *state, messages, kFailed);
    return fail(command.name, warnings.error());
  }
  keep(command.name, *state, *warnings, kDone);
  return kDone;
}

/// Flags before a hook's name, which NVIDIA's tool has.
std::span<const text::GoFlag> global_flags() {
  static const std::array kFlags = {
      text::GoFlag{.name = "debug",
                   .kind = text::GoFlag::Kind::kBool,
                   .aliases = {"d"},
                   .usage = "Accepted; there is nothing more to say"},
      text::GoFlag{.name = "quiet",
                   .kind = text::GoFlag::Kind::kBool,
                   .usage = "Say only what went wrong"},
      text::GoFlag{.name = "version",
                   .kind = text::GoFlag::Kind::kBool,
                   .aliases = {"v"},
                   .usage = "Print the version"}};
  return kFlags;
}

/// As NVIDIA's, which adds its commit.
int print_version() {
  print(fmt::format("NVIDIA CDI Hook version {}\n", kVersion));
  return kDone;
}

/// Specs live longer than programs: what a newer one asks of us must not keep
/// a container from starting.
int refuse_kindly(std::string_view what) {
  log::warning("hook", "{}", what);
  return kDone;
}

}  // namespace

int run_hook(std::span<const std::string> arguments) {
  if (const auto confined = hook::confine_process(); !confined) {
    return fail("hook", confined.error());
  }
  const auto flags =
      text::GoFlags::parse(global_flags(), arguments, no_environment);
  if (!flags) return refuse_kindly("No CDI hook specified");
  if (flags->asks_for_help()) return print_all_help();
  if (flags->is_true("version")) return print_version();
  if (flags->is_true("quiet")) log::set_level(log::Level::kError);
  const std::vector<std::string>& rest = flags->arguments();
  if (rest.empty()) return refuse_kindly("No CDI hook specified");
  const HookCommand* const command = find_hook_command(rest.front());
  if (command == nullptr) {
    return refuse_kindly("Unsupported CDI hook: " +
                         host::printable(rest.front()));
  }
  return run_command(*command, std::span(rest).subspan(1));
}

}  // namespace gpunode::runtime
