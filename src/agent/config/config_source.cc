#include "agent/config/config_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

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

}  // namespace gpunode::config
