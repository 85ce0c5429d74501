#include "share/intercept/share_files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "share/intercept/loaded_symbol.h"

namespace gpunode::share {
namespace {

constexpr std::size_t kPathBytes = 4096;

/// Its address is this library's.
const char in_this_library = 0;

void close_without_end(int fd) {
  syscall(SYS_close, fd);
}

int open_unless_interrupted(const char* path, int flags) {
  int fd = -1;
  do {
    // Not libc's: a thread that is cancelled in it would leave what it does
    // half done.
    fd = static_cast<int>(
        syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0));
  } while (fd < 0 && errno == EINTR);
  return fd;
}

/// Opens the file of the container's grant, of which `name` is the last part of
/// `path`. Where the container began before the node's agent, its engine has
/// made a directory of that name, which the agent puts the file into.
int open_in_place(char* path, const char* name, std::size_t room, int flags) {
  const int directory = open_unless_interrupted(path, O_PATH | O_DIRECTORY);
  if (directory < 0) return open_unless_interrupted(path, flags);
  close_without_end(directory);
  if (std::strlen(path) + 1 + std::strlen(name) >= room) return -1;
  std::strcat(path, "/");   // NOLINT(*-insecureAPI.strcpy)
  std::strcat(path, name);  // NOLINT(*-insecureAPI.strcpy)
  const int fd = open_unless_interrupted(path, flags);
  if (fd < 0) errno = EISDIR;  // The place is there: what belongs in it comes.
  return fd;
}

/// Opens the file `name`; -1 and an errno if that fails, and then whether this
/// library is where it was loaded from: if it isn't, that nothing is there says
/// nothing. Where nobody knows where that is, there are no files.
int open_share_file(const char* name, int flags, bool* is_library) {
  std::array<char, kPathBytes> library = {};
  *is_library = false;
  if (!file_of(&in_this_library, library.data(), library.size())) {
    *is_library = true;
    errno = ENOENT;
    return -1;
  }
  std::array<char, kPathBytes> path = library;
  char* base = std::strrchr(path.data(), '/') + 1;
  const std::size_t room =
      path.size() - static_cast<std::size_t>(base - path.data());
  if (std::strlen(name) >= room) {
    *is_library = true;
    errno = ENOENT;
    return -1;
  }
  std::strcpy(base, name);  // NOLINT(*-insecureAPI.strcpy)
  const int fd = open_in_place(path.data(), name, path.size(), flags);
  if (fd >= 0) return fd;
  const int why = errno;
  *is_library = access(library.data(), F_OK) == 0;
  errno = why;
  return -1;
}

}  // namespace

Found map_share_file(const char* name, bool is_writable, Mapping* mapping) {
  bool is_library = false;
  const int fd =
      open_share_file(name, is_writable ? O_RDWR : O_RDONLY, &is_library);
  if (fd < 0) {
    return errno == ENOENT && is_library ? Found::kNotThere : Found::kFailed;
  }
  const off_t size = lseek(fd, 0, SEEK_END);
  if (size > 0) {
    mapping->size = static_cast<std::size_t>(size);
    mapping->bytes = mmap(nullptr, mapping->size,
                          is_writable ? PROT_READ | PROT_WRITE : PROT_READ,
                          MAP_SHARED, fd, 0);
  }
  close_without_end(fd);
  return size > 0 && mapping->bytes != MAP_FAILED ? Found::kMapped
                                                  : Found::kFailed;
}

void touch_share_file(const char* name) {
  bool is_library = false;
  const int fd = open_share_file(name, O_WRONLY, &is_library);
  if (fd >= 0) close_without_end(fd);
}

}  // namespace gpunode::share
