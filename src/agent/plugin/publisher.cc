#include "agent/plugin/publisher.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/core/log.h"
#include "k8s/kubelet/registration.h"

namespace gpunode::plugin {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// A kubelet binds its socket some milliseconds before it answers on it.
constexpr milliseconds kFirstRetry{10};
/// A kubelet that appears is noticed by its socket; this is for one that
/// refuses, and for directories that are full or read-only.
constexpr seconds kLastRetry{5};

/// Another plugin takes our place by removing our socket and binding its own;
/// it has this long before a removed socket counts as an accident.
constexpr milliseconds kSuccession{100};

/// Two that take a socket from each other do so no more often than this.
constexpr seconds kBetweenTakes{5};

}  // namespace

Publisher::Publisher(kubelet::DevicePluginServer& server, Paths paths,
                     Stranger stranger, std::function<NodeSigns()> signs)
    : server_(server),
      paths_(std::move(paths)),
      stranger_(stranger),
      signs_(std::move(signs)),
      neighbours_(paths_.plugin_directory) {}

std::string Publisher::socket_of(const Entry& entry) const {
  return fmt::format("{}/{}", paths_.plugin_directory, entry.offer.endpoint);
}

void Publisher::apply(std::vector<Offer> offers, TimePoint now) {
  std::map<std::string, Offer> wanted;
  for (Offer& offer : offers) {
    std::string name = offer.resource_name;
    wanted.insert_or_assign(std::move(name), std::move(offer));
  }
  for (auto at = entries_.begin(); at != entries_.end();) {
    if (wanted.contains(at->first)) {
      ++at;
      continue;
    }
    if (at->second.status.is_served) server_.remove(at->first);
    log::info("kubelet", "withdrew {}", at->first);
    at = entries_.erase(at);
  }
  for (auto& [name, offer] : wanted) {
    const auto at = entries_.find(name);
    if (at != entries_.end()) {
      update(at->second, std::move(offer));
      continue;
    }
    Entry entry;
    entry.status.resource_name = name;
    entry.offer = std::move(offer);
    serve(entries_.emplace(name, std::move(entry)).first->second);
    retry_delay_ = Duration::zero();
    retry_at_ = now;
  }
}

void Publisher::update(Entry& entry, Offer offer) {
  const bool list_changed = entry.offer.devices != offer.devices;
  entry.offer = std::move(offer);
  if (!entry.status.is_served) return;  // tick() serves the new offer.
  server_.replace_handler(entry.offer.resource_name, entry.offer.handler);
  if (list_changed) {
    server_.publish(entry.offer.resource_name, entry.offer.devices);
  }
}

Rival Publisher::rival_of(const Neighbour& neighbour,
                          const Entry& entry) const {
  return identify(neighbour.program,
                  neighbours_.recorded(entry.offer.resource_name).registered,
                  signs_());
}

/// By another resource name, so on another socket.
bool Publisher::gives_way_beside(Entry& entry) {
  const auto is_ours = [this](const std::string& name) {
    return std::any_of(entries_.begin(), entries_.end(), [&](const auto& one) {
      return one.second.offer.endpoint == name;
    });
  };
  const std::optional<std::string> path = neighbours_.beside(is_ours);
  if (!path) return false;
  const std::optional<Neighbour> neighbour = neighbours_.on_socket(*path);
  if (!neighbour) return false;
  note_neighbour(
      entry.status,
      refusal_beside(*neighbour, *path, rival_of(*neighbour, entry), signs_()));
  return true;
}

/// Ids are all that the kubelet knows of a device.
void Publisher::warn_of_foreign_ids(const Entry& entry) const {
  std::vector<std::string> foreign =
      neighbours_.recorded(entry.offer.resource_name).held;
  std::erase_if(foreign, [&](const std::string& id) {
    return std::any_of(
        entry.offer.devices.begin(), entry.offer.devices.end(),
        [&](const kubelet::Device& device) { return device.id == id; });
  });
  if (foreign.empty()) return;
  log::warning("kubelet",
               "{} ids of {} that the kubelet has given to Pods are not this "
               "agent's, {} for one: if those Pods run, others get the same "
               "GPUs. Share as the other plugin does, or end those Pods "
               "(HAMi's always)",
               foreign.size(), entry.offer.resource_name, foreign.front());
}

bool Publisher::gives_way(Entry& entry) {
  const std::string path = socket_of(entry);
  const std::optional<Neighbour> neighbour = neighbours_.on_socket(path);
  if (!neighbour) return gives_way_beside(entry);
  // Two agents of ours on a node are a rollout, in which the newer one wins.
  if (neighbour->is_gpunode) {
    log::warning("kubelet",
                 "another gpunode-agent ({}) serves {} on this node; this one "
                 "takes its place",
                 name_of(*neighbour), entry.offer.resource_name);
    return false;
  }
  if (stranger_ == Stranger::kTakeOver) {
    log::warning("kubelet", "taking {} over from another device plugin ({})",
                 entry.offer.resource_name, name_of(*neighbour));
    ++takes_;
    warn_of_foreign_ids(entry);
    return false;
  }
  note_neighbour(entry.status,
                 refusal_because_of(*neighbour, path,
                                    rival_of(*neighbour, entry), signs_()));
  return true;
}

