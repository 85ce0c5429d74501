#include "agent/plugin/agent_view.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/metrics/registry.h"

namespace gpunode::plugin {
namespace {

double to_seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

void add_resources(const AgentView& view, metrics::Registry& page) {
  for (const Publisher::Status& one : view.resources) {
    const metrics::Labels labels = {{"resource", one.resource_name}};
    page.gauge("gpunode_resource_registered",
               "1 if the kubelet accepted this resource's registration.",
               labels)
        .set(one.is_registered ? 1 : 0);
    page.counter("gpunode_registrations_total",
                 "Registrations that the kubelet accepted.", labels)
        .increment(one.registrations);
  }
}

void add_calls(const std::string& resource, const std::string& method,
               const kubelet::CallStats& calls, metrics::Registry& page) {
  const metrics::Labels labels = {{"resource", resource}, {"method", method}};
  page.counter("gpunode_calls_total", "Calls by the kubelet.", labels)
      .increment(calls.calls);
  page.counter("gpunode_call_errors_total",
               "Calls by the kubelet that were answered with an error.", labels)
      .increment(calls.errors);
  page.gauge("gpunode_call_seconds_sum",
             "Time spent answering, all calls together.", labels)
      .set(to_seconds(calls.spent));
}

void add_server(const AgentView& view, metrics::Registry& page) {
  for (const kubelet::ResourceStats& one : view.calls) {
    const metrics::Labels labels = {{"resource", one.resource_name}};
    add_calls(one.resource_name, "Allocate", one.allocate, page);
    add_calls(one.resource_name, "GetPreferredAllocation",
              one.preferred_allocation, page);
    page.gauge("gpunode_listed_devices",
               "Device ids in the list published last.", labels)
        .set(static_cast<double>(one.devices));
    page.gauge("gpunode_list_streams_open",
               "ListAndWatch streams; 1 means that the kubelet listens.",
               labels)
        .set(static_cast<double>(one.streams_open));
    page.counter("gpunode_list_updates_total", "Lists published.", labels)
        .increment(one.list_updates);
    page.counter("gpunode_connections_refused_total",
                 "Connections closed because too many were open.", labels)
        .increment(one.connections_refused);
  }
}

void add_devices(const AgentView& view, metrics::Registry& page) {
  for (const auto& [id, health] : view.devices) {
    page.gauge("gpunode_device_healthy",
               "1 if the device may be given to containers.",
               {{"device", id.value}})
        .set(health.is_healthy ? 1 : 0);
  }
  page.counter("gpunode_xid_events_total", "XIDs that the driver reported.")
      .increment(view.xids);
  page.gauge("gpunode_driver_up", "1 if the driver answers.")
      .set(view.has_seen_driver && !view.driver_problem &&
                   view.observer_stuck <= kStuck
               ? 1
               : 0);
  page.counter("gpunode_driver_losses_total",
               "Times the driver stopped answering or was not there.")
      .increment(view.driver_losses);
}

double seconds(Duration time) {
  return std::chrono::duration<double>(time).count();
}

/// What it had in all, for who asks what would have been enough.
void add_life(const ComputeLife& life, const metrics::Labels& labels,
              metrics::Registry& page) {
  constexpr double kWhole = 1000;
  page.gauge("gpunode_share_observed_seconds",
             "For how long agents have watched the container.", labels)
      .set(seconds(life.seen));
  page.gauge("gpunode_share_gpu_mean_ratio",
             "Part of the GPU's time that it had in all of that.", labels)
      .set(life.mean / kWhole);
  page.gauge("gpunode_share_gpu_peak_ratio",
             "Part that it had in the busiest ten seconds of it.", labels)
      .set(life.peak / kWhole);
}

/// What turns on one Device came to.
void add_turns(const share::DeviceHeld& held, const share::TurnUse& use,
               const metrics::Labels& labels, metrics::Registry& page) {
  page.gauge("gpunode_share_compute_part",
             "Part of the GPU's time that the container is to have.", labels)
      .set(held.time.thousandths / 1000.0);
  page.gauge("gpunode_share_priority",
             "Of those who want the GPU the one with the highest goes first.",
             labels)
      .set(held.priority.value);
  page.sum("gpunode_share_gpu_seconds_total",
           "Time of the GPU that its work took, while an agent ran; of "
           "two whose work is there at once each has a half.",
           labels)
      .add(seconds(use.used));
  page.sum("gpunode_share_throttled_seconds_total",
           "Time in which it had work for the GPU and no turn.", labels)
      .add(seconds(use.waited));
  page.counter("gpunode_share_turns_total", "Turns that it was given.", labels)
      .increment(use.turns);
  page.counter("gpunode_share_launches_total",
               "Kernels, graphs and copies that its processes launched, as "
               "they say.",
               labels)
      .increment(use.sums.launches);
  page.gauge("gpunode_share_persistent_kernel",
             "1: a kernel of it does not end, so that no turns can take the "
             "GPU from it.",
             labels)
      .set(use.is_persistent ? 1 : 0);
}

void add_share(const ShareUse& share, const ComputeLives& lives,
               metrics::Registry& page) {
  const metrics::Labels container = {{"namespace", share.holder.pod_namespace},
                                     {"pod", share.holder.pod},
                                     {"container", share.holder.container},
                                     {"allocation", share.allocation_id}};
  page.gauge("gpunode_share_processes",
             "Processes of a container that have asked for GPU memory.",
             container)
      .set(static_cast<double>(share.look.slots.size()));
  page.gauge("gpunode_share_ledger_damaged",
             "1 if the container wrote over its own account.", container)
      .set(share.look.problem.empty() ? 0 : 1);
  page.gauge("gpunode_share_unlimited",
             "1 if the container's programs cannot be limited, and run all the "
             "same (onUnsupported).",
             container)
      .set(share.look.why_unlimited.empty() ? 0 : 1);
  for (const share::DeviceHeld& held : share.look.devices) {
    metrics::Labels labels = container;
    labels["device"] = held.uuid;
    page.gauge("gpunode_share_limit_bytes",
               "Bytes of GPU memory that a container may hold.", labels)
        .set(static_cast<double>(held.limit));
    page.gauge("gpunode_share_peak_bytes", "The most that it has held.", labels)
        .set(static_cast<double>(held.use.peak));
    page.gauge("gpunode_share_unaccounted_bytes",
               "Bytes that the driver says it holds and its account does not.",
               labels)
        .set(static_cast<double>(held.unaccounted));
    page.counter("gpunode_share_refusals_total",
                 "Requests for memory that its limit refused.", labels)
        .increment(held.use.refusals);
    if (held.use.imported() > 0) {
      page.gauge("gpunode_share_imported_bytes",
                 "Bytes that others made, which it has opened: no part of what "
                 "it is held to.",
                 labels)
          .set(static_cast<double>(held.use.imported()));
    }
    const auto turns = share.turns.find(held.uuid);
    if (turns != share.turns.end()) {
      add_turns(held, turns->second, labels, page);
    }
    const auto life = lives.find({share.allocation_id, held.uuid});
    if (life != lives.end()) add_life(life->second, labels, page);
    for (std::size_t kind = 0; kind < share::kMemoryKinds; ++kind) {
      if (!share::is_of_sum(static_cast<share::MemoryKind>(kind))) continue;
      metrics::Labels of_kind = labels;
      of_kind["kind"] = share::name_of(static_cast<share::MemoryKind>(kind));
      page.gauge("gpunode_share_used_bytes",
                 "Bytes of GPU memory that it holds.", of_kind)
          .set(static_cast<double>(held.use.held[kind]));
    }
  }
}

void add_shares(const AgentView& view, metrics::Registry& page) {
  for (const auto& [resource, largest] : view.largest_free) {
    page.gauge("gpunode_share_largest_free",
               "The most replicas that one container could be given now.",
               {{"resource", resource}})
        .set(largest);
  }
  for (const auto& [device, count] : view.share_strangers) {
    page.gauge("gpunode_share_bypassing_processes",
               "Processes of Pods on a shared GPU that are in no account.",
               {{"device", device}})
        .set(count);
  }
  for (const ShareUse& share : view.shares) {
    add_share(share, view.compute_lives, page);
  }
}

void add_configuration(const AgentView& view, metrics::Registry& page) {
  page.gauge("gpunode_config_last_reload_successful",
             "0 if the last reload was refused; the configuration before it "
             "is in force.")
      .set(view.reload_problem.empty() ? 1 : 0);
  page.counter("gpunode_config_reloads_total", "Reloads that were asked for.")
      .increment(view.reloads);
  page.counter("gpunode_config_reload_failures_total",
               "Reloads that were refused.")
      .increment(view.reload_failures);
  page.gauge("gpunode_config_warnings",
             "Warnings about the configuration in force.")
      .set(static_cast<double>(view.config_warnings));
  page.gauge("gpunode_resource_problems",
             "Devices and resources left out; the log names them.")
      .set(static_cast<double>(view.problems.size()));
}

void add_labels(const LabelStatus& labels, metrics::Registry& page) {
  page.gauge("gpunode_labels", "Labels of this node, as decided last.")
      .set(static_cast<double>(labels.labels));
  page.gauge("gpunode_labels_current",
             "1 if they are where they should be, but for those that somebody "
             "else has set.")
      .set(labels.labels > 0 && labels.problem.empty() &&
                   (!labels.cluster || labels.cluster->is_current)
               ? 1
               : 0);
  if (!labels.cluster) return;
  page.gauge("gpunode_labels_left_alone",
             "Labels that somebody else has set to another value.")
      .set(static_cast<double>(labels.cluster->left_alone.size()));
  page.counter("gpunode_node_writes_total",
               "Changes of the Node, or of its NodeFeature, by us.")
      .increment(labels.cluster->writes);
  page.counter("gpunode_cluster_failures_total",
               "Calls that the API server did not take.")
      .increment(labels.cluster->failures);
}

void add_selection(const SelectionStatus& status, metrics::Registry& page) {
  if (status.is_decided) {
    page.gauge("gpunode_config_info",
               "1 for the configuration in force, chosen by the node's label; "
               "an empty name is the empty configuration.",
               {{"config", status.config}, {"chosen_by", status.chosen_by}})
        .set(1);
  }
  page.gauge("gpunode_config_selection_successful",
             "1 if what the node's label chooses is in force.")
      .set(status.is_decided && status.refusal.empty() ? 1 : 0);
  page.counter("gpunode_config_selections_applied_total",
               "Configurations that were chosen and applied.")
      .increment(status.applied);
  page.counter("gpunode_config_selections_refused_total",
               "Choices that were refused; the one before stays in force.")
      .increment(status.refused);
  if (status.last_outcome) {
    page.gauge("gpunode_config_selection_timestamp_seconds",
               "When a choice was last applied or refused.")
        .set(std::chrono::duration<double>(
                 status.last_outcome->time_since_epoch())
                 .count());
  }
  page.gauge("gpunode_config_label_known",
             "0 while the API server does not say what the label is.")
      .set(status.api_problem.empty() ? 1 : 0);
}

/// What containers do must not make the page grow without end: each of these is
/// a name of a Pod's.
constexpr std::size_t kMostUngranted = 100;

void add_ungranted(const std::vector<oci::UngrantedContainer>& ungranted,
                   metrics::Registry& page) {
  // Gauges: the log is cut when it grows, and with it what it holds.
  page.gauge("gpunode_ungranted_containers",
             "Containers in the runtime's log that asked for GPUs which nobody "
             "had granted them.")
      .set(static_cast<double>(ungranted.size()));
  std::size_t named = 0;
  for (const oci::UngrantedContainer& one : ungranted) {
    if (++named > kMostUngranted) break;
    page.gauge("gpunode_ungranted_starts",
               "Starts of such a container that the runtime's log holds; fewer "
               "when it is cut. A hundred are named.",
               {{"namespace", one.pod_namespace},
                {"pod", one.pod},
                {"container", one.container},
                {"image", one.image}})
        .set(static_cast<double>(one.times));
  }
}

}  // namespace

std::vector<std::string> not_ready_reasons(const AgentView& view) {
  std::vector<std::string> reasons;
  if (view.driver_problem) {
    reasons.push_back(fmt::format("driver: {}", *view.driver_problem));
  } else if (!view.has_seen_driver) {
    reasons.emplace_back("driver: not read yet");
  }
  if (view.observer_stuck > kStuck) {
    reasons.push_back(
        fmt::format("driver: a call has not returned for {:.0f} s",
                    to_seconds(view.observer_stuck)));
  }
  if (view.selection && !view.selection->is_decided) {
    const SelectionStatus& status = *view.selection;
    reasons.push_back(
        status.refusal.empty()
            ? fmt::format("config: {} ({})", status.waiting, status.api_problem)
            : fmt::format("config: {}", status.refusal));
  }
  if (!view.directory_problem.empty()) {
    reasons.push_back(view.directory_problem);
  }
  for (const Publisher::Status& one : view.resources) {
    if (!one.problem.empty()) {
      reasons.push_back(fmt::format("{}: {}", one.resource_name, one.problem));
    } else if (!one.is_registered) {
      reasons.push_back(fmt::format("{}: not registered", one.resource_name));
    }
  }
  if (!view.driver_problem) {
    for (const auto& [resource, why] : view.blocked) {
      reasons.push_back(fmt::format("{}: {}", resource, why));
    }
  }
  return reasons;
}

std::string metrics_page(
    const AgentView& view,
    const std::vector<oci::UngrantedContainer>& ungranted) {
  metrics::Registry page;
  add_resources(view, page);
  add_server(view, page);
  add_devices(view, page);
  add_configuration(view, page);
  if (view.labels) add_labels(*view.labels, page);
  if (view.selection) add_selection(*view.selection, page);
  add_shares(view, page);
  add_ungranted(ungranted, page);
  return page.expose();
}

}  // namespace gpunode::plugin
