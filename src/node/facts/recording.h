// What was read of a host, and the same answers elsewhere.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/core/error.h"
#include "base/host/command_runner.h"
#include "base/host/host_reads.h"
#include "base/host/host_root.h"

namespace gpunode::facts {

/// An Error as a value. The message names paths as they are on the host.
struct RecordedError {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;

  friend bool operator==(const RecordedError&, const RecordedError&) = default;
};

template <class T>
using Outcome = std::variant<T, RecordedError>;

/// A command line with its standard input, and how the program ended.
struct RecordedCommand {
  std::vector<std::string> argv;
  std::string input;
  /// Of Completed: all three members.
  int status = 0;
  std::string out;
  std::string err;
  /// Set if there is no end to tell of: it could not be started, or was killed.
  bool has_failed = false;
  RecordedError error;

  friend bool operator==(const RecordedCommand&,
                         const RecordedCommand&) = default;
};

/// Every answer that a host gave, by path; absences are answers too.
struct Recording {
  /// The root was "/": programs could be asked.
  bool is_live = false;
  std::map<std::string, Outcome<std::string>> files;
  std::map<std::string, Outcome<host::FileStatus>> statuses;
  std::map<std::string, Outcome<std::string>> links;
  /// By name and path: "security.selinux /var/lib".
  std::map<std::string, Outcome<std::string>> attributes;
  std::map<std::string, Outcome<std::string>> resolved;  ///< As on the host.
  std::map<std::string, Outcome<std::vector<std::string>>> listings;
  std::map<std::string, Outcome<std::size_t>> counts;
  std::vector<RecordedCommand> commands;

  friend bool operator==(const Recording&, const Recording&) = default;
};

/// A host that is what `host` is and writes every answer into `recording`,
/// which outlives it. For one thread.
host::HostRoot recorded(const host::HostRoot& host, Recording& recording);

/// Runs programs by `inner` and writes what they answer into `recording`; both
/// outlive it. For one thread.
class RecordingRunner final : public host::CommandRunner {
 public:
  RecordingRunner(host::CommandRunner& inner, Recording& recording)
      : inner_(inner), recording_(recording) {}

  Result<host::Completed> run(const host::Command& command) override;

 private:
  host::CommandRunner& inner_;
  Recording& recording_;
};

/// A host that answers as the recorded one did. What that was never asked is
/// kUnavailable: nobody knows whether it is there. Any thread.
host::HostRoot replayed(std::shared_ptr<const Recording> recording);

/// Answers commands as recorded; others are kUnavailable. Any thread.
class ReplayingRunner final : public host::CommandRunner {
 public:
  explicit ReplayingRunner(std::shared_ptr<const Recording> recording)
      : recording_(std::move(recording)) {}

  Result<host::Completed> run(const host::Command& command) override;

 private:
  std::shared_ptr<const Recording> recording_;
};

}  // namespace gpunode::facts
