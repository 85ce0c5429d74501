// The ids that the kubelet hands back: `<uuid>`, or `<uuid>::<n>` for the
// n-th Replica of a shared Device.
//
// They come over a socket and are hostile until Resource::find() knows them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gpunode::resource {

/// A parsed id. Does not own its text: valid as long as what was parsed.
struct ReplicaId {
  std::string_view device;              ///< The UUID.
  std::optional<std::uint32_t> number;  ///< Absent: the whole Device.

  /// Accepts exactly what to_string() writes: a non-empty UUID and, behind
  /// the first "::", a decimal number without sign or leading zero. Never
  /// allocates, so that 8000 ids cost microseconds.
  static std::optional<ReplicaId> parse(std::string_view text);

  std::string to_string() const;
};

/// True of ids in the shared form, well-formed or not. NVIDIA's test.
bool has_replica_mark(std::string_view id);

/// `id` as it may appear in an error or a log: at most 256 bytes, control
/// characters escaped. A Pod's events show it.
std::string printable(std::string_view id);

}  // namespace gpunode::resource
