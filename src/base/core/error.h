// Why something failed: a code for the program, a sentence for the person.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace gpunode {

/// The few ways of failing that a caller may act on. Values mirror gRPC's
/// canonical codes, so that k8s/kubelet translates with a table.
enum class ErrorCode {
  kInvalidArgument,
  kNotFound,
  kAlreadyExists,
  kPermissionDenied,
  kUnavailable,  ///< Retrying later may work (driver reloading, kubelet down).
  kUnsupported,  ///< This host or driver cannot do it; retrying won't help.
  kCorrupt,      ///< Input was read but does not parse.
  kInternal,
};

/// A failure. Messages are lower case, without a full stop, and name what was
/// attempted before the cause: `open /dev/nvidia0: permission denied`.
class [[nodiscard]] Error {
 public:
  Error(ErrorCode code, std::string message)
      : code_(code), message_(std::move(message)) {}

  /// Translates `errno_value`; this is the project's only errno table.
  static Error from_errno(std::string_view attempted, int errno_value);

  ErrorCode code() const { return code_; }
  const std::string& message() const { return message_; }

  /// Prefixes what was being attempted; the code stays.
  Error with_context(std::string_view attempted) &&;

 private:
  ErrorCode code_;
  std::string message_;
};

/// The text of an errno value, lower-cased as Go and our messages have it.
std::string errno_text(int errno_value);

}  // namespace gpunode
