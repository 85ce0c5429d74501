// How the double's processes tell each other of memory: the numbers alone. What
// one wrote into it the other does not find.
#pragma once

#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

namespace gpunode::fake_cuda {

/// What is in a handle, a file descriptor or a pointer's export: a copy of
/// bytes, so without initialisers.
struct SharedMemory {
  pid_t pid;  ///< Who made it.
  std::uint64_t key;
  std::uint64_t bytes;
  std::size_t device;
};

/// A file descriptor to pass on; negative: there is none.
inline int share_memory(const SharedMemory& shared) {
  const int fd = memfd_create("gpunode-fake-cuda", MFD_CLOEXEC);
  if (fd >= 0 && pwrite(fd, &shared, sizeof(shared), 0) !=
                     static_cast<ssize_t>(sizeof(shared))) {
    close(fd);
    return -1;
  }
  return fd;
}

inline bool read_shared_memory(int fd, SharedMemory* shared) {
  return pread(fd, shared, sizeof(*shared), 0) ==
             static_cast<ssize_t>(sizeof(*shared)) &&
         shared->bytes != 0;
}

}  // namespace gpunode::fake_cuda
