// The command lines of hooks: ours, and those of NVIDIA's nvidia-cdi-hook.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/text/go_flags.h"
#include "container/hook/apply.h"

namespace gpunode::runtime {

/// A change of permissions, NVIDIA's hook "chmod".
struct ModeChange {
  unsigned mode = 0;
  std::vector<std::string> paths;
};

/// What one hook's command line asks for.
struct HookRequest {
  hook::Task task;
  std::optional<ModeChange> mode_change;
  /// Of the hooks that every container with a GPU has, one.
  bool delivers_share = false;
  /// Where the state is: a file of the host; empty or "-" is standard input.
  std::string state_path;
};

/// A hook by its name. Passive data.
struct HookCommand {
  std::string_view name;
  std::string_view usage;  ///< One sentence.
  std::span<const text::GoFlag> flags;
  /// kInvalidArgument for values that make no sense.
  Result<HookRequest> (*read)(const text::GoFlags& flags);
  /// Why nothing is done; empty for hooks that do something.
  std::string_view idle_reason = {};
};

/// All hooks there are.
std::span<const HookCommand> hook_commands();

/// Nothing if there is no hook of that name.
const HookCommand* find_hook_command(std::string_view name);

}  // namespace gpunode::runtime
