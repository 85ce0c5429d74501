// What was done to this host, line by line, so that it can be gone on with or
// undone whatever happens between two lines.
//
// One JSON object a line, appended and fsynced before the next thing happens
// (docs/formats/journal.md). A line is written before its action with how to
// undo it, and another after: a `begin` without an end is an action that may be
// done, half done or not done. Nobody replays it; facts are looked at anew.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/core/unique_fd.h"
#include "base/host/host_root.h"
#include "node/provision/action.h"
#include "node/provision/step.h"

namespace gpunode::provision {

enum class JournalEvent : std::uint8_t {
  kRun,     ///< A run starts; `note` is the command.
  kBegin,   ///< An action is about to be done.
  kDone,    ///< The action `of` is done.
  kFailed,  ///< The action `of` failed; `note` says how.
  kUndone,  ///< The action `of` was undone.
  kReboot,  ///< A reboot was asked for; `note` is the reason.
  kEnd,     ///< The run ended; `note` is the outcome.
};

/// How well an action can be undone.
enum class Undo : std::uint8_t {
  kExact,         ///< As before, byte for byte.
  kCompensating,  ///< As good as before: packages removed.
  kNone,          ///< Not.
};

struct JournalLine {
  std::uint64_t seq = 0;  ///< From 1, without gaps.
  std::string time = {};  ///< RFC 3339.
  std::string boot_id = {};
  std::string run = {};  ///< Of one apply and what resumes it.
  JournalEvent event = JournalEvent::kRun;
  std::string step = {};
  std::uint64_t of = 0;
  std::string note = {};
  std::optional<Action> action = {};  ///< Of kBegin.
  std::vector<Action> inverse = {};   ///< Of kBegin: undoes it, in this order.
  Undo undo = Undo::kExact;           ///< Of kBegin.
};

/// What a journal says, pure.
struct JournalText {
  std::vector<JournalLine> lines;
  /// Bytes of whole lines; what is behind them was cut off by a crash.
  std::size_t whole_bytes = 0;
  bool cut_off = false;
};

/// kUnsupported for a line of a newer version, kCorrupt with its number for one
/// in the middle that cannot be read. A last line without its newline is what a
/// power cut leaves and no error.
Result<JournalText> parse_journal(std::string_view text);
std::string journal_line_text(const JournalLine& line);

/// What is left of earlier runs. `run` is the one that asks amid its work, if
/// any: it sees through itself what it began since its last `run` line.
History history_of(const std::vector<JournalLine>& lines,
                   std::string_view run = "");

/// The begun actions that were never undone, in the order in which they
/// were begun; failed ones too: they may have done something.
std::vector<JournalLine> standing_actions(
    const std::vector<JournalLine>& lines);

/// The journal of a host, held open for appending by the one program that has
/// the lock.
class Journal {
 public:
  /// Opens or makes it. What a crash cut off is taken away first.
  static Result<Journal> open(const host::HostRoot& host, std::string boot_id);

  /// Only reads; an absent journal is an empty one.
  static Result<JournalText> read(const host::HostRoot& host);

  const std::vector<JournalLine>& lines() const { return lines_; }

  /// Starts a run of its own, or goes on with `run` after a reboot.
  Result<void> start(std::string run, std::string command);

  /// Appends `line` with its number, time, boot and run filled in; on the disk
  /// when this returns. The number.
  Result<std::uint64_t> append(JournalLine line);

  const std::string& run() const { return run_; }

 private:
  Journal(UniqueFd fd, std::string boot_id, std::vector<JournalLine> lines)
      : fd_(std::move(fd)),
        boot_id_(std::move(boot_id)),
        lines_(std::move(lines)) {}

  UniqueFd fd_;
  std::string boot_id_;
  std::string run_;
  std::vector<JournalLine> lines_;
};

inline constexpr const char* kStateDirectory = "/var/lib/gpunode";
inline constexpr const char* kJournalPath = "/var/lib/gpunode/journal.jsonl";

}  // namespace gpunode::provision
