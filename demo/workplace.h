// A directory that holds all that the demo makes, and goes with it.
#pragma once

#include <filesystem>
#include <string>

#include "base/core/result.h"

namespace gpunode::demo {

/// Under the system's temporary directory. remove() is not the destructor's
/// work: the process that owns the story may be killed, and the one that
/// watches it cleans up.
class Workplace {
 public:
  static Result<Workplace> make();

  const std::filesystem::path& root() const { return root_; }
  /// The simulated node's file system: its /dev, /proc, driver and kubelet.
  std::filesystem::path node() const { return root_ / "node"; }
  /// The seed's machine, recorded, and the small host that is prepared.
  std::filesystem::path recorded_host() const { return root_ / "recorded"; }
  std::filesystem::path small_host() const { return root_ / "host"; }
  std::filesystem::path plugin_directory() const {
    return node() / "var/lib/kubelet/device-plugins";
  }
  std::filesystem::path config() const { return root_ / "config.yaml"; }
  std::filesystem::path agent_log() const { return root_ / "agent.log"; }
  std::filesystem::path bundles() const { return root_ / "bundles"; }
  /// runc's record of its containers.
  std::filesystem::path runc_state() const { return root_ / "runc"; }

  /// A name no other run has; containers and their cgroups begin with it.
  std::string name() const { return root_.filename().string(); }

  void remove() const;

 private:
  explicit Workplace(std::filesystem::path root) : root_(std::move(root)) {}

  std::filesystem::path root_;
};

}  // namespace gpunode::demo
