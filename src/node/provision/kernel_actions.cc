#include "node/provision/kernel_actions.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/host/host_file.h"
#include "base/host/swap_header.h"
#include "base/host/swap_table.h"

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

Result<std::string> KernelActions::swap_uuid(const std::string& path) const {
  TRY(const UniqueFd fd, host_.open(path, O_RDONLY | O_NONBLOCK));
  return host::read_swap_uuid(fd.get());
}

std::string KernelActions::find_swap(const SetSwap& action) const {
  std::vector<std::string> paths = {action.path};
  if (const auto root = host::open_host(host_); root && !action.uuid.empty()) {
    // The device itself, as /proc/swaps will name it.
    const auto now = root->resolve("/dev/disk/by-uuid/" + action.uuid);
    if (now) paths.insert(paths.begin(), *now);
  }
  for (const std::string& path : paths) {
    const auto uuid = swap_uuid(path);
    if (uuid && (action.uuid.empty() || *uuid == action.uuid)) return path;
  }
  return "";
}

Result<Inverse> KernelActions::prepare(const SetSwap& action) const {
  TRY(const auto swaps, host::read_swap_table(host_));
  const auto swap = std::ranges::find(swaps, action.path, &host::Swap::path);
  const bool is_on = swap != swaps.end();
  if (is_on == action.on) return Inverse{};
  SetSwap back{.path = action.path, .on = is_on};
  if (!is_on) return Inverse::of(std::move(back));
  if (auto uuid = swap_uuid(action.path)) back.uuid = *std::move(uuid);
  if (swap->priority >= 0) back.priority = std::to_string(swap->priority);
  // By a name alone it may not be found again: /dev/zram0, /dev/sdb2.
  const Undo how = back.uuid.empty() ? Undo::kCompensating : Undo::kExact;
  return Inverse::of(std::move(back), how);
}

Result<void> KernelActions::perform(const SetSwap& action) const {
  TRY(const auto swaps, host::read_swap_table(host_));
  const auto is_on = [&](const std::string& path) {
    return std::ranges::find(swaps, path, &host::Swap::path) != swaps.end();
  };
  host::Command command;
  command.timeout = kSwapTimeout;
  if (!action.on) {
    if (!is_on(action.path)) return {};
    command.argv = {"/sbin/swapoff", action.path};
  } else {
    const std::string path = find_swap(action);
    // Gone with its disk, or a zram that is made anew at a boot: to fail would
    // keep all that was done before it from being undone.
    if (path.empty() || is_on(path)) return {};
    command.argv = {"/sbin/swapon"};
    if (!action.priority.empty()) {
      command.argv.insert(command.argv.end(), {"--priority", action.priority});
    }
    command.argv.push_back(path);
  }
  TRY_VOID(runner_.output(command));
  return {};
}

}  // namespace gpunode::provision
