// apt, dnf and zypper behind one interface.
//
// A change goes simulate → check_transaction → apply: what is applied is what
// was simulated, every version named, and nothing else. No method asks a tool
// the same thing twice.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "base/host/host_root.h"
#include "node/provision/packages/package.h"
#include "node/provision/packages/tool_runner.h"

namespace gpunode::packages {

/// The packages of one host. One thread at a time.
class PackageManager {
 public:
  virtual ~PackageManager() = default;

  virtual Tool tool() const = 0;

  /// Which of `names` are installed, and what is half done in the whole
  /// system; all packages if `names` is empty. One call of dpkg-query or rpm,
  /// which takes no lock and no network.
  virtual Result<Observation> observe(
      const std::vector<std::string>& names) = 0;

  /// Every version of `names` that enabled repositories offer, in the tool's
  /// order; none for a name that nobody offers. One call.
  virtual Result<std::vector<Candidate>> candidates(
      const std::vector<std::string>& names) = 0;

  /// Fetches the indexes of all enabled repositories. To be called after
  /// repository files were written. A repository that fails is an Error, even
  /// where the tool itself only warns.
  virtual Result<void> refresh() = 0;

  /// What the tool would do. Changes nothing. kUnsupported if it can't be
  /// resolved, kNotFound if a package or version is not there.
  virtual Result<TransactionPlan> simulate(const Transaction& wanted) = 0;

  /// Does what `plan` says, provided the tool still resolves it to the same
  /// changes; kUnavailable if not (then simulate again). Whether it succeeds
  /// or not, what changed is read back from the database.
  virtual Applied apply(const TransactionPlan& plan) = 0;

  /// Makes a key file that was checked (repository.h) one that packages may be
  /// signed with. apt needs nothing: each of its sources names its key.
  virtual Result<void> trust(const std::string& key_file) = 0;

  /// Every package held back. (Version pins in files of our own are
  /// apt_preferences_file()'s.)
  virtual Result<std::vector<Hold>> holds() = 0;

  /// Holds packages at their installed versions. One that is not installed is
  /// kNotFound; one that is held already stays so.
  virtual Result<void> hold(const std::vector<std::string>& names) = 0;

  /// Lifts exactly these holds, as holds() gave them.
  virtual Result<void> release(const std::vector<Hold>& holds) = 0;
};

/// The one for `tool`. `runner` must outlive it; `host` is ToolRunner's.
std::unique_ptr<PackageManager> make_package_manager(
    Tool tool, host::CommandRunner& runner, Settings settings,
    Waiting waiting = {}, host::HostRoot host = host::HostRoot());

}  // namespace gpunode::packages
