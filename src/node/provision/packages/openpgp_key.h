// What an OpenPGP key file says of its keys: enough to pin them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace gpunode::packages {

/// A primary key of a key file. Subkeys hang on it and are not told.
struct OpenPgpKey {
  std::string fingerprint;   ///< 40 upper-case hex digits (RFC 4880 §12.2).
  std::string user;          ///< The first user id; for people, as it claims.
  std::int64_t created = 0;  ///< Unix seconds.
  /// By its newest self-signature; empty: never. What only the signature says
  /// is not proven here (the package manager checks it): the fingerprint is.
  std::optional<std::int64_t> expires;
  /// Every self-signature is by SHA-1 or MD5, which Debian 13, RHEL 9's and
  /// later policies don't accept.
  bool is_weakly_bound = false;
};

/// The primary keys in `bytes`, ASCII-armoured (one block or several) or
/// binary. kCorrupt if it is neither or has no key; kUnsupported for key
/// versions other than 4, which no repository has yet.
Result<std::vector<OpenPgpKey>> parse_openpgp_keys(std::string_view bytes);

}  // namespace gpunode::packages
