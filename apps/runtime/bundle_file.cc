#include "apps/runtime/bundle_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/core/unique_fd.h"
#include "base/host/file.h"

namespace gpunode::runtime {
namespace {

constexpr off_t kLargest = off_t{256} << 20U;

}  // namespace

Result<BundleFile> read_bundle_file(const std::string& bundle) {
  BundleFile file;
  file.path = bundle + (bundle.ends_with('/') ? "" : "/") + "config.json";
  const std::string attempt = "read " + file.path;
  // O_NONBLOCK: a FIFO in its place must not hold us.
  const UniqueFd fd(
      ::open(file.path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd) return Error::from_errno(attempt, errno);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) {
    return Error::from_errno(attempt, errno);
  }
  if (!S_ISREG(status.st_mode)) {
    return Error(ErrorCode::kInvalidArgument, attempt + ": not a regular file");
  }
  if (status.st_size > kLargest) {
    return Error(ErrorCode::kCorrupt, attempt + ": larger than 256 MiB");
  }
  file.mode = status.st_mode & 07777U;
  file.text.resize(static_cast<std::size_t>(status.st_size));
  std::size_t size = 0;
  while (size < file.text.size()) {
    const ssize_t n =
        ::read(fd.get(), file.text.data() + size, file.text.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error::from_errno(attempt, errno);
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
  }
  file.text.resize(size);
  return file;
}

Result<void> replace_bundle_file(const BundleFile& file,
                                 std::string_view text) {
  return host::write_file_atomic(file.path, text, file.mode,
                                 host::Durability::kVolatile);
}

}  // namespace gpunode::runtime
