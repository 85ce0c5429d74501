// The lanes of one grant as the node reads them, and the words that it writes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/core/unique_fd.h"
#include "share/grants/grant_files.h"
#include "share/grants/grant_place.h"
#include "share/turns/turn_book.h"

namespace gpunode::share {

/// What the processes of a container have had to do with a Device's turns, by
/// their own word.
struct LaneSums {
  std::uint64_t launches = 0;
  std::uint64_t waits = 0;
  Duration waited{};
};

/// One thread at a time. The container writes what is read here, and can write
/// anything: it harms nobody's turns but by seeming to have work, or none.
class GrantLanes {
 public:
  /// kNotFound: there is no such grant, or it is of before lanes.
  static Result<GrantLanes> open(const GrantFiles& files,
                                 const std::string& id);

  std::uint32_t devices() const { return limits_.view.devices(); }
  std::string uuid(std::uint32_t device) const {
    return limits_.view.uuid(device);
  }
  TimePart time(std::uint32_t device) const {
    return time_part_of(limits_.view.at(device));
  }
  TurnPriority priority(std::uint32_t device) const {
    return priority_of(limits_.view.at(device).priority.load());
  }
  /// Tells the files from those of a later renew().
  std::uint64_t file() const { return limits_.file_number; }
  /// Of the ledger, to be watched.
  int fd() const { return ledger_.get(); }

  /// Finds out which lanes are of processes that live, as far as the ledger
  /// and the node's own word go. Before look(); again when somebody is new.
  void find_processes();
  /// What those say of the Device.
  TurnLook look(std::uint32_t device);
  /// What they and those that have ended had.
  LaneSums sums(std::uint32_t device) const;

  /// Writes the word of turns, and wakes who waits if it opens.
  void say(std::uint32_t device, std::uint32_t word);
  void beat();

 private:
  GrantLanes(OpenLimits limits, UniqueFd ledger)
      : limits_(std::move(limits)), ledger_(std::move(ledger)) {}

  bool read(void* to, std::size_t size, std::size_t place) const;
  DeviceLimit& limit(std::uint32_t device) const {
    return limits_of(limits_.file.bytes())[device];
  }

  /// A process that has a lane.
  struct Process {
    std::uint32_t slot = 0;
    std::uint32_t owner = 0;  ///< The word of its lane.
  };
  /// Of one process and Device, as last read.
  struct Seen {
    std::uint32_t slot = 0;
    std::uint32_t owner = 0;
    LaneSums sums;
    /// Launches that were not held when they were last looked at.
    std::uint64_t told = 0;
    std::uint32_t unfenced = 0;
  };

  OpenLimits limits_;
  UniqueFd ledger_;
  std::vector<std::vector<Process>> processes_;  // By Device.
  std::vector<std::vector<Seen>> seen_;          // By Device.
  std::vector<LaneSums> ended_;                  // By Device.
};

}  // namespace gpunode::share
