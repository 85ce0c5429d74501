// ShareRoom: what is free of a Resource in shares, and for whom.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "agent/resource/resource.h"

namespace gpunode::resource {

/// Free Replicas by Device. A Device that may not be handed out has none.
class ShareRoom {
 public:
  using IsHealthy = std::function<bool(const Device&)>;

  /// `held`: ids that containers hold, in any order, repeated or not of this
  /// Resource. `resource` must outlive it.
  ShareRoom(const Resource& resource, const std::vector<std::string>& held,
            const IsHealthy& is_healthy);

  /// The most that one container could be given of one Device.
  std::uint32_t largest() const;
  /// One Device has so much, or so many whole ones come to it.
  bool has(std::uint32_t asked) const;

  /// Positions of free Replicas to take back from the offer, so that what is
  /// left of it is less than `asked`: all but those of the Device that has the
  /// most. None if `asked` can be given. A scheduler sees only how many are
  /// free on the node; without this it sends Pods that no GPU has room for.
  std::vector<std::size_t> beyond(std::uint32_t asked) const;

 private:
  const Resource& resource_;
  std::vector<bool> is_held_;        // By position.
  std::vector<std::uint32_t> free_;  // By Device.
};

}  // namespace gpunode::resource
