#include "agent/plugin/agent.h"

#include <poll.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "agent/plugin/cdi_specs.h"
#include "agent/plugin/driver_remedy.h"
#include "agent/plugin/known_gpus.h"
#include "agent/plugin/plugin_directory.h"
#include "agent/plugin/runtime_setting.h"
#include "base/core/log.h"
#include "base/host/start_up_pages.h"

namespace gpunode::plugin {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// How often unhealthy Devices are asked whether they are back.
constexpr seconds kProbeInterval{5};
/// The loop turns at least this often.
constexpr int kLongestWaitMs = 5'000;
/// What a driver's call may take when the agent is asked to end; an idle event
/// wait takes half a second.
constexpr milliseconds kStopPatience{700};
/// How often control nodes are looked for: nvidia-uvm appears after the driver.
constexpr seconds kNodesInterval{10};
/// From the first registration until the kubelet has opened its stream and
/// start-up is over.
constexpr seconds kQuietAfterStart{2};

std::string base_name(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

resource::RecoveryRule recovery_rule(const config::Settings& settings) {
  resource::RecoveryRule rule;
  rule.never_recovers = !settings.health_quiet_period.has_value();
  if (settings.health_quiet_period) {
    rule.quiet_period = *settings.health_quiet_period;
  }
  return rule;
}

}  // namespace

Agent::Agent(Inputs inputs)
    : inputs_(std::move(inputs)),
      settings_(inputs_.loaded.settings),
      plugin_directory_(plugin_directory_of(settings_.kubelet_socket)),
      runner_(std::make_unique<host::SystemCommandRunner>()),
      health_(recovery_rule(settings_)) {}

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
  TRY(context_, make_context(settings_));
  TRY(server_,
      kubelet::DevicePluginServer::start(kubelet::AcceptOn::kCallersLoop));
  publisher_.emplace(
      *server_, Publisher::Paths{settings_.kubelet_socket, plugin_directory_},
      settings_.take_over ? Publisher::Stranger::kTakeOver
                          : Publisher::Stranger::kRespect);
  open_status();
  if (settings_.listen_address.empty()) return {};
  TRY(pages_, serve_pages(settings_.listen_address, clock_, settings_.host_root,
                          [this] { return view(); }));
  return {};
}

void Agent::open_status() {
  // For people only: without it the node works as well.
  Result<StatusSocket> made =
      StatusSocket::open(plugin_directory_, clock_, [this] { return view(); });
  if (made) {
    status_.emplace(*std::move(made));
  } else {
    status_.reset();
    log::warning("status", "gpunode status will not work: {}",
                 made.error().message());
  }
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

Result<std::shared_ptr<const AnswerContext>> Agent::make_context(
    const config::Settings& settings) {
  TRY(AnswerContext context,
      gather_context(settings, platform_, inventory_.get(), driver_look_));
  return std::make_shared<const AnswerContext>(std::move(context));
}

void Agent::adopt_context(std::shared_ptr<const AnswerContext> context) {
  const std::string before = context_ ? context_->cdi_problem : std::string();
  context_ = std::move(context);
  if (context_->cdi_problem == before) return;
  if (context_->cdi_problem.empty()) {
    log::info("cdi", "the CDI specs are written");
  } else {
    log::error("cdi", "{}", context_->cdi_problem);
  }
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
    kStatus
  };
  std::vector<pollfd> fds = {{inputs_.signal_fd, POLLIN, 0},
                             {observer_->observations().fd(), POLLIN, 0},
                             {directory_watch_->fd(), POLLIN, 0},
                             {server_->poll_fd(), POLLIN, 0},
                             {pages_ ? pages_->fd() : -1, POLLIN, 0},
                             {-1, POLLIN, 0},
                             {-1, POLLIN, 0},
                             {-1, POLLIN, 0}};
  if (selection_) {
    fds[kConfigs].fd = selection_->directory_fd();
    fds[kLabel].fd = selection_->news_fd();
  }
  while (!stopping_) {
    fds[kObservations].fd = observer_->observations().fd();
    fds[kStatus].fd = status_ ? status_->fd() : -1;
    ::poll(fds.data(), fds.size(), poll_timeout_ms());
    if (fds[kSignals].revents != 0) handle_signals();
    if (stopping_) break;
    if (fds[kConnections].revents != 0) server_->process();
    take_observations();
    follow_selection();
    if (fds[kDirectory].revents != 0) handle_directory_events();
    // Before the timers, which may open another one.
    if (fds[kStatus].revents != 0) status_->step();
    run_timers();
    if (fds[kPages].revents != 0) pages_->step();
  }
  log::info("agent", "stopping");
  labeller_.reset();
  status_.reset();
  pages_.reset();
  selection_.reset();
  writer_.reset();
  publisher_.reset();
  server_.reset();
  return observer_->try_stop(kStopPatience);
}

