#include "apps/gpunode/commands/own_programs.h"

#include <filesystem>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/host/host_root.h"

namespace gpunode::cli {

std::string own_program(std::string_view name) {
  const auto self = host::HostRoot().read_link("/proc/self/exe");
  const std::string path = self ? *self : "/usr/bin/";
  return path.substr(0, path.rfind('/') + 1) + std::string(name);
}

CLI::Option* add_own_program(CLI::App& verb, const std::string& option,
                             std::string& path, std::string_view name,
                             const std::string& help) {
  path = own_program(name);
  const auto absolute = [](const std::string& given) {
    return std::filesystem::absolute(given).string();
  };
  return verb
      .add_option(option, path, help)
      // Help and manual are the same wherever this program lies.
      ->default_str(fmt::format("the {} beside gpunode", name))
      ->transform(absolute, "");
}

}  // namespace gpunode::cli
