// The parts of a path as text; nothing is looked up.
#pragma once

#include <string>
#include <string_view>

namespace gpunode::host {

/// "c" of "/a/b/c"; the whole if there is no slash.
constexpr std::string_view base_name(std::string_view path) {
  return path.substr(path.rfind('/') + 1);  // npos + 1 is 0.
}

/// "/a/b" of "/a/b/c"; "/" of "/c" and of a name without a slash, since paths
/// of a host mean the same with and without the first one.
inline std::string directory_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == 0 || slash == std::string_view::npos) return "/";
  return std::string(path.substr(0, slash));
}

}  // namespace gpunode::host
