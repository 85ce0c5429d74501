#include "apps/gpunode/peer/nvidia_ctk.h"

#include <array>

#include <fmt/format.h>

#include "apps/gpunode/peer/command.h"
#include "apps/runtime/hook.h"
#include "version.h"

namespace gpunode::cli {
namespace {

using text::GoFlag;

const std::array<GoFlag, 4> kFlags = {{
    {.name = "debug",
     .kind = GoFlag::Kind::kBool,
     .aliases = {"d"},
     .environment = {"NVIDIA_CTK_DEBUG"},
     .usage = "Say more"},
    {.name = "quiet",
     .kind = GoFlag::Kind::kBool,
     .environment = {"NVIDIA_CTK_QUIET"},
     .usage = "Say errors only; stronger than --debug"},
    {.name = "config",
     .environment = {"NVIDIA_CTK_CONFIG"},
     .usage = "Configuration that `cdi generate` takes defaults from"},
    {.name = "version",
     .kind = GoFlag::Kind::kBool,
     .aliases = {"v"},
     .usage = "Print the version"},
}};

PeerCommand tree() {
  return {.name = "nvidia-ctk",
          .usage = "Tools to configure the NVIDIA Container Toolkit",
          .flags = kFlags,
          .commands = {
              // Its arguments are the hook's own business.
              {.name = "hook",
               .usage = "Run a hook in a container that is being made"},
              runtime_command(),
              {.name = "info",
               .usage = "Say something about the system",
               .run = [](const text::GoFlags&,
                         PeerContext&) { return Result<void>(); }},
              cdi_command(),
              system_command(),
              config_command(),
          }};
}

}  // namespace

bool is_nvidia_ctk(const std::string& program) {
  const std::size_t slash = program.rfind('/');
  return (slash == std::string::npos ? program : program.substr(slash + 1)) ==
         "nvidia-ctk";
}

int run_nvidia_ctk(std::span<const std::string> arguments, Session& session) {
  PeerContext context{session, {}, {}};
  const auto flags =
      text::GoFlags::parse(kFlags, arguments, session.environment);
  if (flags && flags->arguments().size() > 1 &&
      flags->arguments()[0] == "hook") {
    return runtime::run_hook(std::span(flags->arguments()).subspan(1));
  }
  if (flags && flags->is_true("version")) {
    return print(fmt::format("NVIDIA Container Toolkit CLI version {}\n",
                             kVersion))
               ? 0
               : 1;
  }
  if (flags) {
    context.config_path = flags->text("config");
    if (flags->is_true("debug")) context.log.set_level(PeerLog::Level::kDebug);
    if (flags->is_true("quiet")) context.log.set_level(PeerLog::Level::kError);
  }
  return run_peer_command(tree(), "nvidia-ctk", arguments, context);
}

}  // namespace gpunode::cli
