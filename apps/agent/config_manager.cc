#include "apps/agent/config_manager.h"

#include <memory>
#include <string>
#include <utility>

#include "agent/config/manager_settings.h"
#include "agent/plugin/cluster_credentials.h"
#include "agent/plugin/config_manager.h"
#include "apps/agent/process.h"
#include "base/core/log.h"

namespace gpunode {
namespace {

Result<void> run(const config::CommandLine& command_line,
                 const config::Environment& environment,
                 const UniqueFd& signals) {
  TRY(config::ManagerSettings settings, config::load_manager(command_line));
  log::set_level(settings.log_level);
  auto credentials =
      plugin::cluster_credentials(settings.kubeconfig, environment);
  if (!credentials) {
    return Error(credentials.error().code(),
                 "error building kubernetes clientcmd config: " +
                     credentials.error().message());
  }
  TRY(const auto manager,
      plugin::ConfigManager::start(
          {std::move(settings), *std::move(credentials), signals.get()}));
  return manager->run();
}

}  // namespace

int run_config_manager(const config::CommandLine& command_line,
                       const config::Environment& environment,
                       const UniqueFd& signals) {
  const Result<void> end = run(command_line, environment, signals);
  return end ? kDone : fail(end.error().message());
}

}  // namespace gpunode
