// The labels that the agent itself puts on its node.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "agent/config/settings.h"
#include "agent/labels/label_set.h"
#include "agent/plugin/cluster_writer.h"
#include "base/core/result.h"
#include "gpu/device/inventory.h"

namespace gpunode::plugin {

/// How the labelling goes.
struct LabelStatus {
  std::size_t labels = 0;  ///< Decided last; 0: the driver was never seen.
  std::string problem;     ///< Why they are not where they should be.
  std::optional<ClusterStatus> cluster;  ///< If they go to the Node.
};

/// Decides labels from the Inventory that the agent has anyway, and puts them
/// into the feature file or, by the agent's ClusterWriter, on the Node or into
/// its NodeFeature. One
/// thread, which does not wait for the API server. The labels of before stay
/// until the driver has answered, and while it is lost: the GPUs of a node are
/// the same then.
class NodeLabeller {
 public:
  /// Null if no labels are wanted. `writer` outlives it and is not null where
  /// they go to the Node.
  static std::unique_ptr<NodeLabeller> make(const config::Labelling& labelling,
                                            ClusterWriter* writer);

  /// Removes the feature file, as NVIDIA's program does. Labels in the cluster
  /// stay: an agent that is replaced must not take them away.
  ~NodeLabeller();
  NodeLabeller(const NodeLabeller&) = delete;
  NodeLabeller& operator=(const NodeLabeller&) = delete;

  /// Labels anew, with `further` ones. Where they go was settled at the start.
  void label(const device::Inventory& inventory,
             const config::Settings& settings, const labels::LabelSet& further);

  LabelStatus status() const;

 private:
  NodeLabeller(const config::Labelling& labelling, ClusterWriter* writer);

  const config::LabelTarget target_;
  const std::string file_;         ///< Empty: the cluster.
  ClusterWriter* const writer_;    ///< Null: the file.
  const std::int64_t started_at_;  ///< Unix seconds.
  std::size_t labels_ = 0;
  std::string problem_;
  std::set<std::string> told_;
};

}  // namespace gpunode::plugin
