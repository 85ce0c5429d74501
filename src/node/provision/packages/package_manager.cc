#include "node/provision/packages/package_manager.h"

#include <utility>

#include "node/provision/packages/apt.h"
#include "node/provision/packages/dnf.h"
#include "node/provision/packages/zypper.h"

namespace gpunode::packages {

std::unique_ptr<PackageManager> make_package_manager(
    Tool tool, host::CommandRunner& runner, Settings settings, Waiting waiting,
    host::HostRoot host) {
  ToolRunner tools(tool, runner, std::move(settings), std::move(waiting),
                   std::move(host));
  switch (tool) {
    case Tool::kApt:
      return std::make_unique<Apt>(std::move(tools));
    case Tool::kDnf:
      return std::make_unique<Dnf>(std::move(tools));
    case Tool::kZypper:
      return std::make_unique<Zypper>(std::move(tools));
  }
  return nullptr;
}

}  // namespace gpunode::packages
