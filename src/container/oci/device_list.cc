#include "container/oci/device_list.h"

#include <algorithm>

namespace gpunode::oci {

DeviceList read_device_list(std::span<const std::string> items) {
  DeviceList list;
  if (items.empty() ||
      std::find(items.begin(), items.end(), "void") != items.end()) {
    return list;
  }
  for (const std::string& item : items) {
    if (item == "all") return {DeviceList::Kind::kAll, {}};
    if (item == "none") return {DeviceList::Kind::kNone, {}};
    if (std::find(list.names.begin(), list.names.end(), item) ==
        list.names.end()) {
      list.names.push_back(item);
    }
  }
  list.kind = DeviceList::Kind::kNamed;
  return list;
}

std::vector<std::string> split_list(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\n\v\f\r";
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(','), text.size());
    std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t first = part.find_first_not_of(kBlanks);
    if (first == std::string_view::npos) continue;
    part = part.substr(first, part.find_last_not_of(kBlanks) + 1 - first);
    parts.emplace_back(part);
  }
  return parts;
}

}  // namespace gpunode::oci
