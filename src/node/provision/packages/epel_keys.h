// The keys that EPEL signs its packages with.
//
// They are in the program: where no package of the distribution brings EPEL, a
// key fetched together with what it signs would prove nothing.
#pragma once

#include <optional>
#include <string_view>

namespace gpunode::packages {

/// One key of the Fedora project for one major version of EPEL.
struct EpelKey {
  int major = 0;
  std::string_view fingerprint;  ///< 40 hex digits.
  std::string_view armoured;     ///< The public key, as text.
};

/// Nothing for a major version that had no EPEL when this was written.
std::optional<EpelKey> epel_key(int major);

}  // namespace gpunode::packages
