#include "agent/resource/health_policy.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <system_error>
#include <utility>

#include "agent/resource/replica_id.h"
#include "base/core/ascii.h"

namespace gpunode::resource {
namespace {

/// Applications cause these, hardware is fine.
constexpr std::array<std::uint64_t, 6> kApplicationXids = {13, 31, 43,
                                                           45, 68, 109};

struct XidList {
  bool is_all = false;
  std::set<std::uint64_t> xids;
  std::vector<std::string> meaningless;
};

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\v\f\r";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::string lowered(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    c = to_lower(c);
  }
  return lower;
}

XidList parse(std::string_view text) {
  XidList list;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t comma = std::min(text.find(',', start), text.size());
    const std::string item =
        lowered(trimmed(text.substr(start, comma - start)));
    start = comma + 1;
    if (item.empty()) continue;
    if (item == "all" || item == "xids") {
      list.is_all = true;
      continue;
    }
    std::uint64_t xid = 0;
    const char* const end = item.data() + item.size();
    const auto [stop, error] = std::from_chars(item.data(), end, xid);
    if (error == std::errc{} && stop == end) {
      list.xids.insert(xid);
    } else {
      list.meaningless.push_back(printable(item));
    }
  }
  return list;
}

}  // namespace

HealthPolicy HealthPolicy::from_environment(
    const std::optional<std::string>& disable_healthchecks,
    const std::optional<std::string>& enable_healthchecks) {
  XidList disable = parse(disable_healthchecks.value_or(""));
  XidList enable = parse(enable_healthchecks.value_or(""));
  HealthPolicy policy;
  policy.no_xid_ = disable.is_all;
  policy.every_xid_ = enable.is_all;
  policy.ignored_ = std::move(disable.xids);
  policy.enabled_ = std::move(enable.xids);
  policy.meaningless_ = std::move(disable.meaningless);
  policy.meaningless_.insert(policy.meaningless_.end(),
                             enable.meaningless.begin(),
                             enable.meaningless.end());
  return policy;
}

bool HealthPolicy::is_critical(std::uint64_t xid) const {
  if (every_xid_) return true;
  if (no_xid_) return false;
  if (enabled_.contains(xid)) return true;
  return !ignored_.contains(xid) &&
         std::find(kApplicationXids.begin(), kApplicationXids.end(), xid) ==
             kApplicationXids.end();
}

}  // namespace gpunode::resource
