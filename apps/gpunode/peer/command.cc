#include "apps/gpunode/peer/command.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>

#include <fmt/format.h>

#include "base/core/rfc3339.h"
#include "base/text/go_text.h"

namespace gpunode::cli {
namespace {

constexpr int kNoSuchCommand = 3;

const PeerCommand* find_command(const PeerCommand& parent,
                                const std::string& name) {
  const auto found =
      std::ranges::find_if(parent.commands, [&name](const PeerCommand& each) {
        return each.name == name ||
               std::ranges::find(each.aliases, name) != each.aliases.end();
      });
  return found == parent.commands.end() ? nullptr : &*found;
}

std::string help_of(const PeerCommand& command, const std::string& path) {
  std::string out = fmt::format(
      "NAME:\n   {} - {}\n\nUSAGE:\n   {} [options]{}\n", path, command.usage,
      path, command.commands.empty() ? "" : " [command [options]]");
  if (!command.commands.empty()) {
    out += "\nCOMMANDS:\n";
    std::size_t width = 0;
    for (const PeerCommand& each : command.commands) {
      width = std::max(width, each.name.size());
    }
    for (const PeerCommand& each : command.commands) {
      out += fmt::format("   {:<{}}  {}\n", each.name, width, each.usage);
    }
  }
  return out + "\n" + text::describe_flags(command.flags);
}

}  // namespace

void PeerLog::write(Level level, std::string_view text) const {
  if (level < level_) return;
  struct Name {
    std::string_view on_terminal;
    std::string_view elsewhere;
  };
  static constexpr std::array<Name, 4> kNames = {{{"DEBU", "debug"},
                                                  {"INFO", "info"},
                                                  {"WARN", "warning"},
                                                  {"ERRO", "error"}}};
  const Name& name = kNames.at(static_cast<std::size_t>(level));
  if (::isatty(STDERR_FILENO) == 1) {
    fmt::print(stderr, "{}[0000] {}\n", name.on_terminal, text);
    return;
  }
  fmt::print(stderr, "time=\"{}\" level={} msg={}\n",
             rfc3339(std::chrono::system_clock::now()), name.elsewhere,
             text::go_quote(text));
}

int run_peer_command(const PeerCommand& command, const std::string& path,
                     std::span<const std::string> arguments,
                     PeerContext& context) {
  const auto flags = text::GoFlags::parse(command.flags, arguments,
                                          context.session.environment);
  if (!flags) {
    (void)print(fmt::format("Incorrect Usage: {}\n\n{}",
                            flags.error().message(), help_of(command, path)));
    context.log.error(flags.error().message());
    return 1;
  }
  const std::vector<std::string>& rest = flags->arguments();
  const bool asks_by_command = !rest.empty() && !command.commands.empty() &&
                               (rest[0] == "help" || rest[0] == "h");
  if (flags->asks_for_help() || asks_by_command) {
    return print(help_of(command, path)) ? 0 : 1;
  }
  if (!rest.empty() && !command.commands.empty()) {
    const PeerCommand* next = find_command(command, rest[0]);
    if (next == nullptr) {
      fmt::print(stderr, "No help topic for '{}'\n", text::one_line(rest[0]));
      return kNoSuchCommand;
    }
    return run_peer_command(*next, fmt::format("{} {}", path, next->name),
                            std::span(rest).subspan(1), context);
  }
  if (!command.run) return print(help_of(command, path)) ? 0 : 1;
  if (const auto done = command.run(*flags, context); !done) {
    context.log.error(done.error().message());
    return 1;
  }
  return 0;
}

std::string toolkit_config_path(const Session& session) {
  if (const auto path = session.environment("NVIDIA_CTK_CONFIG_FILE_PATH");
      path && !path->empty()) {
    return *path;
  }
  const auto home = session.environment("XDG_CONFIG_HOME");
  return (home && !home->empty() ? *home : "/etc") +
         "/nvidia-container-runtime/config.toml";
}

}  // namespace gpunode::cli
