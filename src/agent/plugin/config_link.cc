#include "agent/plugin/config_link.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>

namespace gpunode::plugin {
namespace {

// The same file: links followed. A target that is not there is an error, since
// nobody could read the config then.
Result<bool> leads_to(const std::string& link, const std::string& target) {
  struct stat wanted {};
  if (::stat(target.c_str(), &wanted) != 0) {
    return Error::from_errno(
        fmt::format("error evaluating realpath of '{}'", target), errno);
  }
  std::error_code none;
  const auto now = std::filesystem::canonical(link, none);
  if (none) return false;
  const auto then = std::filesystem::canonical(target, none);
  return !none && now == then;
}

}  // namespace

Result<bool> link_config(const std::string& link, const std::string& target) {
  TRY(const bool is_there, leads_to(link, target));
  if (is_there) return false;
  // One program makes this link, so the name needs no random part; what a
  // killed one left behind is in nobody's use.
  const std::string fresh = link + ".new";
  if (::unlink(fresh.c_str()) != 0 && errno != ENOENT) {
    return Error::from_errno("error removing existing config: " + fresh, errno);
  }
  if (::symlink(target.c_str(), fresh.c_str()) != 0) {
    return Error::from_errno("error creating symlink: " + fresh, errno);
  }
  if (::rename(fresh.c_str(), link.c_str()) != 0) {
    const int why = errno;
    ::unlink(fresh.c_str());
    return Error::from_errno("error creating symlink: " + link, why);
  }
  return true;
}

}  // namespace gpunode::plugin
