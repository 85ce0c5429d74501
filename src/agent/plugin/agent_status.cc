// The part of Agent that says how it is.
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "agent/plugin/agent.h"
#include "base/core/log.h"
#include "container/oci/device_record.h"

namespace gpunode::plugin {
namespace {

/// Prometheus asks every few seconds; others may ask as often as they like.
constexpr std::chrono::seconds kKeep{1};

}  // namespace

void Agent::open_status() {
  // For people only: without it the node works as well.
  Result<StatusSocket> made = StatusSocket::open(
      plugin_directory_, clock_, [this] { return view(); }, holder_sources());
  if (made) {
    status_.emplace(*std::move(made));
  } else {
    status_.reset();
    log::warning("status", "gpunode status will not work: {}",
                 made.error().message());
  }
}

HolderSources Agent::holder_sources() const {
  return {settings_.pod_resources_socket,
          plugin_directory_ + "/" + oci::kDeviceRecordFile};
}

AgentView Agent::view() {
  AgentView view;
  view.resources = publisher_->status();
  view.calls = server_->stats();
  if (inventory_) view.driver_version = inventory_->driver_version;
  if (driver_problem_) view.driver_problem = driver_problem_->message();
  view.has_seen_driver = inventory_ != nullptr;
  for (const auto& resource : catalogue_.resources()) {
    for (const resource::Device& device : resource->devices()) {
      view.devices.emplace_back(device.id, health_.book().health(device.id));
      if (const auto since = health_.book().unhealthy_since(device.id)) {
        view.unhealthy_for.emplace(device.id, clock_.now() - *since);
      }
    }
    if (std::optional<std::string> why = blocked(*resource)) {
      view.blocked.emplace(resource->name().value(), *std::move(why));
    }
  }
  view.inventory = inventory_;
  view.offered = catalogue_.resources();
  view.config_file = inputs_.command_line.text(config::Option::kConfigFile);
  view.mig_strategy = settings_.mig_strategy;
  view.problems = catalogue_.problems();
  if (labeller_) view.labels = labeller_->status();
  if (!directory_watch_->is_armed()) {
    view.directory_problem = plugin_directory_ + " is gone";
  }
  view.reload_problem = reload_problem_;
  view.reloads = reloads_;
  view.reload_failures = reload_failures_;
  if (selection_) view.selection = selection_->status();
  view.shares = shares_->uses();
  compute_->complete(&view.shares);
  view.compute_lives = compute_->lives();
  view.share_strangers = shares_->strangers();
  if (settings_.limits_holders()) {
    view.share_problem = shares_->problem();
    if (view.share_problem.empty()) {
      view.share_problem = priorities_->problem();
    }
  }
  view.largest_free = largest_free_;
  view.config_warnings = inputs_.loaded.warnings.size();
  view.xids = health_.xids();
  view.driver_losses = driver_losses_;
  view.observer_stuck = observer_->stuck_for(clock_.now());
  return view;
}

/// Whoever asks often makes nothing be written oftener.
AgentView Agent::kept_view() {
  AgentView seen = view();
  const TimePoint now = clock_.now();
  if (now < kept_until_) {
    seen.shares = kept_shares_;
    seen.compute_lives = kept_lives_;
    return seen;
  }
  kept_until_ = now + kKeep;
  compute_->save();
  kept_shares_ = seen.shares;
  kept_lives_ = seen.compute_lives;
  return seen;
}

}  // namespace gpunode::plugin
