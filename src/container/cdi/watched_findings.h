// Findings, and what tells whether they still hold: one stat for each place
// that decides, in the place of some hundred system calls.
#pragma once

#include <cstdint>
#include <ctime>
#include <string>
#include <vector>

#include "container/cdi/findings.h"

namespace gpunode::cdi {

/// What tells whether a place has changed. All zero: it is not there.
struct Stamp {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t links = 0;  // Of a directory of procfs: its subdirectories.
  std::int64_t seconds = 0;
  std::int64_t nanoseconds = 0;

  bool operator==(const Stamp&) const = default;
};

/// Which of a FindingsSource's roots a path is of.
enum class Root : std::uint8_t { kDriver, kDev, kHost };

/// A place as it was when it was looked at.
struct Witness {
  Root root = Root::kHost;
  std::string path;
  Stamp stamp;
};

/// Passive data.
struct WatchedFindings {
  std::string source;   ///< Its FindingsSource, as text.
  std::string version;  ///< The loaded driver and the majors of device nodes.
  std::vector<Witness> witnesses;
  Findings findings;
};

/// When a look begins, for watch().
timespec look_begins();

/// `findings` of `source` with their witnesses. A place that changed after
/// `begun` may not have been seen as it is: such findings never hold.
WatchedFindings watch(const FindingsSource& source, Findings findings,
                      timespec begun);

/// The driver is loaded that was loaded then.
bool is_of_loaded_driver(const WatchedFindings& watched,
                         const FindingsSource& source);

/// They are of `source`, and nothing that decides has changed: the driver's
/// version, the directories with its files and the device nodes, the GPUs and
/// MIG instances that the kernel lists.
bool still_hold(const WatchedFindings& watched, const FindingsSource& source);

}  // namespace gpunode::cdi
