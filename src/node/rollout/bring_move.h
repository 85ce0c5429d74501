// What a bringer does next on a host, from what it finds there. Pure.
//
// The run is systemd's: it goes on when the bringer is killed, its Pod deleted
// or the machine rebooted, and the next bringer finds out how far it is. Each
// Pod is one attempt: a run that failed is told again and again by the Pod that
// began it, and begun anew by another.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/core/result.h"

namespace gpunode::rollout {

/// The bringer's memory: /var/lib/gpunode/bring.json on the host.
struct BringStamp {
  enum class State : std::uint8_t { kStarted, kDone, kFailed };
  State state = State::kStarted;
  std::string digest;   ///< Of the file.
  std::string attempt;  ///< The Pod's uid.
  std::string words;    ///< Of kFailed.

  friend bool operator==(const BringStamp&, const BringStamp&) = default;
};

inline constexpr const char* kBringStamp = "/var/lib/gpunode/bring.json";

/// Nothing for a text that no bringer wrote: then it is as if there were none.
std::optional<BringStamp> read_stamp(std::string_view text);

std::string stamp_text(const BringStamp& stamp);

/// gpunode-first.service, as `systemctl show` has it.
struct FirstUnit {
  std::string active;  ///< "inactive", "activating", "active", "failed", …
  int exit_code = 0;   ///< Of the program, the last time.

  bool is_running() const {
    return active == "activating" || active == "deactivating" ||
           active == "reloading";
  }
};

/// kCorrupt if it does not say how the unit is.
Result<FirstUnit> read_first_unit(std::string_view shown);

struct BringLook {
  std::optional<BringStamp> stamp;
  FirstUnit unit;
  bool has_ended_well = false;  ///< The unit's own mark is there.
};

struct BringMove {
  enum class Kind : std::uint8_t {
    kPrepare,       ///< Put everything there, and begin.
    kStart,         ///< All is there: start the unit.
    kFollow,        ///< It runs, or the machine is about to reboot.
    kWaitForOther,  ///< A run of another file is at work.
    kDone,
    kFailed,  ///< `words` say why, and what next.
  };
  Kind kind = Kind::kPrepare;
  std::string words;
};

/// What is to be brought, by whom.
struct BringWish {
  std::string digest;
  std::string attempt;
  /// spec.host.reboot.mode: auto.
  bool reboots_by_itself = false;
};

BringMove next_move(const BringLook& look, const BringWish& wish);

/// Which of two dotted versions is newer: < 0, 0 or > 0 as `a` is older, the
/// same or newer. What is no number counts as 0.
int compare_versions(std::string_view a, std::string_view b);

/// Where programs are put on a host, and where packages have theirs.
inline constexpr const char* kBroughtDirectory = "/usr/local/bin";
inline constexpr const char* kPackageDirectory = "/usr/bin";

struct ProgramChoice {
  std::string directory;    ///< Whose gpunode is to run.
  bool is_brought = false;  ///< Ours must be put there first.
};

/// Ours, unless the package's is as new or the one that was brought before is
/// newer. Empty: there is none, or it does not run.
ProgramChoice choose_program(std::string_view ours, std::string_view package,
                             std::string_view brought);

}  // namespace gpunode::rollout
