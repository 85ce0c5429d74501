#include "agent/config/config_source.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <string_view>

#include <fmt/format.h>

#include "agent/config/load.h"
#include "base/core/unique_fd.h"

namespace gpunode::config {
namespace {

Error with_prefix(const Error& error, std::string_view stage) {
  return {error.code(),
          fmt::format("{}{}{}", kLoadPrefix, stage, error.message())};
}

constexpr std::string_view kReading = "error parsing config file: read error: ";

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

bool is_config(int directory, const char* name) {
  if (std::string_view(name).starts_with("..") ||
      std::string_view(name) == ".") {
    return false;
  }
  // A key that the kubelet is about to take away leads nowhere for a moment.
  struct stat status {};
  return ::fstatat(directory, name, &status, 0) == 0 &&
         !S_ISDIR(status.st_mode);
}

}  // namespace

Result<ConfigText> read_config_file(const std::string& path) {
  // Opening a pipe must not wait for somebody to write to it, nor reading one:
  // the agent reloads in its only loop.
  const UniqueFd fd(
      ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd) {
    return with_prefix(Error::from_errno("open " + path, errno),
                       "error opening config file: ");
  }
  struct stat status {};
  if (::fstat(fd.get(), &status) == 0 &&
      (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode))) {
    return with_prefix({ErrorCode::kInvalidArgument,
                        fmt::format("read {}: a pipe, not a file", path)},
                       kReading);
  }
  ConfigText file{path, {}};
  std::array<char, 16384> buffer;
  while (true) {
    const ssize_t count = ::read(fd.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      return with_prefix(Error::from_errno("read " + path, errno), kReading);
    }
    if (count == 0) return file;
    file.text.append(buffer.data(), static_cast<std::size_t>(count));
    if (file.text.size() > kMaxConfigBytes) {
      return with_prefix(
          {ErrorCode::kInvalidArgument,
           fmt::format("{} is larger than {} bytes, the most a ConfigMap can "
                       "hold; is this the right file?",
                       path, kMaxConfigBytes)},
          kReading);
    }
  }
}

Result<std::vector<std::string>> config_names(const std::string& directory) {
  const Directory opened(::opendir(directory.c_str()));
  if (!opened) {
    return Error::from_errno(
        "error getting list of configuration files: open " + directory, errno);
  }
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is this call's own.
    const dirent* entry = ::readdir(opened.get());
    if (entry == nullptr) break;
    if (is_config(::dirfd(opened.get()), entry->d_name)) {
      names.emplace_back(entry->d_name);
    }
  }
  if (errno != 0) {
    return Error::from_errno(
        "error getting list of configuration files: read " + directory, errno);
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace gpunode::config
