// Where this program's file is, whatever it was called.
#pragma once

#include <optional>
#include <string>

namespace gpunode::runtime {

/// From /proc/self/exe; nothing if that cannot be read or the file is gone.
std::optional<std::string> own_path();

}  // namespace gpunode::runtime
