#include "gpu/procfs/mig_listing.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace gpunode::procfs {
namespace {

using DeviceKey = std::pair<unsigned, unsigned>;  // GPU's Index, MIG's.

void skip_spaces(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
}

std::optional<unsigned> take_number(std::string_view& text) {
  skip_spaces(text);
  unsigned number = 0;
  const char* const begin = text.data();
  const auto [stop, error] =
      std::from_chars(begin, begin + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(stop - begin));
  return number;
}

bool take(std::string_view& text, std::string_view word) {
  if (!text.starts_with(word)) return false;
  text.remove_prefix(word.size());
  return true;
}

template <class Read>
void for_each_line(std::string_view text, Read read) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    read(line);
  }
}

std::string_view uuid_in(std::string_view line) {
  constexpr std::string_view kMark = "(UUID: ";
  const std::size_t mark = line.find(kMark);
  if (mark == std::string_view::npos) return {};
  line.remove_prefix(mark + kMark.size());
  return line.substr(0, line.find(')'));
}

std::map<DeviceKey, std::string> parse_uuids(std::string_view listing) {
  std::map<DeviceKey, std::string> uuids;
  std::optional<unsigned> gpu;
  for_each_line(listing, [&](std::string_view line) {
    std::string_view rest = line;
    if (take(rest, "GPU ")) {
      gpu = take_number(rest);
      return;
    }
    skip_spaces(rest);
    constexpr std::string_view kDevice = " Device ";
    const std::size_t device = rest.find(kDevice);
    if (!gpu || !rest.starts_with("MIG ") || device == std::string_view::npos) {
      return;
    }
    rest.remove_prefix(device + kDevice.size());
    const auto index = take_number(rest);
    const std::string_view uuid = uuid_in(rest);
    if (index && uuid.starts_with("MIG-")) uuids[{*gpu, *index}] = uuid;
  });
  return uuids;
}

/// GPU, GPU instance, compute instance and device of a row.
std::optional<std::array<unsigned, 4>> parse_row(std::string_view line) {
  if (!take(line, "|")) return std::nullopt;
  std::array<unsigned, 4> numbers{};
  for (unsigned& each : numbers) {
    const auto number = take_number(line);
    if (!number) return std::nullopt;
    each = *number;
  }
  skip_spaces(line);
  if (!line.starts_with('|')) return std::nullopt;
  return numbers;
}

}  // namespace

std::vector<MigUuid> parse_mig_listing(std::string_view listing,
                                       std::string_view table,
                                       const device::Inventory& inventory) {
  const auto uuids = parse_uuids(listing);
  std::vector<MigUuid> found;
  // The table of GPUs and that of processes have rows of numbers too.
  const std::size_t section = table.find("| MIG devices:");
  if (section == std::string_view::npos) return found;
  table.remove_prefix(section);
  table = table.substr(0, table.find("| Processes:"));
  for_each_line(table, [&](std::string_view line) {
    const auto row = parse_row(line);
    if (!row) return;
    const auto [gpu, gpu_instance, compute_instance, device] = *row;
    const auto uuid = uuids.find({gpu, device});
    const auto known = std::ranges::find(inventory.gpus, device::Index{gpu},
                                         &device::Gpu::index);
    if (uuid == uuids.end() || known == inventory.gpus.end()) return;
    found.push_back(
        {known->minor, gpu_instance, compute_instance, device, {uuid->second}});
  });
  return found;
}

}  // namespace gpunode::procfs
