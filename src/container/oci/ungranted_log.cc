#include "container/oci/ungranted_log.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/core/rfc3339.h"
#include "base/core/unique_fd.h"
#include "base/text/json_splice.h"

namespace gpunode::oci {
namespace {

std::string json_of(std::string_view value) {
  constexpr std::size_t kLongest = 300;
  return text::json_string(value.substr(0, kLongest));
}

}  // namespace

std::string shown(const DeviceList& list) {
  switch (list.kind) {
    case DeviceList::Kind::kNothing:
      return "";
    case DeviceList::Kind::kNone:
      return "none";
    case DeviceList::Kind::kAll:
      return "all";
    case DeviceList::Kind::kNamed:
      break;
  }
  return fmt::format("{}", fmt::join(list.names, ",")).substr(0, 300);
}

std::string ungranted_line(const Ungranted& event,
                           std::chrono::system_clock::time_point when) {
  return text::json_object({{"time", json_of(rfc3339(when))},
                            {"namespace", json_of(event.who.pod_namespace)},
                            {"pod", json_of(event.who.pod_name)},
                            {"podUid", json_of(event.who.pod_uid)},
                            {"container", json_of(event.who.container_name)},
                            {"image", json_of(event.who.image)},
                            {"asked", json_of(shown(event.asked))},
                            {"why", json_of(event.why)}}) +
         "\n";
}

namespace {

/// Sets a full log aside. Of several that see it full at once one does so: the
/// others' descriptor is no longer that of the name, and what they would set
/// aside is new, over the one that is full.
Result<void> turn_over(const std::string& path, int file) {
  struct stat ours {};
  if (::fstat(file, &ours) != 0 ||
      static_cast<std::size_t>(ours.st_size) <= kUngrantedLimitBytes) {
    return {};
  }
  if (::flock(file, LOCK_EX | LOCK_NB) != 0) return {};
  struct stat named {};
  if (::lstat(path.c_str(), &named) != 0 || named.st_ino != ours.st_ino ||
      named.st_dev != ours.st_dev) {
    return {};
  }
  if (std::rename(path.c_str(), (path + ".1").c_str()) != 0) {
    return Error::from_errno("rename " + path, errno);
  }
  return {};
}

}  // namespace

Result<void> append_ungranted(const std::string& directory,
                              const std::string& line) {
  const std::string path = directory + "/ungranted.ndjson";
  if (::mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST) {
    return Error::from_errno("make " + directory, errno);
  }
  const UniqueFd file(::open(
      path.c_str(),
      O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
      0644));
  if (!file) return Error::from_errno("open " + path, errno);
  const ssize_t written = ::write(file.get(), line.data(), line.size());
  if (written != static_cast<ssize_t>(line.size())) {
    return Error::from_errno("write " + path, written < 0 ? errno : ENOSPC);
  }
  return turn_over(path, file.get());
}

}  // namespace gpunode::oci
