// Words that are 0 in every new process, the child of a fork too, however it
// was made: a raw clone and _Fork run no handlers.
#pragma once

#include <atomic>
#include <cstdint>

namespace gpunode::share {

struct ProcessWords {
  std::atomic<std::uint32_t> opening;  ///< Account's: its files.
  std::atomic<std::uint32_t> slot;     ///< Account's: its slot of the ledger.
  /// Where the kernel doesn't empty the page in a child: whose words they are.
  std::atomic<std::uint32_t> owner;
};

/// This process's words; null while there is no memory for them. One load, but
/// on kernels before 4.14, which are asked for the pid each time.
ProcessWords* process_words();

/// For tests: as on kernels before 4.14.
enum class Wiping : std::uint8_t { kByKernel, kByOwner };
ProcessWords* make_process_words(Wiping wiping);
/// The same words, emptied if another process wrote them.
ProcessWords* own(ProcessWords* words);

}  // namespace gpunode::share
