#include "apps/agent/feature_discovery.h"

#include <unistd.h>

#include <optional>
#include <string>
#include <utility>

#include "agent/config/config_source.h"
#include "agent/config/load.h"
#include "agent/plugin/feature_discovery.h"
#include "apps/agent/process.h"

namespace gpunode {
namespace {

Result<config::LoadedDiscovery> load(const config::CommandLine& command_line) {
  std::optional<config::ConfigText> file;
  const std::string& path = command_line.text(config::Option::kConfigFile);
  if (!path.empty()) {
    TRY(file, config::read_config_file(path));
  }
  return config::load_discovery(command_line, file);
}

}  // namespace

int run_feature_discovery(const config::CommandLine& command_line,
                          const UniqueFd& signals) {
  Result<config::LoadedDiscovery> loaded = load(command_line);
  if (!loaded) return fail(loaded.error().message());
  plugin::FeatureDiscovery discovery(
      {command_line, *std::move(loaded), signals.get()});
  const auto end = discovery.run();
  if (!end) return fail(end.error().message());
  if (*end == plugin::FeatureDiscovery::End::kAsking) ::_exit(kDone);
  return kDone;
}

}  // namespace gpunode
