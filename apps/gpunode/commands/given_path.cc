#include "apps/gpunode/commands/given_path.h"

#include <filesystem>
#include <system_error>

namespace gpunode::cli {

std::string given_path(const std::string& path, const std::string& root) {
  if (root != "/" || path.empty()) return path;
  std::error_code problem;
  const auto whole = std::filesystem::absolute(path, problem);
  // The directory is gone: whoever opens it says that nothing is there.
  return problem ? path : whole.lexically_normal().string();
}

}  // namespace gpunode::cli
