#include "container/hook/links.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstddef>
#include <utility>

namespace gpunode::hook {
namespace {

/// Both paths lead to the same thing inside the root.
bool are_same(const host::RootDirectory& root, const std::string& left,
              const std::string& right) {
  const auto left_fd = root.open_path(left, O_PATH);
  const auto right_fd = root.open_path(right, O_PATH);
  struct stat a {};
  struct stat b {};
  return left_fd && right_fd && ::fstat(left_fd->get(), &a) == 0 &&
         ::fstat(right_fd->get(), &b) == 0 && a.st_dev == b.st_dev &&
         a.st_ino == b.st_ino;
}

/// Where the link would lead, as a path in the root.
std::string destination(const Link& link) {
  if (link.target.starts_with('/')) return link.target;
  return link.path.substr(0, link.path.rfind('/') + 1) + link.target;
}

}  // namespace

Result<Link> parse_link(std::string_view text) {
  constexpr std::string_view kSeparator = "::";
  const std::size_t at = text.find(kSeparator);
  if (at == std::string_view::npos || at == 0 ||
      at + kSeparator.size() == text.size()) {
    return Error(
        ErrorCode::kInvalidArgument,
        "link " + host::printable(text) + ": not of the form TARGET::LINK");
  }
  return Link{std::string(text.substr(0, at)),
              std::string(text.substr(at + kSeparator.size()))};
}

Result<host::Change> make_link(const host::RootDirectory& root,
                               const Link& link) {
  auto change = root.replace_link(link.path, link.target);
  if (!change && are_same(root, link.path, destination(link))) {
    return host::Change::kNone;
  }
  return change;
}

}  // namespace gpunode::hook
