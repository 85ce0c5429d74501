// Mapping a control file, and sleeping on a word of it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/core/result.h"
#include "tests/doubles/nvml/control_region.h"

namespace gpunode::fake_nvml {

/// The region in `path`, made when missing. Ends with munmap, or never.
Result<ControlRegion*> map_control(const std::string& path);

using Deadline = std::optional<std::chrono::steady_clock::time_point>;

/// Sleeps while `word` is `value`, until woken or until `deadline` (none: for
/// ever). Wakes for no reason too, as futexes do.
void futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t value,
                Deadline deadline);

/// Raises `word` by one and wakes all that sleep on it, in every process.
void futex_raise(std::atomic<std::uint32_t>& word);

}  // namespace gpunode::fake_nvml
