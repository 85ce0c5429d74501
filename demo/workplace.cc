#include "demo/workplace.h"

#include <cerrno>
#include <cstdlib>
#include <system_error>

namespace gpunode::demo {

Result<Workplace> Workplace::make() {
  std::error_code error;
  std::string name =
      (std::filesystem::temp_directory_path(error) / "gpunode-demo-XXXXXX")
          .string();
  if (error || ::mkdtemp(name.data()) == nullptr) {
    return Error::from_errno("make a directory " + name, errno);
  }
  Workplace workplace(name);
  for (const auto& directory : {workplace.plugin_directory(),
                                workplace.bundles(), workplace.runc_state()}) {
    std::filesystem::create_directories(directory, error);
    if (error) {
      return Error::from_errno("make " + directory.string(), error.value());
    }
  }
  return workplace;
}

void Workplace::remove() const {
  std::error_code ignored;
  std::filesystem::remove_all(root_, ignored);
}

}  // namespace gpunode::demo
