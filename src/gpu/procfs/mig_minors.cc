#include "gpu/procfs/mig_minors.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <utility>

#include <fmt/format.h>

namespace gpunode::procfs {
namespace {

constexpr const char* kPath = "/proc/driver/nvidia-caps/mig-minors";

// Takes `prefix` and a number off the front of `text`.
std::optional<unsigned> take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return std::nullopt;
  const char* const begin = text.data() + prefix.size();
  const char* const end = text.data() + text.size();
  unsigned number = 0;
  const auto [stop, error] = std::from_chars(begin, end, number);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(stop - text.data()));
  return number;
}

}  // namespace

std::optional<MigMinors::Key> MigMinors::parse_name(std::string_view name) {
  if (name == "config") return Key{Kind::kConfig, 0, 0, 0};
  if (name == "monitor") return Key{Kind::kMonitor, 0, 0, 0};
  const auto gpu = take(name, "gpu");
  if (!gpu) return std::nullopt;
  const auto gpu_instance = take(name, "/gi");
  if (!gpu_instance) return std::nullopt;
  if (name == "/access") return Key{Kind::kGpuInstance, *gpu, *gpu_instance, 0};
  const auto compute_instance = take(name, "/ci");
  if (!compute_instance || name != "/access") return std::nullopt;
  return Key{Kind::kComputeInstance, *gpu, *gpu_instance, *compute_instance};
}

MigMinors MigMinors::parse(std::string_view text) {
  MigMinors parsed;
  for (unsigned number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.empty()) continue;
    const std::size_t space = std::min(line.find(' '), line.size());
    const auto key = parse_name(line.substr(0, space));
    std::string_view rest = line.substr(space);
    const auto minor = take(rest, " ");
    if (!key || !minor || !rest.empty()) {
      parsed.problems_.push_back(
          fmt::format("{}:{}: not a capability and its minor: {:.80}", kPath,
                      number, line));
      continue;
    }
    parsed.minors_[*key] = *minor;
  }
  return parsed;
}

Result<MigMinors> MigMinors::load(const host::HostRoot& host) {
  auto text = host.read_file(kPath);
  if (text) return parse(*text);
  if (text.error().code() == ErrorCode::kNotFound) return MigMinors();
  return std::move(text).error();
}

std::optional<std::string> MigMinors::path(const Key& key) const {
  const auto found = minors_.find(key);
  if (found == minors_.end()) return std::nullopt;
  return fmt::format("/dev/nvidia-caps/nvidia-cap{}", found->second);
}

std::optional<std::string> MigMinors::gpu_instance_path(
    device::Minor gpu, unsigned gpu_instance) const {
  return path({Kind::kGpuInstance, gpu.value, gpu_instance, 0});
}

std::optional<std::string> MigMinors::compute_instance_path(
    device::Minor gpu, unsigned gpu_instance, unsigned compute_instance) const {
  return path(
      {Kind::kComputeInstance, gpu.value, gpu_instance, compute_instance});
}

std::vector<unsigned> MigMinors::all() const {
  std::vector<unsigned> minors;
  for (const auto& [key, minor] : minors_) minors.push_back(minor);
  std::ranges::sort(minors);
  return minors;
}

std::optional<std::string> MigMinors::config_path() const {
  return path({Kind::kConfig, 0, 0, 0});
}

std::optional<std::string> MigMinors::monitor_path() const {
  return path({Kind::kMonitor, 0, 0, 0});
}

}  // namespace gpunode::procfs
