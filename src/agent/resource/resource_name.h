// The name under which Kubernetes counts a kind of Device.
#pragma once

#include <compare>
#include <string>
#include <string_view>
#include <utility>

#include "base/core/result.h"

namespace gpunode::resource {

/// A validated `domain/name`, such as "nvidia.com/gpu". Both halves are lower
/// case RFC 1123 subdomains, so that the name can become a socket or a folder
/// without a thought; the whole has at most 63 characters (NVIDIA's limit).
class ResourceName {
 public:
  /// Fails with kInvalidArgument and NVIDIA's words.
  static Result<ResourceName> parse(std::string_view text);

  const std::string& value() const { return value_; }

  /// What follows the slash: "gpu".
  std::string_view base_name() const {
    return std::string_view(value_).substr(value_.find('/') + 1);
  }

  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 misreads <=>.
  auto operator<=>(const ResourceName&) const = default;

 private:
  explicit ResourceName(std::string value) : value_(std::move(value)) {}

  std::string value_;
};

}  // namespace gpunode::resource
