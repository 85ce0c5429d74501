// Which Pods leave a node that is drained, by kubectl's rules and in its words.
// Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "k8s/api/resource_path.h"

namespace gpunode::rollout {

/// The object that a Pod says makes it again. Anybody who may make Pods may
/// say anything.
struct PodOwner {
  std::string api = {};   ///< "apps/v1"
  std::string kind = {};  ///< "ReplicaSet"; empty: it names none.
  std::string name = {};
  std::string uid = {};
};

struct DrainPod {
  kube::ObjectKey key;
  std::string uid = {};
  PodOwner controller = {};
  bool is_of_daemon_set = false;  ///< That was looked up, and is its own.
  bool is_mirror = false;  ///< A static Pod's: no API call takes it away.
  bool is_ended = false;   ///< Succeeded or Failed.
  bool is_leaving = false;
  bool has_empty_dir = false;  ///< Data that goes with it.

  /// Why that could not be looked up; "": it was.
  std::string lookup_trouble = {};

  /// It says so, and only its DaemonSet can tell whether that is true. By the
  /// kind alone, as kubectl: other groups than `apps` have DaemonSets as well,
  /// which make their Pods anew on a cordoned node.
  bool claims_daemon_set() const {
    return controller.kind == "DaemonSet" &&
           controller.api.find('/') != std::string::npos;
  }
};

/// kCorrupt if it is no Pod.
Result<DrainPod> read_drain_pod(std::string_view json);

struct DrainOptions {
  bool force = false;  ///< Pods that nobody makes again go, too.
  bool delete_emptydir_data = false;
};

struct DrainPlan {
  std::vector<DrainPod> leaving;  ///< Asked to go, or on their way.
  std::size_t staying = 0;        ///< Of DaemonSets, and static ones.
  /// Why it must not be done, a line each; empty: it may.
  std::vector<std::string> refusals;
};

DrainPlan plan_drain(std::vector<DrainPod> pods, const DrainOptions& options);

}  // namespace gpunode::rollout