void Publisher::serve(Entry& entry) {
  if (gives_way(entry)) return;
  const std::string path = socket_of(entry);
  const Result<void> added =
      server_.add(entry.offer.resource_name, path, entry.offer.handler,
                  entry.offer.devices);
  if (!added) {
    note_problem(entry.status, added.error().message());
    return;
  }
  log::info("kubelet", "Starting to serve '{}' on {}",
            entry.offer.resource_name, path);
  entry.status.is_served = true;
  entry.status.has_neighbour = false;
  entry.status.problem.clear();
}

void Publisher::kubelet_started(TimePoint now) {
  restore_sockets(now);
  for (auto& [name, entry] : entries_) entry.status.is_registered = false;
  retry_delay_ = Duration::zero();
  retry_at_ = now;
}

void Publisher::files_removed(TimePoint now) {
  restore_at_ = std::min(restore_at_, now + kSuccession);
}

void Publisher::restore_sockets(TimePoint now) {
  for (auto& [name, entry] : entries_) {
    if (entry.status.is_served) restore_socket(entry, now);
  }
}

Result<bool> Publisher::retake_socket(Entry& entry, Error taken,
                                      TimePoint now) {
  const std::string path = socket_of(entry);
  const std::optional<Neighbour> neighbour = neighbours_.on_socket(path);
  if (!neighbour) return taken;
  const bool may_take = stranger_ == Stranger::kTakeOver &&
                        !neighbour->is_gpunode && now >= entry.may_take_at;
  if (!may_take) {
    return Error(ErrorCode::kAlreadyExists,
                 refusal_because_of(*neighbour, path,
                                    rival_of(*neighbour, entry), signs_()));
  }
  entry.may_take_at = now + kBetweenTakes;
  ++takes_;
  log::warning("kubelet", "taking {} back from another device plugin ({})",
               entry.offer.resource_name, name_of(*neighbour));
  return server_.restore_socket(entry.status.resource_name,
                                kubelet::IfTaken::kTake);
}

void Publisher::restore_socket(Entry& entry, TimePoint now) {
  Result<bool> restored = server_.restore_socket(entry.status.resource_name);
  if (!restored && restored.error().code() == ErrorCode::kAlreadyExists) {
    restored = retake_socket(entry, restored.error(), now);
  }
  entry.has_socket = restored.has_value();
  entry.status.has_neighbour =
      !restored && restored.error().code() == ErrorCode::kAlreadyExists;
  if (!restored) {
    // Someone put something else there, or the directory is full or gone. A
    // kubelet that is connected stays so.
    note_problem(entry.status, restored.error().message());
    entry.status.is_registered = false;
  } else if (*restored) {
    log::info("kubelet", "socket of {} was removed; listening again",
              entry.status.resource_name);
    entry.status.is_registered = false;
  }
}

void Publisher::tick(TimePoint now) {
  if (now >= restore_at_) {
    restore_at_ = TimePoint::max();
    restore_sockets(now);
    if (!is_settled()) {
      retry_delay_ = Duration::zero();
      retry_at_ = now;
    }
  }
  if (now < retry_at_) return;
  retry_at_ = TimePoint::max();
  for (auto& [name, entry] : entries_) {
    if (!entry.status.is_served) {
      serve(entry);
    } else if (!entry.has_socket) {
      restore_socket(entry, now);
    }
  }
  register_pending();
  if (is_settled()) {
    retry_delay_ = Duration::zero();
    return;
  }
  retry_delay_ =
      std::clamp<Duration>(retry_delay_ * 2, kFirstRetry, kLastRetry);
  retry_at_ = now + retry_delay_;
}

void Publisher::register_pending() {
  std::vector<Entry*> pending;
  std::vector<kubelet::Registration> requests;
  for (auto& [name, entry] : entries_) {
    if (!entry.status.is_served || !entry.has_socket ||
        entry.status.is_registered) {
      continue;
    }
    pending.push_back(&entry);
    requests.push_back({entry.offer.endpoint, name});
  }
  if (pending.empty()) return;
  std::vector<Result<void>> results;
  if (paths_.kubelet_socket.empty()) {
    log::info("kubelet", "Skipping registration with Kubelet");
    results.resize(pending.size());
  } else {
    results = server_.register_with(paths_.kubelet_socket, requests,
                                    kRegisterTimeout);
  }
  for (std::size_t i = 0; i < pending.size(); ++i) {
    Status& status = pending[i]->status;
    if (!results[i]) {
      note_problem(status, results[i].error().message());
      continue;
    }
    status.is_registered = true;
    status.problem.clear();
    ++status.registrations;
    log::info("kubelet", "Registered device plugin for '{}' with Kubelet",
              status.resource_name);
  }
}

void Publisher::note_problem(Status& status, std::string problem) {
  if (status.problem == problem) return;  // Said once, not at each retry.
  log::error("kubelet", "{}: {}; trying again", status.resource_name, problem);
  status.problem = std::move(problem);
}

void Publisher::note_neighbour(Status& status, std::string problem) {
  note_problem(status, std::move(problem));
  status.has_neighbour = true;
}

std::vector<Publisher::Status> Publisher::status() const {
  std::vector<Status> all;
  for (const auto& [name, entry] : entries_) all.push_back(entry.status);
  return all;
}

bool Publisher::is_settled() const {
  return std::all_of(entries_.begin(), entries_.end(), [](const auto& item) {
    return item.second.status.is_served && item.second.status.is_registered;
  });
}

}  // namespace gpunode::plugin
