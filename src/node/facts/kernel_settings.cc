#include "node/facts/kernel_settings.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <set>

#include "base/host/path.h"
#include "node/facts/host_text.h"

namespace gpunode::facts {
namespace {

using Names = std::set<std::string, std::less<>>;

/// Modules are named with dashes in some places, with underscores in others.
std::string with_underscores(std::string_view name) {
  std::string result(name);
  std::ranges::replace(result, '-', '_');
  return result;
}

/// "overlay 151552 12 - Live 0x0000000000000000": true for those that work
/// already, false for those that are coming or going.
std::map<std::string, bool, std::less<>> module_table(std::string_view table) {
  std::map<std::string, bool, std::less<>> modules;
  while (!table.empty()) {
    std::string_view line = take_line(table);
    const std::string_view name = take_until(line, ' ');
    modules[with_underscores(name)] =
        line.find(" Live ") != std::string_view::npos;
  }
  return modules;
}

/// "kernel/fs/overlayfs/overlay.ko" a line.
Names builtin_modules(std::string_view list) {
  Names names;
  while (!list.empty()) {
    const std::string_view file = host::base_name(take_line(list));
    names.insert(with_underscores(file.substr(0, file.find(".ko"))));
  }
  return names;
}

Names read_builtin_modules(const host::HostRoot& host, HostFacts& facts) {
  const std::string path =
      "/lib/modules/" + facts.kernel.release + "/modules.builtin";
  const auto list = host.read_file(path);
  if (list) return builtin_modules(*list);
  facts.gaps.push_back(
      "which modules are built into the kernel is not known: "
      "read " +
      path + ": " + cause_of(host, path, list.error()));
  return {};
}

}  // namespace

std::optional<std::string> sysctl_path(std::string_view name) {
  std::string path(name);
  for (char& c : path) {
    if (c == '.') {
      c = '/';
    } else if (c == '/') {
      c = '.';
    } else if (c == '\0' || c == '\n') {
      return std::nullopt;
    }
  }
  path = "/" + path + "/";
  if (path.find("//") != std::string::npos ||
      path.find("/../") != std::string::npos ||
      path.find("/./") != std::string::npos) {
    return std::nullopt;
  }
  path.pop_back();
  return "/proc/sys" + path;
}

void read_wanted_sysctls(const host::HostRoot& host, const Wanted& wanted,
                         HostFacts& facts) {
  for (const std::string& name : wanted.sysctls) {
    const auto path = sysctl_path(name);
    if (!path) {
      facts.gaps.push_back("sysctl " + name + " is no name of a setting");
      continue;
    }
    auto value = host.read_file(*path, std::size_t{64} << 10U);
    if (!value) {
      if (value.error().code() != ErrorCode::kNotFound) {
        facts.gaps.push_back("sysctl " + name + ": " +
                             cause_of(host, *path, value.error()));
      }
      continue;
    }
    if (value->ends_with('\n')) value->pop_back();
    facts.sysctls.emplace(name, *std::move(value));
  }
}

void read_wanted_modules(const host::HostRoot& host, const Wanted& wanted,
                         HostFacts& facts) {
  if (wanted.modules.empty()) return;
  // A kernel without modules has no such table.
  const auto table = host.read_file("/proc/modules");
  const auto modules = module_table(table ? *table : std::string());
  std::optional<Names> builtin;
  for (const std::string& wanted_name : wanted.modules) {
    const std::string name = with_underscores(wanted_name);
    if (const auto found = modules.find(name); found != modules.end()) {
      if (found->second) facts.modules.emplace(name, true);
      continue;
    }
    // Those with parameters have a directory; the list has all.
    if (host.exists("/sys/module/" + name)) {
      facts.modules.emplace(name, false);
      continue;
    }
    if (!builtin) builtin = read_builtin_modules(host, facts);
    if (builtin->contains(name)) facts.modules.emplace(name, false);
  }
}

}  // namespace gpunode::facts
