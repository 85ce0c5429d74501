// How Go's encoding/json puts values into typed fields, and what it says when
// it cannot. NVIDIA's plugin decodes its file with it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/text/node.h"

namespace gpunode::config {

/// Where in Go's types a value goes:
/// "Flags.flags.CommandLineFlags.mofedEnabled".
using GoPath = std::string_view;

/// "<message> (<file>:<line>:<column>: <advice>)": the peer's words, then ours.
Error at_place(std::string_view message, std::string_view file_name,
               text::Mark mark, std::string_view advice);

/// Reads values of one file. A null sets nothing: the caller's default stays.
class GoDecoder {
 public:
  explicit GoDecoder(std::string_view file_name) : file_name_(file_name) {}

  Result<bool> boolean(const text::Node& value, GoPath path, bool unset) const;
  Result<std::string> string(const text::Node& value, GoPath path,
                             std::string_view go_type = "string") const;
  Result<std::int64_t> integer(const text::Node& value, GoPath path) const;
  /// Fails unless `value` is a mapping or null.
  Result<void> mapping(const text::Node& value, GoPath path,
                       std::string_view go_type) const;
  /// Fails unless `value` is a sequence or null.
  Result<void> sequence(const text::Node& value, GoPath path,
                        std::string_view go_type) const;

  Error fail(std::string_view message, const text::Node& value,
             std::string_view advice) const {
    return at_place(message, file_name_, value.mark, advice);
  }
  std::string_view file_name() const { return file_name_; }

 private:
  Error mismatch(const text::Node& value, GoPath path, std::string_view go_type,
                 std::string_view advice) const;

  std::string_view file_name_;
};

/// The name in `names` that Go takes `key` for: the same, else the same but for
/// letter case; empty if none.
std::string_view match_field(std::string_view key,
                             std::span<const std::string_view> names);

/// The entries in byte order of their keys: the order in which a decoder meets
/// them after YAML became JSON, hence which error is reported first.
std::vector<const text::Entry*> sorted_entries(const text::Node& mapping);

}  // namespace gpunode::config
