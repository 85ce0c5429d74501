// Publisher: makes what the kubelet sees equal to what is offered.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "agent/plugin/neighbours.h"
#include "agent/plugin/offer.h"
#include "base/core/clock.h"
#include "k8s/kubelet/server.h"

namespace gpunode::plugin {

/// Owns nothing but the knowledge of what is served and what is registered.
/// Used by one thread. Time comes in as an argument.
///
/// A change is applied as a difference: a resource whose offer did not change
/// keeps its socket and its open streams. What fails (a socket, a
/// registration) is tried again with back-off and does not touch the others.
class Publisher {
 public:
  struct Paths {
    std::string kubelet_socket;  ///< Empty: serve, but do not register.
    std::string plugin_directory;
  };

  /// What to do about another device plugin that listens on our socket's path.
  enum class Stranger {
    kRespect,   ///< Say who, and serve once it is gone.
    kTakeOver,  ///< Listen in its place; register, which the kubelet follows.
  };

  /// What is known of one resource, for metrics and readiness.
  struct Status {
    std::string resource_name;
    bool is_served = false;
    bool is_registered = false;
    std::string problem;  ///< Of serving or registering; empty: none.
    /// The problem is another device plugin.
    bool has_neighbour = false;
    std::uint64_t registrations = 0;
  };

  /// `server` outlives this. `signs`: what is known of the Node, for words
  /// about other device plugins.
  Publisher(kubelet::DevicePluginServer& server, Paths paths, Stranger stranger,
            std::function<NodeSigns()> signs);

  /// Serves these resources and no others, and registers the new ones.
  void apply(std::vector<Offer> offers, TimePoint now);

  /// The kubelet made a new socket: everything is registered again.
  void kubelet_started(TimePoint now);

  /// Files of the plugin directory went away: a socket of ours that is no
  /// longer reachable is made anew, and that resource registered again.
  void files_removed(TimePoint now);

  /// Does what is due. Blocks at most kRegisterTimeout for a hung kubelet.
  void tick(TimePoint now);
  static constexpr std::chrono::milliseconds kRegisterTimeout{500};

  /// When tick() has something to do; TimePoint::max() if nothing waits.
  TimePoint next_tick() const { return std::min(retry_at_, restore_at_); }

  std::vector<Status> status() const;
  /// How often another device plugin's place was taken.
  std::uint64_t takes() const { return takes_; }
  /// True if every offer is served and registered.
  bool is_settled() const;
  bool has_offers() const { return !entries_.empty(); }

 private:
  struct Entry {
    Offer offer;
    Status status;
    bool has_socket = true;  // False: served on open streams only.
    TimePoint may_take_at = TimePoint::min();
  };

  std::string socket_of(const Entry& entry) const;
  void serve(Entry& entry);
  /// Whether another plugin keeps `entry` from being served; says so.
  bool gives_way(Entry& entry);
  bool gives_way_beside(Entry& entry);
  Rival rival_of(const Neighbour& neighbour, const Entry& entry) const;
  void warn_of_foreign_ids(const Entry& entry) const;
  void update(Entry& entry, Offer offer);
  void restore_sockets(TimePoint now);
  void restore_socket(Entry& entry, TimePoint now);
  Result<bool> retake_socket(Entry& entry, Error taken, TimePoint now);
  void register_pending();
  void note_problem(Status& status, std::string problem);
  void note_neighbour(Status& status, std::string problem);

  kubelet::DevicePluginServer& server_;
  const Paths paths_;
  const Stranger stranger_;
  const std::function<NodeSigns()> signs_;
  Neighbours neighbours_;
  std::map<std::string, Entry> entries_;  // By resource name.
  std::uint64_t takes_ = 0;
  TimePoint retry_at_ = TimePoint::max();
  Duration retry_delay_{};
  TimePoint restore_at_ = TimePoint::max();
};

}  // namespace gpunode::plugin
