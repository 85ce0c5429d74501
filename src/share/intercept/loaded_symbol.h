// A function of a library that is loaded, found without dlsym: which is what
// this library stands in for.
#pragma once

#include <atomic>
#include <cstdint>

namespace gpunode::share {

/// Where `name` is in the first loaded object whose file name begins with
/// `file` ("libc.so"); null if there is none. Of several versions of a name it
/// is the one that new programs get. Calls nothing but libc's own
/// dl_iterate_phdr: whatever a program has put in libc's place may itself ask
/// for its next.
void* find_loaded_symbol(const char* file, const char* name);

/// The path of the file that `address` was loaded from, into `path`; false if
/// it is unknown, relative, or longer than `size`.
bool file_of(const void* address, char* path, unsigned long size);

/// How many objects were unloaded so far; 0 where the C library does not tell.
std::uint64_t unloads_so_far();

/// What is known of a library's addresses, which are wrong once it was unloaded
/// and loaded again.
class LoadedOnce {
 public:
  constexpr LoadedOnce() = default;

  bool is_known() const { return is_known_.load(std::memory_order_acquire); }
  /// All addresses were found after so many unloads.
  void know(std::uint64_t unloads) {
    unloads_.store(unloads, std::memory_order_relaxed);
    is_known_.store(true, std::memory_order_release);
  }
  /// If any object was unloaded since. For where names are looked up: whoever
  /// calls has asked for the addresses of what is loaded now.
  void forget_if_unloaded() {
    if (is_known() &&
        unloads_.load(std::memory_order_relaxed) != unloads_so_far()) {
      is_known_.store(false, std::memory_order_release);
    }
  }

 private:
  std::atomic<bool> is_known_ = false;
  std::atomic<std::uint64_t> unloads_ = 0;
};

}  // namespace gpunode::share
