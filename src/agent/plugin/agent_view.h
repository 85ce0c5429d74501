// AgentView: the agent's state at one moment, for those who look from outside.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/plugin/compute_history.h"
#include "agent/plugin/config_selection.h"
#include "agent/plugin/node_labeller.h"
#include "agent/plugin/publisher.h"
#include "agent/plugin/share_keeper.h"
#include "agent/resource/problem.h"
#include "agent/resource/resource.h"
#include "base/core/clock.h"
#include "container/oci/ungranted_report.h"
#include "gpu/device/health.h"
#include "gpu/device/inventory.h"
#include "k8s/kubelet/server.h"

namespace gpunode::plugin {

struct AgentView {
  std::vector<Publisher::Status> resources;
  std::vector<kubelet::ResourceStats> calls;
  bool has_seen_driver = false;
  std::optional<std::string> driver_problem;
  Duration observer_stuck{};  ///< An NVML call has not returned for so long.
  std::string driver_version;
  std::vector<std::pair<device::DeviceId, device::Health>> devices;
  std::map<device::DeviceId, Duration> unhealthy_for;  ///< By Device.
  /// What the driver told last; null: it never answered.
  std::shared_ptr<const device::Inventory> inventory;
  /// What is configured for that, whether blocked or not.
  std::vector<std::shared_ptr<const resource::Resource>> offered;
  std::string config_file;  ///< Empty: flags, environment and defaults alone.
  config::MigStrategy mig_strategy = config::MigStrategy::kNone;
  std::vector<resource::Problem> problems;
  std::map<std::string, std::string> blocked;  ///< Resource → why.
  std::string directory_problem;  ///< The plugin directory is gone.
  std::string reload_problem;     ///< Empty: the last reload was good.
  std::uint64_t reloads = 0;
  std::uint64_t reload_failures = 0;
  std::uint64_t xids = 0;
  std::uint64_t driver_losses = 0;
  std::size_t config_warnings = 0;
  std::optional<LabelStatus> labels;         ///< Nothing: none are wanted.
  std::optional<SelectionStatus> selection;  ///< Nothing: not by label.
  std::vector<ShareUse> shares;
  ComputeLives compute_lives;
  std::string share_problem;  ///< Empty: there is none.
  std::map<std::string, std::uint32_t> share_strangers;  ///< By Device.
  /// Replicas that one container could be given, by resource.
  std::map<std::string, std::uint32_t> largest_free;
};

/// An NVML call of this length is a driver that hangs.
inline constexpr std::chrono::seconds kStuck{10};

/// Why the node does not offer what it should, one reason a line; empty when
/// everything is served, registered and backed by a driver that answers.
std::vector<std::string> not_ready_reasons(const AgentView& view);

/// The metrics page, in Prometheus' text format. `ungranted`: containers that
/// asked for GPUs nobody had granted them.
std::string metrics_page(const AgentView& view,
                         const std::vector<oci::UngrantedContainer>& ungranted);

}  // namespace gpunode::plugin
