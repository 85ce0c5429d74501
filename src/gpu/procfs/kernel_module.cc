#include "gpu/procfs/kernel_module.h"

#include <algorithm>
#include <cstddef>

#include <fmt/format.h>

#include "base/core/ascii.h"

namespace gpunode::procfs {
namespace {

constexpr const char* kPath = "/proc/driver/nvidia/version";

// "545.23.08", "550.54": digits with dots between, at least one dot.
bool is_version(std::string_view word) {
  if (word.empty() || !is_digit(word.front()) || !is_digit(word.back())) {
    return false;
  }
  return word.find('.') != std::string_view::npos &&
         word.find("..") == std::string_view::npos &&
         std::all_of(word.begin(), word.end(),
                     [](char c) { return is_digit(c) || c == '.'; });
}

}  // namespace

std::optional<KernelModule> parse_kernel_module(std::string_view text) {
  // "NVRM version: NVIDIA UNIX x86_64 Kernel Module  545.23.08  Mon Nov …"
  // "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  …"
  std::string_view line = text.substr(0, text.find('\n'));
  if (!line.starts_with("NVRM version:")) return std::nullopt;
  KernelModule module;
  module.is_open = line.find(" Open Kernel Module") != std::string_view::npos;
  while (!line.empty()) {
    const std::size_t end = std::min(line.find(' '), line.size());
    const std::string_view word = line.substr(0, end);
    if (is_version(word)) {
      module.version = word;
      return module;
    }
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return std::nullopt;
}

Result<KernelModule> load_kernel_module(const host::HostRoot& host) {
  TRY(const std::string text, host.read_file(kPath));
  auto module = parse_kernel_module(text);
  if (!module) {
    return Error(ErrorCode::kCorrupt,
                 fmt::format("{}: no driver version in it", kPath));
  }
  return *std::move(module);
}

}  // namespace gpunode::procfs
