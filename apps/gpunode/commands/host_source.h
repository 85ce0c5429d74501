// The host that a verb looks at: one mounted somewhere, or one that was
// recorded (docs/formats/bundle.md).
#pragma once

#include <memory>
#include <string>

#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "base/host/host_root.h"
#include "node/facts/recording.h"

namespace gpunode::cli {

/// What was recorded of a host: a tar archive (docs/formats/bundle.md), or the
/// folder that it was unpacked to.
Result<facts::Recording> load_bundle(const std::string& path);

class HostSource {
 public:
  /// The host of the bundle `from`, a file or a folder; if that is empty the
  /// one at `root`, which may be an unpacked bundle as well. `runner` runs the
  /// programs of a host that is there, and outlives this.
  static Result<HostSource> open(const std::string& root,
                                 const std::string& from,
                                 host::CommandRunner& runner);

  const host::HostRoot& host() const { return host_; }
  host::CommandRunner& runner() const { return replay_ ? *replay_ : *runner_; }
  bool is_recorded() const { return replay_ != nullptr; }

 private:
  HostSource(const std::string& root, host::CommandRunner& runner)
      : host_(root), runner_(&runner) {}
  explicit HostSource(std::shared_ptr<const facts::Recording> recording);

  host::HostRoot host_;
  host::CommandRunner* runner_ = nullptr;
  std::unique_ptr<facts::ReplayingRunner> replay_;  // Null: it is there.
};

}  // namespace gpunode::cli