int Agent::poll_timeout_ms() const {
  TimePoint next = publisher_->next_tick();
  for (const std::optional<TimePoint>& at :
       {probe_at_, mps_.next(), nodes_check_at_, quiet_at_}) {
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
  if (probe_at_ && now >= *probe_at_) probe_unhealthy(now);
  for (std::string& resource : mps_.due(now)) {
    observer_->check_mps(std::move(resource));
  }
  check_device_nodes(now);
  report_stuck_driver(now);
  publisher_->tick(now);
  if (!has_settled_ && publisher_->has_offers() && publisher_->is_settled()) {
    has_settled_ = true;
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
  if (auto context = make_context(settings_))
    adopt_context(*std::move(context));
  log::info("driver", "driver {}: {} GPUs, {} lost", inventory_->driver_version,
            up.inventory->gpus.size(), up.inventory->lost.size());
  if (inventory_->gpus.empty()) {
    log::warning("driver",
                 "No devices found. Waiting: the list is read again "
                 "every 30 seconds and on SIGHUP");
  }
  rebuild();
  mark_missing(up);
  publish();
  label();
}

void Agent::label() {
  // Labels speak of sharing: not before it is decided.
  const bool is_decided = !selection_ || selection_->in_force();
  if (labeller_ && inventory_ && is_decided) {
    labeller_->label(*inventory_, settings_);
  }
}

void Agent::mark_missing(const DriverUp& up) {
  const auto fail_gpu = [this](const device::DeviceId& gpu,
                               const std::string& reason) {
    for (const auto& resource : resources_) {
      for (const resource::Device& device : resource->devices()) {
        if (device.gpu_id != gpu) continue;
        if (health_.on_probe(device.id, false, reason, clock_.now())) {
          log::error("health", "{} is unhealthy: {}", device.id.value, reason);
        }
      }
    }
  };
  suspects_.clear();
  for (const device::LostGpu& lost : inventory_->lost) {
    if (!lost.id) continue;
    suspects_.emplace(*lost.id, lost.reason);
    fail_gpu(*lost.id, lost.reason);
  }
  for (const nvml::Unwatched& unwatched : up.unwatched) {
    if (unwatched.is_failure) {
      suspects_.emplace(unwatched.gpu, unwatched.reason);
      fail_gpu(unwatched.gpu, unwatched.reason);
    } else {
      log::warning("health", "{} reports no health events: {}",
                   unwatched.gpu.value, unwatched.reason);
    }
  }
  schedule_probe();
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
  ++xids_;
  const std::vector<device::DeviceId> changed =
      health_.on_xid(event, inputs_.health_policy, clock_.now());
  const std::string where = event.gpu ? event.gpu->value : "an unknown GPU";
  if (!inputs_.health_policy.is_critical(event.xid)) {
    log::info("health", "{} on {}: an application's error, ignored",
              device::describe_xid(event.xid), where);
    return;
  }
  for (const device::DeviceId& id : changed) {
    log::error("health", "{} is unhealthy: {}", id.value,
               device::describe_xid(event.xid));
  }
  if (changed.empty()) return;
  schedule_probe();
  publish();
}

const std::string* Agent::suspicion(const device::DeviceId& id) const {
  for (const auto& resource : resources_) {
    const std::optional<std::size_t> at = resource->find_device(id.value);
    if (!at) continue;
    const auto found = suspects_.find(resource->devices()[*at].gpu_id);
    return found == suspects_.end() ? nullptr : &found->second;
  }
  return nullptr;
}

void Agent::on(const Probed& probed) {
  if (!probed.failure && suspicion(probed.id) != nullptr) {
    // It answers, but the driver could not describe or watch it when last
    // asked: ask again before it is given to anybody.
    observer_->rescan();
    return;
  }
  const bool changed = health_.on_probe(
      probed.id, !probed.failure, probed.failure.value_or(""), clock_.now());
  if (!changed) return;
  if (probed.failure) {
    log::error("health", "{} is unhealthy: {}", probed.id.value,
               *probed.failure);
  } else {
    log::info("health", "{} is healthy again", probed.id.value);
  }
  publish();
}

void Agent::schedule_probe() {
  const std::optional<TimePoint> recovery = health_.next_recovery();
  if (!recovery) {
    probe_at_.reset();
    return;
  }
  const TimePoint now = clock_.now();
  probe_at_ = std::clamp(*recovery, now, now + kProbeInterval);
}

void Agent::probe_unhealthy(TimePoint now) {
  std::vector<device::DeviceId> ids = health_.unhealthy();
  if (!ids.empty() && !driver_problem_) observer_->probe(std::move(ids));
  probe_at_ = health_.unhealthy().empty() ? std::nullopt
                                          : std::optional(now + kProbeInterval);
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

void Agent::check_device_nodes(TimePoint now) {
  if (!settings_.pass_device_specs && !uses_cdi(settings_)) return;
  if (nodes_check_at_ && now < *nodes_check_at_) return;
  nodes_check_at_ = now + kNodesInterval;
  Result<std::shared_ptr<const AnswerContext>> context =
      make_context(settings_);
  if (!context || ((*context)->host_devices == context_->host_devices &&
                   (*context)->cdi_problem == context_->cdi_problem)) {
    return;
  }
  if ((*context)->host_devices.control_nodes !=
      context_->host_devices.control_nodes) {
    log::info("driver", "device nodes to pass have changed: {}",
              fmt::join((*context)->host_devices.control_nodes, " "));
  }
  adopt_context(*std::move(context));
  if (inventory_) rebuild();
  publish();
}

void Agent::on(const MpsChecked& checked) {
  if (mps_.on_answer(checked.resource_name, checked.failure)) publish();
}

void Agent::rebuild() {
  resource::ResourceSet built =
      resource::build_resources(*inventory_, settings_);
  for (const resource::Problem& problem : built.problems) {
    const bool is_known = std::any_of(
        problems_.begin(), problems_.end(), [&](const resource::Problem& one) {
          return one.resource == problem.resource &&
                 one.message == problem.message;
        });
    if (is_known) continue;  // Said when it arose.
    log::error("resource", "{}{}{}", problem.resource,
               problem.resource.empty() ? "" : ": ", problem.message);
  }
  problems_ = std::move(built.problems);
  for (resource::Resource& resource : built.resources) {
    resource = on_platform(platform_, std::move(resource));
  }
  health_.track(built.resources);
  resources_.clear();
  handlers_.clear();
  for (resource::Resource& resource : built.resources) {
    resources_.push_back(
        std::make_shared<const resource::Resource>(std::move(resource)));
    handlers_.push_back(std::make_shared<const ResourceHandler>(
        resources_.back(), inventory_->topology, context_));
  }
  follow_mps_daemons();
}

void Agent::follow_mps_daemons() {
  std::vector<std::string> shared;
  for (const auto& resource : resources_) {
    if (resource->sharing().strategy == config::SharingStrategy::kMps) {
      shared.push_back(resource->name().value());
    }
  }
  mps_.follow(std::move(shared), clock_.now());
}

std::optional<std::string> Agent::blocked(
    const resource::Resource& resource) const {
  if (driver_problem_) return driver_problem_->message();
  if (!context_->cdi_problem.empty()) return context_->cdi_problem;
  if (resource.sharing().strategy == config::SharingStrategy::kMps) {
    return mps_.problem(resource.name().value());
  }
  return std::nullopt;
}

void Agent::publish() {
  // What a node offers is for its owner to say, not for a moment's default.
  if (selection_ && !selection_->in_force()) return;
  std::vector<Offer> offers;
  for (std::size_t i = 0; i < resources_.size(); ++i) {
    const resource::Resource& resource = *resources_[i];
    Offer offer{resource.name().value(),
                endpoint_of(resource.name().value()),
                handlers_[i],
                {}};
    // A resource that is blocked keeps its socket and lists nothing: the node
    // says zero, and running Pods keep what they have.
    if (!blocked(resource)) {
      offer.devices =
          list_devices(resource, [this](const resource::Device& device) {
            return health_.health(device.id).is_healthy;
          });
    }
    offers.push_back(std::move(offer));
  }
  if (offers.empty()) add_empty_offers(offers);
  publisher_->apply(std::move(offers), clock_.now());
}

void Agent::add_empty_offers(std::vector<Offer>& offers) const {
  for (const std::string& name : expected_resource_names(settings_)) {
    Result<resource::ResourceName> parsed = resource::ResourceName::parse(name);
    if (!parsed) continue;
    auto nothing = std::make_shared<const resource::Resource>(
        *std::move(parsed), std::vector<resource::Device>{});
    offers.push_back({name,
                      endpoint_of(name),
                      std::make_shared<const ResourceHandler>(
                          std::move(nothing), device::Topology(), context_),
                      {}});
  }
}

AgentView Agent::view() const {
  AgentView view;
  view.resources = publisher_->status();
  view.calls = server_->stats();
  if (inventory_) view.driver_version = inventory_->driver_version;
  if (driver_problem_) view.driver_problem = driver_problem_->message();
  view.has_seen_driver = inventory_ != nullptr;
  for (const auto& resource : resources_) {
    for (const resource::Device& device : resource->devices()) {
      view.devices.emplace_back(device.id, health_.health(device.id));
      if (const auto since = health_.unhealthy_since(device.id)) {
        view.unhealthy_for.emplace(device.id, clock_.now() - *since);
      }
    }
    if (std::optional<std::string> why = blocked(*resource)) {
      view.blocked.emplace(resource->name().value(), *std::move(why));
    }
  }
  view.inventory = inventory_;
  view.offered = resources_;
  view.config_file = inputs_.command_line.text(config::Option::kConfigFile);
  view.mig_strategy = settings_.mig_strategy;
  view.problems = problems_;
  if (labeller_) view.labels = labeller_->status();
  if (!directory_watch_->is_armed()) {
    view.directory_problem = plugin_directory_ + " is gone";
  }
  view.reload_problem = reload_problem_;
  view.reloads = reloads_;
  view.reload_failures = reload_failures_;
  if (selection_) view.selection = selection_->status();
  view.config_warnings = inputs_.loaded.warnings.size();
  view.xids = xids_;
  view.driver_losses = driver_losses_;
  view.observer_stuck = observer_->stuck_for(clock_.now());
  return view;
}

}  // namespace gpunode::plugin
