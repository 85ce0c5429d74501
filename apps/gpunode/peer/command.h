// Commands within commands, told and refused as NVIDIA's tools do.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "apps/gpunode/session.h"
#include "base/core/result.h"
#include "base/text/go_flags.h"

namespace gpunode::cli {

/// Lines on standard error in the form of NVIDIA's log: on a terminal
/// `INFO[0000] text`, else `time="…" level=info msg="…"`.
class PeerLog {
 public:
  enum class Level { kDebug, kInfo, kWarning, kError };

  /// What is below is not said.
  void set_level(Level level) { level_ = level; }

  void info(std::string_view text) const { write(Level::kInfo, text); }
  void warning(std::string_view text) const { write(Level::kWarning, text); }
  void error(std::string_view text) const { write(Level::kError, text); }

 private:
  void write(Level level, std::string_view text) const;

  Level level_ = Level::kInfo;
};

/// What every command may use.
struct PeerContext {
  Session& session;
  PeerLog log;
  std::string config_path;  ///< --config of the program; may be empty.
};

/// One command: it does something or has others below it, or both.
struct PeerCommand {
  using Run = std::function<Result<void>(const text::GoFlags&, PeerContext&)>;

  std::string_view name;
  std::string_view usage;  ///< One line.
  std::span<const text::GoFlag> flags = {};
  Run run = {};
  std::vector<PeerCommand> commands = {};
  std::vector<std::string_view> aliases = {};
};

/// Finds and runs what `arguments` name below `command`. `path` is how it was
/// called so far, "nvidia-ctk runtime". The exit code.
int run_peer_command(const PeerCommand& command, const std::string& path,
                     std::span<const std::string> arguments,
                     PeerContext& context);

PeerCommand runtime_command();
PeerCommand config_command();
PeerCommand cdi_command();
PeerCommand system_command();

/// Where the toolkit's configuration is: the variables that move it, or
/// /etc/nvidia-container-runtime/config.toml.
std::string toolkit_config_path(const Session& session);

}  // namespace gpunode::cli
