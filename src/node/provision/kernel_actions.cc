#include "node/provision/kernel_actions.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace gpunode::provision {
namespace {

/// "net.ipv4.ip_forward" as its file; a slash in a name stands for a dot of an
/// interface, as sysctl(8) has it.
std::string sysctl_path(std::string name) {
  for (char& c : name) {
    if (c == '.') {
      c = '/';
    } else if (c == '/') {
      c = '.';
    }
  }
  return "/proc/sys/" + name;
}

std::string trimmed(std::string text) {
  const std::size_t end = text.find_last_not_of(" \t\n");
  text.resize(end == std::string::npos ? 0 : end + 1);
  return text;
}

/// Swapping gigabytes back in takes its time.
constexpr std::chrono::minutes kSwapTimeout{10};

}  // namespace

Result<Inverse> KernelActions::prepare(const SetSysctl& action) const {
  auto before = host_.read_file(sysctl_path(action.name));
  if (!before) {
    // The module that brings it is loaded just before: nothing was set then.
    if (before.error().code() == ErrorCode::kNotFound) return Inverse{};
    return std::move(before).error();
  }
  return Inverse::of(SetSysctl{action.name, trimmed(*std::move(before))});
}

Result<void> KernelActions::perform(const SetSysctl& action) const {
  const std::string path = sysctl_path(action.name);
  TRY(const UniqueFd file, host_.open(path, O_WRONLY));
  const std::string line = action.value + "\n";
  if (::write(file.get(), line.data(), line.size()) !=
      static_cast<ssize_t>(line.size())) {
    return Error::from_errno(
        fmt::format("set {} = {}", action.name, action.value), errno);
  }
  return {};
}

Result<bool> KernelActions::has_module(const std::string& name) const {
  if (host_.exists("/sys/module/" + name)) return true;
  TRY(const std::string modules, host_.read_file("/proc/modules"));
  return modules.starts_with(name + " ") ||
         modules.find("\n" + name + " ") != std::string::npos;
}

Result<Inverse> KernelActions::prepare(const SetModule& action) const {
  TRY(const bool is_loaded, has_module(action.name));
  if (is_loaded == action.loaded) return Inverse{};
  return Inverse::of(SetModule{action.name, is_loaded}, Undo::kCompensating);
}

Result<void> KernelActions::perform(const SetModule& action) const {
  TRY(const bool is_loaded, has_module(action.name));
  if (is_loaded == action.loaded) return {};
  host::Command command;
  command.argv = {"/sbin/modprobe"};
  if (!action.loaded) command.argv.emplace_back("-r");
  command.argv.push_back(action.name);
  TRY_VOID(runner_.output(command));
  return {};
}

Result<bool> KernelActions::has_swap(const std::string& path) const {
  TRY(const std::string swaps, host_.read_file("/proc/swaps"));
  return swaps.find("\n" + path + " ") != std::string::npos ||
         swaps.find("\n" + path + "\t") != std::string::npos;
}

Result<Inverse> KernelActions::prepare(const SetSwap& action) const {
  TRY(const bool is_on, has_swap(action.path));
  if (is_on == action.on) return Inverse{};
  return Inverse::of(SetSwap{action.path, is_on});
}

Result<void> KernelActions::perform(const SetSwap& action) const {
  TRY(const bool is_on, has_swap(action.path));
  if (is_on == action.on) return {};
  host::Command command;
  command.argv = {action.on ? "/sbin/swapon" : "/sbin/swapoff", action.path};
  command.timeout = kSwapTimeout;
  TRY_VOID(runner_.output(command));
  return {};
}

}  // namespace gpunode::provision
