// What one call of an OCI runtime says, as far as the shim must know.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace gpunode::runtime {

struct Invocation {
  bool is_create = false;
  bool wants_version = false;
  std::string bundle = ".";  ///< The last -b or --bundle.
  std::string log_path;      ///< runc's --log; empty: none.
  bool is_log_json = false;  ///< --log-format json
};

/// Reads arguments as NVIDIA's runtime does: flags of runc's are recognised
/// wherever they stand, with "=" or the next argument as value. `arguments`
/// are argv, the program's name first.
Invocation read_invocation(std::span<const char* const> arguments);

}  // namespace gpunode::runtime
