// Versions of the CDI specification, and what each of them can say.
//
// Source: SPEC.md of cncf-tags/container-device-interface, "Released versions".
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

#include "container/cdi/spec.h"

namespace gpunode::cdi {

struct SpecVersion {
  unsigned major = 0;
  unsigned minor = 0;
  unsigned patch = 0;

  // NOLINTNEXTLINE(modernize-use-nullptr): 14 takes <=> for a comparison.
  auto operator<=>(const SpecVersion&) const = default;
  std::string text() const;
};

/// The newest version whose every field we know.
inline constexpr SpecVersion kNewestVersion{1, 1, 0};

/// "0.5.0"; nothing for other forms ("v0.5.0", "0.5", "0.05.0").
std::optional<SpecVersion> parse_spec_version(std::string_view text);

/// A version, and which part of a spec needs it.
struct VersionNeed {
  SpecVersion version{0, 3, 0};
  std::string reason;  ///< "hostPath of a device node"; empty: nothing special.
};

/// The lowest version that can say all of `spec`, 0.3.0 at least. Older engines
/// (podman 4) refuse specs of versions that they do not know, so a spec asks
/// for no more than it needs.
VersionNeed needed_version(const Spec& spec);

}  // namespace gpunode::cdi
