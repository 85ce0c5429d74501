// The ways to take device memory, each with its way back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace gpunode::share {

struct TakingPath {
  const char* name;
  /// What the driver answered; what it gave goes to `key`.
  int (*take)(std::size_t bytes, std::uint64_t* key);
  int (*give)(std::uint64_t key);
};

/// Ends the program if there is none of the name.
const TakingPath& path_of(const std::string& name);

/// A deed that is about one path alone, with what was taken of `bytes` each;
/// false: it is none of these.
bool do_virtual(const std::string& deed, std::size_t bytes,
                const std::vector<std::uint64_t>& taken);

/// sync, or about the device's pool: keep (nothing is returned), trim; destroy
/// is about the program's own.
bool do_pool(const std::string& deed);

}  // namespace gpunode::share
