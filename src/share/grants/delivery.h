// What the node's agent and the runtime tell each other of one grant, by files
// beside its two: docs/adr/0027.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "share/grants/grant.h"

namespace gpunode::share {

/// Ids are our own, and yet are parts of paths.
bool is_allocation_id(std::string_view id);

/// The directory of one grant, as it is used when its container is made.
/// Root's; what a container says is nowhere in it but for names of files, made
/// harmless.
class Delivery {
 public:
  /// `root`: as of GrantFiles. Looks at nothing.
  Delivery(const std::string& root, const std::string& id)
      : place_(root + "/" + id) {}

  /// The one that a container has its `limits` mounted from `source` of;
  /// nothing if that is no file of a grant below `root`.
  static std::optional<Delivery> of_mount(const std::string& root,
                                          std::string_view source);

  /// The agent's word. Without it, after a reboot say, nothing is let run that
  /// cannot be limited: kRefuse.
  OnUnsupported on_unsupported() const;
  bool has_word() const;
  Result<void> tell(OnUnsupported word) const;

  /// The runtime's word: why the container's programs cannot be limited and run
  /// without; empty: they can, or nobody knows better.
  std::string why_unlimited() const;
  /// An empty reason takes the word back.
  Result<void> tell_unlimited(const std::string& reason) const;

  /// What the container has for its /etc/ld.so.preload: the file's path.
  /// kNotFound if there is no such grant.
  Result<std::string> write_preload(std::string_view text) const;

  /// For a new grant of the same ids.
  void forget() const;

 private:
  std::string place_;
};

}  // namespace gpunode::share
