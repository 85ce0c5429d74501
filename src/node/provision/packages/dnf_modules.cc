// Streams of modules: Dnf's further half.
#include "node/provision/packages/dnf.h"
#include "node/provision/packages/lines.h"

namespace gpunode::packages {

/// dnf 5 has another file of them, and NVIDIA's repositories for Fedora have
/// none. yum knows nothing of modules.
Result<void> Dnf::check_streams() const {
  if (dialect_.has_streams) return {};
  return Error(
      ErrorCode::kUnsupported,
      "choose a module's stream: this host's dnf 5 or yum is not asked "
      "for streams by this version; next: with dnf 5 run `dnf module "
      "enable NAME:STREAM` by hand");
}

Result<std::vector<ModuleStream>> Dnf::streams(const std::string& module) {
  TRY_VOID(check_names({module}));
  TRY_VOID(check_streams());
  std::vector<std::string> command = argv();
  command.insert(command.end(), {"-q", "module", "list", module});
  TRY(const host::Completed completed,
      runner_.act("list module streams", command, "",
                  [](const host::Completed& done) {
                    return done.status == 0 ||
                           done.err.find("No matching Modules to list") !=
                               std::string::npos;
                  }));
  return parse_dnf_modules(completed.out);
}

Result<std::string> Dnf::enabled_stream(const std::string& module) const {
  TRY_VOID(check_names({module}));
  TRY_VOID(check_streams());
  const auto text =
      runner_.system().read_file("/etc/dnf/modules.d/" + module + ".module");
  if (!text) {
    if (text.error().code() == ErrorCode::kNotFound) return std::string();
    return text.error();
  }
  std::string stream;
  bool is_enabled = false;
  for (const std::string_view line : lines_of(*text)) {
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    const auto key = trimmed(line.substr(0, equals));
    const auto value = trimmed(line.substr(equals + 1));
    if (key == "stream") stream = value;
    if (key == "state") is_enabled = value == "enabled";
  }
  return is_enabled ? stream : std::string();
}

Result<void> Dnf::enable_stream(const std::string& module,
                                const std::string& stream) {
  TRY_VOID(check_names({module, stream}));
  TRY_VOID(check_streams());
  TRY(const std::string before, enabled_stream(module));
  if (before == stream) return {};
  // dnf refuses to leave an enabled stream for another.
  if (!before.empty()) TRY_VOID(reset_stream(module));
  const auto enable = [this](const std::string& id) -> Result<void> {
    std::vector<std::string> command = argv();
    command.insert(command.end(), {"-y", "module", "enable", id});
    TRY_VOID(runner_.act("enable module " + id, command));
    return {};
  };
  auto enabled = enable(module + ":" + stream);
  // As it was, if it can't be as it should.
  if (!enabled && !before.empty()) (void)enable(module + ":" + before);
  return enabled;
}

Result<void> Dnf::reset_stream(const std::string& module) {
  TRY_VOID(check_names({module}));
  TRY_VOID(check_streams());
  std::vector<std::string> command = argv();
  // What is enabled dnf remembers; a mirror is not needed for it to forget.
  command.insert(command.end(),
                 {"-y", "--disablerepo=*", "module", "reset", module});
  TRY_VOID(runner_.act("reset module " + module, command));
  return {};
}

}  // namespace gpunode::packages
