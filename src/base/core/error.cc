#include "base/core/error.h"

#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>

namespace gpunode {
namespace {

ErrorCode code_of(int errno_value) {
  switch (errno_value) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
    case ESRCH:
      return ErrorCode::kNotFound;
    case EEXIST:
    case ENOTEMPTY:
    case EADDRINUSE:
      return ErrorCode::kAlreadyExists;
    case EACCES:
    case EPERM:
    case EROFS:
      return ErrorCode::kPermissionDenied;
    case EAGAIN:
    case EBUSY:
    case ECONNREFUSED:
    case ECONNRESET:
    case ETIMEDOUT:
    case EPIPE:
      return ErrorCode::kUnavailable;
    case ENOSYS:
    case EOPNOTSUPP:
      return ErrorCode::kUnsupported;
    case EINVAL:
    case ENAMETOOLONG:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
      return ErrorCode::kInvalidArgument;
    default:
      return ErrorCode::kInternal;
  }
}

}  // namespace

std::string errno_text(int errno_value) {
  std::array<char, 128> buffer{};
  // The GNU form returns the text, which need not be in `buffer`.
  std::string text = ::strerror_r(errno_value, buffer.data(), buffer.size());
  // "No such file" starts a sentence; "RPC: Unknown" and "I/O" do not.
  if (text.size() > 1 && std::islower(static_cast<unsigned char>(text[1]))) {
    text[0] =
        static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  }
  return text;
}

Error Error::from_errno(std::string_view attempted, int errno_value) {
  return {code_of(errno_value),
          std::string(attempted) + ": " + errno_text(errno_value)};
}

Error Error::with_context(std::string_view attempted) && {
  message_.insert(0, ": ");
  message_.insert(0, attempted);
  return std::move(*this);
}

}  // namespace gpunode
