// Ctrl-C and a shutdown stop a run between two actions.
#pragma once

#include <atomic>
#include <cstdint>

namespace gpunode::cli {

enum class StopReason : std::uint8_t {
  kNone,
  kPerson,      ///< SIGINT or SIGHUP: Ctrl-C, or a terminal that is gone. The
                ///< run is over.
  kTerminated,  ///< SIGTERM: a shutdown, kill(1). The run waits.
};

/// From now on SIGINT and SIGTERM only set what is returned, which lives as
/// long as the program.
const std::atomic<bool>& stop_on_signals();

/// The first that came counts: a person's Ctrl-C stays one.
StopReason stop_reason();

}  // namespace gpunode::cli
