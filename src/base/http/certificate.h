// What X.509 certificates say of themselves: whose, and until when.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace gpunode::http {

/// Claims, which nobody has verified.
struct Certificate {
  std::string common_name;  ///< Of the subject, UTF-8; empty if it has none.
  std::vector<std::string> organizations;  ///< Of the subject.
  std::chrono::sys_seconds not_before{};
  std::chrono::sys_seconds not_after{};  ///< The last second that it holds.
  bool is_authority = false;             ///< May sign others (CA:TRUE).
  /// SubjectPublicKeyInfo (RFC 5280), DER: what pins of keys are digests of.
  std::string public_key = {};
};

/// Every certificate of a PEM text, in its order; whatever else is in it, a
/// private key perhaps, is passed over. The text comes from anywhere. kNotFound
/// without a single one; kCorrupt, with its number, for one that cannot be
/// read. Nothing of the text is in messages. Any thread.
Result<std::vector<Certificate>> read_certificates(std::string_view pem);

}  // namespace gpunode::http
