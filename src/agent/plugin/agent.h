// The agent: one loop that keeps what the kubelet sees true.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/config/command_line.h"
#include "agent/config/load.h"
#include "agent/config/selection_settings.h"
#include "agent/plugin/agent_pages.h"
#include "agent/plugin/agent_view.h"
#include "agent/plugin/catalogue.h"
#include "agent/plugin/config_selection.h"
#include "agent/plugin/context_watch.h"
#include "agent/plugin/health_watch.h"
#include "agent/plugin/mps_watch.h"
#include "agent/plugin/node_labeller.h"
#include "agent/plugin/observer.h"
#include "agent/plugin/platform.h"
#include "agent/plugin/priority_keeper.h"
#include "agent/plugin/publisher.h"
#include "agent/plugin/share_keeper.h"
#include "agent/plugin/status_socket.h"
#include "agent/resource/health_policy.h"
#include "agent/resource/share_room.h"
#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/host/directory_watch.h"
#include "base/http/server.h"
#include "k8s/kubelet/server.h"

namespace gpunode::plugin {

/// Owns all state of the device plugin. One thread; everything that may hang
/// is the Observer's (docs/adr/0007).
class Agent {
 public:
  struct Inputs {
    config::CommandLine command_line;
    config::Loaded loaded;  ///< From `command_line` and the file it names.
    /// Then no file is named: what `loaded` comes from is chosen later.
    std::optional<config::SelectionSettings> selection;
    resource::HealthPolicy health_policy;
    int signal_fd = -1;  ///< A signalfd of HUP, INT, TERM and QUIT; not owned.
  };

  /// Starts to serve. Fails when the plugin directory cannot be watched, nor
  /// that of the configurations, no API server is known to choose one by, a
  /// required IMEX channel is missing, the listen address cannot be used or
  /// require-allocation cannot be told to the runtime: what only the operator
  /// can mend. A missing driver or kubelet is waited for.
  static Result<std::unique_ptr<Agent>> start(Inputs inputs);
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  /// Runs until INT, TERM or QUIT, then ends what is served. False: the driver
  /// is in a call that does not return, so destroying this would wait for it
  /// for ever; end the process instead.
  bool run();

  AgentView view();

 private:
  /// Of counts of turns no more than the next agent will know.
  AgentView kept_view();

  explicit Agent(Inputs inputs);
  Result<void> open();

  void take_observations();
  void on(const DriverUp& up);
  void on(const DriverDown& down);
  void on(const device::XidEvent& event);
  void on(const Probed& probed);
  void on(const MpsChecked& checked);
  void on(const ProcessesSeen& seen);

  /// Reads the configuration again; a bad one changes nothing but is told.
  void reload();
  void refuse_reload(const Error& why);
  /// Validated first, then adopted.
  Result<void> try_configuration(const std::optional<config::ConfigText>& file);
  Result<void> open_writer();
  Result<void> open_configuration();
  /// Tries what the node's label chooses, when that has changed.
  void follow_selection();
  void adopt(config::Loaded loaded,
             std::shared_ptr<const AnswerContext> context);

  /// From inventory and settings to resources; then publish().
  void rebuild();
  /// From resources, health and gates to what the kubelet sees.
  void publish();
  /// From inventory and settings to labels, once both are known.
  void label();
  /// Why nothing of a resource may be handed out, if so.
  std::optional<std::string> blocked(const resource::Resource& resource) const;

  void handle_signals();
  void handle_directory_events();
  void run_timers();
  void report_stuck_driver(TimePoint now);
  void keep_shares(TimePoint now);
  /// True if there was any.
  bool take_split_requests(TimePoint now);
  Result<std::unique_ptr<PodPriorities>> ask_pods() const;
  void begin_reconcile(TimePoint now);
  /// Takes out of `offers` what would only attract requests that don't fit.
  void hold_back(std::vector<Offer>& offers);
  resource::ShareRoom room_of(const resource::Resource& resource,
                              const std::vector<std::string>& held) const;
  int poll_timeout_ms() const;
  void start_observer();
  void open_status();
  HolderSources holder_sources() const;
  NodeSigns node_signs() const;
  /// An Event when another device plugin comes or goes, and words of what the
  /// Node's metadata lets one expect of them.
  void tell_of_neighbours();
  Result<std::shared_ptr<const AnswerContext>> look_at_host(
      const config::Settings& settings);

  SystemClock clock_;
  Inputs inputs_;
  config::Settings settings_;
  ContextWatch context_;
  std::string plugin_directory_;
  Platform platform_ = Platform::kNvml;

  std::unique_ptr<host::CommandRunner> runner_;
  std::unique_ptr<Observer> observer_;
  std::unique_ptr<kubelet::DevicePluginServer> server_;
  std::optional<Publisher> publisher_;
  std::optional<host::DirectoryWatch> directory_watch_;
  std::optional<http::Server> pages_;
  // Before the two that it writes for. Null: neither has a word for the API.
  std::unique_ptr<ClusterWriter> writer_;
  std::unique_ptr<NodeLabeller> labeller_;      // Null: no labels.
  std::unique_ptr<ConfigSelection> selection_;  // Null: not by label.
  std::optional<StatusSocket> status_;
  std::optional<ShareKeeper> shares_;
  std::optional<PriorityKeeper> priorities_;
  std::optional<ComputeHistory> compute_;  // With them.
  /// What was kept last, and shown until kept_until_.
  std::vector<ShareUse> kept_shares_;
  ComputeLives kept_lives_;
  TimePoint kept_until_{};

  std::shared_ptr<const device::Inventory> inventory_;  // Null: never seen.
  std::optional<Error> driver_problem_;
  Catalogue catalogue_;
  HealthWatch health_;
  MpsWatch mps_;
  std::optional<TimePoint> quiet_at_;

  /// Of each Resource in shares, once the kubelet has told who holds what.
  std::map<std::string, std::uint32_t> largest_free_;
  /// A request that no GPU has room for, and until when it is minded.
  struct Unfitting {
    std::uint32_t asked = 0;
    TimePoint until = {};
    Duration period = {};
  };
  std::map<std::string, Unfitting> unfitting_;  // By resource.
  std::set<std::string> held_back_;             // As published last.
  TimePoint next_reconcile_{};
  std::uint64_t reconcile_ = 0;  // Number of the last request.
  bool is_reconciling_ = false;  // It has not been answered.
  TimePoint reconciling_since_{};
  /// Why containers may have more than they were granted; empty: they may not.
  std::string runtime_problem_;
  std::string told_neighbour_;
  std::uint64_t told_takes_ = 0;
  std::shared_ptr<const kube::NodeMeta> told_node_;
  bool has_settled_ = false;
  bool is_driver_stuck_ = false;
  bool stopping_ = false;
  std::string reload_problem_;
  std::uint64_t reloads_ = 0;
  std::uint64_t reload_failures_ = 0;
  std::uint64_t driver_losses_ = 0;
};

}  // namespace gpunode::plugin
