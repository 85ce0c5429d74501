#include "agent/plugin/agent.h"

#include <poll.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "agent/plugin/driver_remedy.h"
#include "agent/plugin/gpu_operator.h"
#include "agent/plugin/known_gpus.h"
#include "agent/plugin/plugin_directory.h"
#include "agent/plugin/runtime_setting.h"
#include "base/core/log.h"
#include "base/host/start_up_pages.h"

namespace gpunode::plugin {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// The loop turns at least this often.
constexpr int kLongestWaitMs = 5'000;
/// What a driver's call may take when the agent is asked to end; an idle event
/// wait takes half a second.
constexpr milliseconds kStopPatience{700};
/// From the first registration until the kubelet has opened its stream and
/// start-up is over.
constexpr seconds kQuietAfterStart{2};

std::string base_name(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

}  // namespace

Agent::Agent(Inputs inputs)
    : inputs_(std::move(inputs)),
      settings_(inputs_.loaded.settings),
      plugin_directory_(plugin_directory_of(settings_.kubelet_socket)),
      runner_(std::make_unique<host::SystemCommandRunner>()),
      health_(inputs_.health_policy, settings_) {}

Agent::~Agent() = default;

Result<std::unique_ptr<Agent>> Agent::start(Inputs inputs) {
  std::unique_ptr<Agent> agent(new Agent(std::move(inputs)));
  TRY_VOID(agent->open());
  return agent;
}

Result<void> Agent::open() {
  TRY(directory_watch_, watch_plugin_directory(plugin_directory_));
  TRY_VOID(open_writer());
  TRY_VOID(open_configuration());
  TRY_VOID(tell_runtime(settings_));
  labeller_ = NodeLabeller::make(settings_.labelling, writer_.get());
  // The driver opens on its own thread while gRPC starts here.
  start_observer();
  TRY(auto context, look_at_host(settings_));
  context_.adopt(std::move(context));
  TRY(server_,
      kubelet::DevicePluginServer::start(kubelet::AcceptOn::kCallersLoop));
  publisher_.emplace(
      *server_, Publisher::Paths{settings_.kubelet_socket, plugin_directory_},
      settings_.take_over ? Publisher::Stranger::kTakeOver
                          : Publisher::Stranger::kRespect,
      [this] { return node_signs(); });
  open_status();
  // Its own /proc is the host's, with hostPID.
  HolderSources sources = holder_sources();
  sources.wants_both = true;
  shares_.emplace(grant_files(settings_), host::HostRoot(), std::move(sources));
  priorities_.emplace(grant_files(settings_), [this] { return ask_pods(); });
  compute_.emplace(grant_files(settings_));
  if (settings_.listen_address.empty()) return {};
  TRY(pages_, serve_pages(
                  settings_.listen_address, clock_, settings_.host_root,
                  [this] { return view(); }, [this] { return kept_view(); }));
  return {};
}

void Agent::start_observer() {
  const host::HostRoot driver_root(settings_.driver_root_ctr_path);
  const host::HostRoot host_root(settings_.host_root);
  platform_ =
      detect_platform(settings_.discovery_strategy, host_root, driver_root);
  if (observer_ && !observer_->try_stop(kStopPatience)) {
    log::error("driver",
               "a call to the old driver does not return; leaving "
               "its thread behind");
    static_cast<void>(observer_.release());
  }
  observer_.reset();
  observer_ = std::make_unique<Observer>(
      Observer::Inputs{
          settings_.nvml_library, driver_root, host_root,
          platform_ != Platform::kTegra,
          platform_ == Platform::kNvml && inputs_.health_policy.is_listening()},
      *runner_);
  if (platform_ == Platform::kTegra) {
    observer_->observations().post(DriverUp{
        std::make_shared<const device::Inventory>(tegra_inventory()), {}});
  }
}

Result<std::shared_ptr<const AnswerContext>> Agent::look_at_host(
    const config::Settings& settings) {
  return context_.look(settings, platform_, inventory_.get());
}

bool Agent::run() {
  enum Slot {
    kSignals,
    kObservations,
    kDirectory,
    kConnections,
    kPages,
    kConfigs,
    kLabel,
    kStatus,
    kHolders,
    kShares,
    kSplit
  };
  std::vector<pollfd> fds = {{inputs_.signal_fd, POLLIN, 0},
                             {observer_->observations().fd(), POLLIN, 0},
                             {directory_watch_->fd(), POLLIN, 0},
                             {server_->poll_fd(), POLLIN, 0},
                             {pages_ ? pages_->fd() : -1, POLLIN, 0},
                             {-1, POLLIN, 0},
                             {-1, POLLIN, 0},
                             {-1, POLLIN, 0},
                             {-1, POLLIN, 0},
                             {shares_->news_fd(), POLLIN, 0},
                             {context_.split_requests().fd(), POLLIN, 0}};
  if (selection_) {
    fds[kConfigs].fd = selection_->directory_fd();
    fds[kLabel].fd = selection_->news_fd();
  }
  while (!stopping_) {
    fds[kObservations].fd = observer_->observations().fd();
    fds[kStatus].fd = status_ ? status_->fd() : -1;
    fds[kHolders].fd = status_ ? status_->news_fd() : -1;
    ::poll(fds.data(), fds.size(), poll_timeout_ms());
    if (fds[kSignals].revents != 0) handle_signals();
    if (stopping_) break;
    if (fds[kConnections].revents != 0) server_->process();
    take_observations();
    follow_selection();
    if (fds[kDirectory].revents != 0) handle_directory_events();
    // Before the timers, which may open another one.
    if (fds[kStatus].revents != 0 || fds[kHolders].revents != 0) {
      status_->step();
    }
    run_timers();
    if (fds[kPages].revents != 0) pages_->step();
  }
  log::info("agent", "stopping");
  // Before whatever may take long to end.
  std::vector<ShareUse> uses = shares_->uses();
  compute_->complete(&uses);
  compute_->save();
  labeller_.reset();
  status_.reset();
  shares_.reset();
  pages_.reset();
  selection_.reset();
  writer_.reset();
  publisher_.reset();
  server_.reset();
  priorities_.reset();
  return observer_->try_stop(kStopPatience);
}

int Agent::poll_timeout_ms() const {
  TimePoint next = publisher_->next_tick();
  for (const std::optional<TimePoint>& at :
       {health_.next(), mps_.next(), context_.next(), quiet_at_,
        shares_->next()}) {
    if (at) next = std::min(next, *at);
  }
  if (selection_ && selection_->next_look()) {
    next = std::min(next, *selection_->next_look());
  }
  if (!directory_watch_->is_armed()) {
    next = std::min(next, clock_.now() + seconds(1));
  }
  if (next == TimePoint::max()) return kLongestWaitMs;
  const auto left = std::chrono::ceil<milliseconds>(next - clock_.now());
  return static_cast<int>(
      std::clamp<milliseconds::rep>(left.count(), 0, kLongestWaitMs));
}

void Agent::handle_signals() {
  signalfd_siginfo info{};
  while (::read(inputs_.signal_fd, &info, sizeof info) == sizeof info) {
    if (info.ssi_signo != SIGHUP) {
      log::info("agent", "received signal {}", info.ssi_signo);
      stopping_ = true;
      return;
    }
    log::info("agent", "received SIGHUP, reloading");
    reload();
  }
}

void Agent::handle_directory_events() {
  using Kind = host::DirectoryEvent::Kind;
  const std::string kubelet_name = base_name(settings_.kubelet_socket);
  bool kubelet_started = false;
  bool files_removed = false;
  for (const host::DirectoryEvent& event : directory_watch_->take_events()) {
    switch (event.kind) {
      case Kind::kCreated:
        kubelet_started |= event.name == kubelet_name;
        break;
      case Kind::kRemoved:
        files_removed |= event.name != kubelet_name;
        break;
      case Kind::kRescan:
        kubelet_started = true;
        break;
      case Kind::kGone:
        log::warning("kubelet", "{} is gone; waiting for it",
                     plugin_directory_);
        break;
      case Kind::kWritten:
        break;
    }
  }
  if (kubelet_started) {
    log::info("kubelet", "{} was created, registering again",
              settings_.kubelet_socket);
    publisher_->kubelet_started(clock_.now());
  } else if (files_removed) {
    publisher_->files_removed(clock_.now());
  }
}

void Agent::run_timers() {
  const TimePoint now = clock_.now();
  if (!directory_watch_->is_armed() && directory_watch_->rearm()) {
    log::info("kubelet", "{} is back", plugin_directory_);
    open_status();
    publisher_->kubelet_started(now);
  }
  std::vector<device::DeviceId> unhealthy = health_.due(now, !driver_problem_);
  if (!unhealthy.empty()) observer_->probe(std::move(unhealthy));
  for (std::string& resource : mps_.due(now)) {
    observer_->check_mps(std::move(resource));
  }
  if (context_.look_again(settings_, platform_, inventory_.get(), now)) {
    if (inventory_) rebuild();
    publish();
  }
  report_stuck_driver(now);
  keep_shares(now);
  publisher_->tick(now);
  tell_of_neighbours();
  if (!has_settled_ && publisher_->has_offers() && publisher_->is_settled()) {
    has_settled_ = true;
    if (writer_ && settings_.take_over && !settings_.give_back &&
        !settings_.node_name.empty()) {
      writer_->set_loan(operator_loan(settings_));
    }
    quiet_at_ = now + kQuietAfterStart;
  }
  if (quiet_at_ && now >= *quiet_at_) {
    quiet_at_.reset();
    host::release_start_up_pages();
  }
}

void Agent::take_observations() {
  for (const Observation& observation : observer_->observations().take()) {
    std::visit([this](const auto& one) { on(one); }, observation);
  }
}

void Agent::on(const DriverUp& up) {
  if (driver_problem_) log::info("driver", "the driver is back");
  driver_problem_.reset();
  inventory_ = std::make_shared<const device::Inventory>(
      inventory_ ? keep_lost_gpus(*up.inventory, *inventory_) : *up.inventory);
  // Its device nodes come with a driver. A channel that is still missing was
  // complained of at the start.
  if (auto context = look_at_host(settings_)) {
    context_.adopt(*std::move(context));
  }
  log::info("driver", "driver {}: {} GPUs, {} lost", inventory_->driver_version,
            up.inventory->gpus.size(), up.inventory->lost.size());
  if (inventory_->gpus.empty()) {
    log::warning("driver",
                 "No devices found. Waiting: the list is read again "
                 "every 30 seconds and on SIGHUP");
  }
  rebuild();
  health_.on_driver(up, *inventory_, catalogue_.resources(), clock_.now());
  publish();
  label();
}

void Agent::label() {
  // Labels speak of sharing: not before it is decided.
  const bool is_decided = !selection_ || selection_->in_force();
  if (labeller_ && inventory_ && is_decided) {
    labels::LabelSet further;
    for (const auto& [name, largest] : largest_free_) {
      further[name + ".shares.largest-free"] = std::to_string(largest);
    }
    labeller_->label(*inventory_, settings_, further);
  }
}

void Agent::on(const DriverDown& down) {
  const bool was_up = !driver_problem_;
  driver_problem_ = down.reason;
  if (!was_up) {
    // Another reason, the same remedy.
    log::warning("driver", "still no driver: {}", down.reason.message());
    return;
  }
  ++driver_losses_;
  // NVIDIA's words first: people search for them.
  log::error("driver",
             "nvml init failed: {}. No GPU is offered until the driver "
             "answers; it is asked every few seconds. {}",
             down.reason.message(),
             driver_remedy(host::HostRoot(settings_.host_root)));
  publish();
}

void Agent::on(const device::XidEvent& event) {
  if (health_.on_xid(event, clock_.now())) publish();
}

void Agent::on(const Probed& probed) {
  switch (health_.on_probe(probed, catalogue_.resources(), clock_.now())) {
    case HealthWatch::Verdict::kSame:
      break;
    case HealthWatch::Verdict::kChanged:
      publish();
      break;
    case HealthWatch::Verdict::kDoubtful:
      observer_->rescan();
      break;
  }
}

void Agent::report_stuck_driver(TimePoint now) {
  const bool is_stuck = observer_->stuck_for(now) > kStuck;
  if (is_stuck == is_driver_stuck_) return;
  is_driver_stuck_ = is_stuck;
  if (is_stuck) {
    log::error("driver",
               "a call to the driver has not returned for {} s; what "
               "was offered stays, health is unknown. See dmesg.",
               kStuck.count());
  } else {
    log::info("driver", "the driver answers again");
  }
}

void Agent::on(const MpsChecked& checked) {
  if (mps_.on_answer(checked.resource_name, checked.failure)) publish();
}

void Agent::rebuild() {
  resource::ResourceSet built =
      resource::build_resources(*inventory_, settings_);
  for (resource::Resource& resource : built.resources) {
    resource = on_platform(platform_, std::move(resource));
  }
  health_.track(built.resources);
  catalogue_.replace(std::move(built), inventory_->topology,
                     context_.current());
  mps_.follow(catalogue_.shared_by_mps(), clock_.now());
}

std::optional<std::string> Agent::blocked(
    const resource::Resource& resource) const {
  if (driver_problem_) return driver_problem_->message();
  const std::string& cdi_problem = context_.current()->cdi_problem;
  if (!cdi_problem.empty()) return cdi_problem;
  const std::string& share_problem = context_.current()->share_problem;
  if (resource.is_limiting() && !share_problem.empty()) return share_problem;
  if (resource.is_limiting() && !runtime_problem_.empty()) {
    return runtime_problem_;
  }
  if (resource.sharing().strategy == config::SharingStrategy::kMps) {
    return mps_.problem(resource.name().value());
  }
  return std::nullopt;
}

void Agent::publish() {
  // What a node offers is for its owner to say, not for a moment's default.
  if (selection_ && !selection_->in_force()) return;
  std::vector<Offer> offers = catalogue_.offers(
      [this](const resource::Resource& resource) { return blocked(resource); },
      [this](const resource::Device& device) {
        return health_.book().health(device.id).is_healthy;
      });
  hold_back(offers);
  if (offers.empty()) offers = empty_offers(settings_, context_.current());
  publisher_->apply(std::move(offers), clock_.now());
}

}  // namespace gpunode::plugin
