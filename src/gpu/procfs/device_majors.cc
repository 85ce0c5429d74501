#include "gpu/procfs/device_majors.h"

#include <algorithm>
#include <charconv>
#include <cstddef>

namespace gpunode::procfs {

DeviceMajors DeviceMajors::parse(std::string_view text) {
  DeviceMajors parsed;
  text = text.substr(0, text.find("Block devices:"));
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    unsigned number = 0;
    const char* const end = line.data() + line.size();
    const auto [stop, error] = std::from_chars(line.data(), end, number);
    if (error != std::errc() || stop == end || *stop != ' ') continue;
    parsed.majors_.emplace(std::string(stop + 1, end), number);
  }
  return parsed;
}

Result<DeviceMajors> DeviceMajors::load(const host::HostRoot& host) {
  TRY(const std::string text, host.read_file("/proc/devices"));
  return parse(text);
}

std::optional<unsigned> DeviceMajors::of(std::string_view name) const {
  if (const auto found = majors_.find(name); found != majors_.end()) {
    return found->second;
  }
  if (name == "nvidiactl") return of("nvidia");
  if (name == "nvidia") return of("nvidia-frontend");
  return std::nullopt;
}

}  // namespace gpunode::procfs
