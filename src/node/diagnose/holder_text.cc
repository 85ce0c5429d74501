#include "node/diagnose/holder_text.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>

namespace gpunode::diagnose {
namespace {

/// Of one Device, before the rest is a number.
constexpr std::size_t kShown = 8;
constexpr std::size_t kNamed = 3;
constexpr std::size_t kIndent = 6;

/// The n of "<uuid>::<n>".
std::optional<std::uint64_t> replica_of(std::string_view id) {
  const std::size_t mark = id.find("::");
  if (mark == std::string_view::npos) return std::nullopt;
  const std::string_view digits = id.substr(mark + 2);
  std::uint64_t number = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size()) {
    return std::nullopt;
  }
  return number;
}

std::string_view device_of(std::string_view id) {
  return id.substr(0, id.find("::"));
}

/// What a holder has of one Device. An id that is not numbered counts.
std::string line_of(const AgentStatus::Holder& holder,
                    const std::vector<std::string_view>& ids, bool is_shared) {
  std::set<std::uint64_t> numbers;
  for (const std::string_view id : ids) {
    if (const auto number = replica_of(id)) numbers.insert(*number);
  }
  std::string text =
      fmt::format("{}, container {}: ", pod_of(holder), holder.container);
  if (!is_shared && numbers.empty()) return text + holder.resource;
  text += fmt::format("{} {} of {}", ids.size(),
                      ids.size() == 1 ? "share" : "shares", holder.resource);
  if (!numbers.empty()) text += fmt::format(" ({})", ranges(numbers));
  return text;
}

}  // namespace

std::string ranges(const std::set<std::uint64_t>& numbers) {
  std::string out;
  for (auto at = numbers.begin(); at != numbers.end();) {
    const std::uint64_t first = *at;
    std::uint64_t last = first;
    for (++at; at != numbers.end() && *at == last + 1; ++at) last = *at;
    if (!out.empty()) out += ", ";
    out += first == last ? std::to_string(first)
                         : fmt::format("{}-{}", first, last);
  }
  return out;
}

std::string pod_of(const AgentStatus::Holder& holder) {
  return holder.pod.empty()
             ? "the Pod with UID " + holder.uid
             : fmt::format("{}/{}", holder.pod_namespace, holder.pod);
}

HolderIndex::HolderIndex(const AgentStatus& status) {
  for (const AgentStatus::Holder& holder : status.holders) {
    for (const std::string& id : holder.ids) {
      std::vector<Share>& shares = shares_[std::string(device_of(id))];
      if (shares.empty() || shares.back().holder != &holder) {
        shares.push_back({&holder, {}});
      }
      shares.back().ids.push_back(id);
    }
  }
  for (auto& [uuid, shares] : shares_) {
    std::stable_sort(shares.begin(), shares.end(),
                     [](const Share& a, const Share& b) {
                       return a.ids.size() > b.ids.size();
                     });
  }
}

void HolderIndex::describe(const std::string& uuid, bool is_shared,
                           Detail detail, console::Page& page) const {
  const auto found = shares_.find(uuid);
  if (found == shares_.end()) return;
  const std::vector<Share>& shares = found->second;
  const std::size_t shown = detail == Detail::kAll || shares.size() <= kShown
                                ? shares.size()
                                : kShown - 1;
  for (std::size_t i = 0; i < shown; ++i) {
    const Share& share = shares[i];
    page.line(kIndent, line_of(*share.holder, share.ids, is_shared));
    if (detail != Detail::kAll) continue;
    for (const std::string_view id : share.ids) {
      page.line(kIndent + 2, id, console::Style::kDim);
    }
  }
  if (shown == shares.size()) return;
  page.line(kIndent, fmt::format("and {} more containers; --all names them",
                                 shares.size() - shown));
}

std::string HolderIndex::names(const std::string& uuid) const {
  const auto found = shares_.find(uuid);
  if (found == shares_.end()) return "";
  std::vector<std::string> pods;
  for (const Share& share : found->second) {
    std::string pod = pod_of(*share.holder);
    if (std::find(pods.begin(), pods.end(), pod) == pods.end()) {
      pods.push_back(std::move(pod));
    }
  }
  std::string out;
  const std::size_t named = std::min(pods.size(), kNamed);
  for (std::size_t i = 0; i < named; ++i) {
    out += (i == 0 ? "" : ", ") + pods[i];
  }
  if (pods.size() > named) {
    out += fmt::format(" and {} more", pods.size() - named);
  }
  return out;
}

std::vector<const AgentStatus::Holder*> HolderIndex::elsewhere(
    const std::set<std::string>& uuids) const {
  std::vector<const AgentStatus::Holder*> found;
  for (const auto& [uuid, shares] : shares_) {
    if (uuids.contains(uuid)) continue;
    for (const Share& share : shares) {
      if (std::find(found.begin(), found.end(), share.holder) == found.end()) {
        found.push_back(share.holder);
      }
    }
  }
  return found;
}

}  // namespace gpunode::diagnose
