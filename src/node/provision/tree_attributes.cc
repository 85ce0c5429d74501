#include "node/provision/tree_attributes.h"

#include <sys/xattr.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "node/provision/tree_walk.h"

namespace gpunode::provision {
namespace {

/// Asks `call` for the size, and again for the bytes; somebody may make them
/// more in between.
template <class Call>
Result<std::string> read_all(const std::string& attempt, Call call) {
  for (;;) {
    const ssize_t size = call(nullptr, 0);
    if (size == 0) return std::string();
    if (size < 0) return Error::from_errno(attempt, errno);
    std::string bytes(static_cast<std::size_t>(size), '\0');
    const ssize_t got = call(bytes.data(), bytes.size());
    if (got < 0 && errno == ERANGE) continue;
    if (got < 0) return Error::from_errno(attempt, errno);
    bytes.resize(static_cast<std::size_t>(got));
    return bytes;
  }
}

}  // namespace

Result<std::map<std::string, std::string>> attributes_of(
    const std::string& path) {
  std::map<std::string, std::string> attributes;
  auto names = read_all("list the attributes of " + path,
                        [&](char* buffer, std::size_t size) {
                          return ::llistxattr(path.c_str(), buffer, size);
                        });
  if (!names && names.error().code() == ErrorCode::kUnsupported) {
    return attributes;
  }
  if (!names) return std::move(names).error();
  std::string_view rest = *names;
  while (!rest.empty()) {
    const std::string name(rest.substr(0, rest.find('\0')));
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    TRY(attributes[name],
        read_all("read " + name + " of " + path,
                 [&](char* buffer, std::size_t size) {
                   return ::lgetxattr(path.c_str(), name.c_str(), buffer, size);
                 }));
  }
  return attributes;
}

bool is_copied_attribute(const std::string& name) {
  constexpr std::array<std::string_view, 4> kOthers = {
      "security.selinux", "security.evm", "trusted.SGI_", "user.Beagle."};
  return std::ranges::none_of(
      kOthers, [&](std::string_view other) { return name.starts_with(other); });
}

Result<void> copy_link_attributes(const std::string& from,
                                  const std::string& to) {
  return walk_tree(from, {}, [&](const TreeEntry& entry) -> Result<void> {
    if (!S_ISLNK(entry.status.st_mode)) return {};
    TRY(const auto attributes, attributes_of(entry.path));
    const std::string copy = to + entry.name;
    for (const auto& [name, value] : attributes) {
      if (!is_copied_attribute(name)) continue;
      if (::lsetxattr(copy.c_str(), name.c_str(), value.data(), value.size(),
                      0) != 0) {
        return Error::from_errno("set " + name + " of " + copy, errno);
      }
    }
    return {};
  });
}

}  // namespace gpunode::provision
