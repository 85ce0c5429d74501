// Does on a host what bring_move.h decides, until it is done or has failed.
//
// Killed at any moment it leaves whole files and a run that goes on: what is
// written, is written by rename, and the stamp that says "begun" comes after
// everything that the run needs and before the run.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "base/host/host_root.h"
#include "node/rollout/bring_move.h"

namespace gpunode::rollout {

/// A program that is brought.
struct BroughtProgram {
  std::string name;  ///< "gpunode-runtime".
  /// Its bytes, had when they are needed.
  std::function<Result<std::string>()> read;
};

struct BringTask {
  std::string spec;  ///< The GPUNode file's text.
  BringWish wish;
  std::string version;  ///< Ours.
  std::vector<BroughtProgram> programs;
};

enum class BringEnd { kDone, kFailed, kStopped };

/// One thread. What it is given must outlive it.
class Bringer {
 public:
  /// Lines for the Pod's log.
  using Say = std::function<void(const std::string&)>;
  /// Waits and says true, or false when it is to end.
  using Pause = std::function<bool(std::chrono::milliseconds)>;

  Bringer(const BringTask& task, const host::HostRoot& host,
          host::CommandRunner& runner, Say say, Pause pause)
      : task_(task),
        host_(host),
        runner_(runner),
        say_(std::move(say)),
        pause_(std::move(pause)) {}

  /// Errors are of the bringer's own work, and worth another try.
  Result<BringEnd> run();

 private:
  Result<BringLook> look();
  /// Puts everything there for a run. False: another gpunode is at work, and
  /// nothing was written.
  Result<bool> prepare();
  Result<bool> is_anything_at_work();
  Result<std::string> put_programs();
  Result<void> clear_unit();
  Result<void> start();
  Result<void> adopt(const BringLook& look);
  Result<void> stamp(BringStamp::State state, const std::string& words = "");
  std::string version_of(const std::string& directory);
  Result<void> systemctl(std::vector<std::string> words);
  void tell_log();
  void check_anew();
  void tell_once(const std::string& line);

  const BringTask& task_;
  const host::HostRoot& host_;
  host::CommandRunner& runner_;
  Say say_;
  Pause pause_;
  std::string cursor_;  ///< Of the journal, where what was told ends.
  std::string told_;
};

/// Whether the stamp on `host` says that this file is applied.
bool is_brought(const host::HostRoot& host, const std::string& digest);

}  // namespace gpunode::rollout
