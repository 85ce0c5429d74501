// Feature discovery: the labels of the node, kept true by looking now and then.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/config/command_line.h"
#include "agent/config/load.h"
#include "agent/plugin/cluster_writer.h"
#include "agent/plugin/inventory_query.h"
#include "base/core/clock.h"
#include "base/core/result.h"

namespace gpunode::plugin {

/// What NVIDIA's gpu-feature-discovery is as a process. One thread; the driver
/// is asked on another (InventoryQuery), so that a call which hangs keeps
/// neither signals nor the labels of before from being there.
class FeatureDiscovery {
 public:
  struct Inputs {
    config::CommandLine command_line;
    config::LoadedDiscovery loaded;  ///< From `command_line` and its file.
    int signal_fd = -1;  ///< A signalfd of HUP, INT, TERM and QUIT; not owned.
  };

  enum class End {
    kDone,    ///< Labelled once, or asked to stop.
    kAsking,  ///< Asked to stop before the driver has answered: destroying
              ///< this waits for that; end the process instead.
  };

  explicit FeatureDiscovery(Inputs inputs);

  /// Labels once, or until INT, TERM or QUIT. Fails if the labels cannot be
  /// written, but for an API server that may take them later, unless it is to
  /// be once; and, if that was asked for, on a driver that does not answer.
  /// The feature file is removed at the end as the peer does it: not after a
  /// single look, nor with an infinite interval. A NodeFeature object stays.
  Result<End> run();

 private:
  enum class Woken { kTime, kAnswer, kReload, kWritten, kStop };

  Result<End> run_passes();
  Result<Woken> ask_driver();
  Result<void> label(const Result<device::Inventory>& inventory);
  Woken wait(Duration most, int news_fd = -1);
  /// Of a single look: until the labels are where they are to be.
  Result<End> finish_writing();
  void reload();
  void adopt(config::LoadedDiscovery loaded);
  Duration pause() const;
  void tell(const std::vector<std::string>& remarks);
  Result<void> take_answer();

  Inputs inputs_;
  config::DiscoverySettings settings_;
  std::int64_t started_at_ = 0;  ///< Unix seconds, of the start or a reload.
  std::unique_ptr<ClusterWriter> writer_;  ///< Null: labels go to a file.
  std::unique_ptr<InventoryQuery> query_;  ///< While the driver is asked.
  bool is_driver_up_ = false;
  std::set<std::string> told_;  ///< Remarks of the last pass.
};

}  // namespace gpunode::plugin
