// Who holds what, in words. Internal to the room.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/console/page.h"
#include "node/diagnose/agent_status.h"
#include "node/diagnose/status_text.h"

namespace gpunode::diagnose {

/// "0-4, 7": `numbers` in ranges.
std::string ranges(const std::set<std::uint64_t>& numbers);

/// "team-a/train-0", or by its UID.
std::string pod_of(const AgentStatus::Holder& holder);

/// Holders by Device. Points into the status that it was made of.
class HolderIndex {
 public:
  explicit HolderIndex(const AgentStatus& status);

  /// Lines for those who hold something of the Device, who holds most of it
  /// first; `is_shared`: with the
  /// numbers of its replicas.
  void describe(const std::string& uuid, bool is_shared, Detail detail,
                console::Page& page) const;

  /// "a/b, c/d and 3 more", empty if nobody holds it.
  std::string names(const std::string& uuid) const;

  /// Those who hold something that is on none of `uuids`.
  std::vector<const AgentStatus::Holder*> elsewhere(
      const std::set<std::string>& uuids) const;

 private:
  struct Share {
    const AgentStatus::Holder* holder;
    std::vector<std::string_view> ids;
  };
  std::map<std::string, std::vector<Share>, std::less<>> shares_;
};

}  // namespace gpunode::diagnose
