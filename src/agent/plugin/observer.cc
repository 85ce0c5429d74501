#include "agent/plugin/observer.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <pthread.h>

#include "agent/plugin/mps_daemon.h"
#include "agent/plugin/nvml_library.h"
#include "base/core/log.h"
#include "gpu/procfs/annotation.h"

namespace gpunode::plugin {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// How long one wait for events lasts: a request waits at most this long.
constexpr milliseconds kEventSlice{250};
/// How often an idle driver is asked whether it is still there.
constexpr seconds kHeartbeat{5};
/// How often the Inventory is read again, to notice what sends no event: MIG
/// devices made or destroyed, a GPU taken out.
constexpr seconds kRescan{30};
/// Without events to wait for, this is how often the thread looks around.
constexpr seconds kIdle{1};
/// After a failed event wait; doubles up to kLastReopen while it fails at once,
/// so that a driver which refuses to report costs neither CPU nor log.
constexpr seconds kFirstReopen{1};
constexpr seconds kLastReopen{60};
constexpr milliseconds kFirstRetry{500};
constexpr seconds kLastRetry{5};

/// Marks the time during which a call may hang.
class Busy {
 public:
  explicit Busy(std::atomic<TimePoint::rep>& since) : since_(since) {
    since_ = SystemClock().now().time_since_epoch().count();
  }
  ~Busy() { since_ = 0; }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;

 private:
  std::atomic<TimePoint::rep>& since_;
};

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

bool has_failures(const std::vector<nvml::Unwatched>& unwatched) {
  return std::any_of(unwatched.begin(), unwatched.end(),
                     [](const nvml::Unwatched& one) { return one.is_failure; });
}

std::vector<device::DeviceId> gpu_ids(const device::Inventory& inventory) {
  std::vector<device::DeviceId> ids;
  for (const device::Gpu& gpu : inventory.gpus) ids.push_back(gpu.id);
  return ids;
}

}  // namespace

Observer::Observer(Inputs inputs, host::CommandRunner& runner)
    : inputs_(std::move(inputs)), runner_(runner), retry_(kFirstRetry) {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

Observer::~Observer() = default;  // jthread: request_stop(), which wakes; join.

void Observer::rescan() {
  request(Rescan{});
}

void Observer::probe(std::vector<device::DeviceId> ids) {
  request(Probe{std::move(ids)});
}

void Observer::check_mps(std::string resource_name) {
  request(CheckMps{std::move(resource_name)});
}

void Observer::list_processes(std::vector<device::DeviceId> ids,
                              std::uint64_t number) {
  request(ListProcesses{std::move(ids), number});
}

Duration Observer::stuck_for(TimePoint now) const {
  const TimePoint::rep since = busy_since_.load();
  if (since == 0) return Duration::zero();
  return now - TimePoint(Duration(since));
}

bool Observer::try_stop(milliseconds patience) {
  thread_.request_stop();
  const MutexLock lock(mutex_);
  return wake_.wait_for(mutex_, patience,
                        [this]() REQUIRES(mutex_) { return has_ended_; });
}

void Observer::request(Request request) {
  {
    const MutexLock lock(mutex_);
    // While a call hangs, what was asked for meanwhile must not pile up.
    if (std::find(requests_.begin(), requests_.end(), request) !=
        requests_.end()) {
      return;
    }
    requests_.push_back(std::move(request));
  }
  wake_.notify_all();
}

std::optional<Observer::Request> Observer::next_request(
    Duration wait, const std::stop_token& stop) {
  const MutexLock lock(mutex_);
  wake_.wait_until(mutex_, stop, SystemClock().now() + wait,
                   [this]() REQUIRES(mutex_) { return !requests_.empty(); });
  if (requests_.empty()) return std::nullopt;
  Request first = std::move(requests_.front());
  requests_.pop_front();
  return first;
}

void Observer::run(const std::stop_token& stop) {
  ::pthread_setname_np(::pthread_self(), "observer");
  while (!stop.stop_requested()) {
    if (!driver_ && inputs_.has_nvml) try_open();
    // With events to wait for, the waiting happens in watch().
    const bool waits_for_events = driver_ && driver_->events;
    const Duration wait = !driver_           ? retry_
                          : waits_for_events ? Duration::zero()
                                             : Duration(kIdle);
    if (const std::optional<Request> next = next_request(wait, stop)) {
      handle(*next);
    }
    // Also after a request: a stream of them must not keep XIDs waiting.
    if (driver_) watch(stop);
  }
  driver_.reset();
  {
    const MutexLock lock(mutex_);
    has_ended_ = true;
  }
  wake_.notify_all();
}

void Observer::handle(const Request& request) {
  std::visit(
      Overloaded{
          [&](const Rescan&) {
            // A missing driver is tried again by run().
            if (driver_) read_inventory(/*always_send=*/true);
          },
          [&](const Probe& probe) {
            for (const device::DeviceId& id : probe.ids) {
              Probed answer{id, "the driver does not answer"};
              if (driver_) {
                const Busy busy(busy_since_);
                const Result<void> alive = driver_->session.check_alive(id);
                answer.failure = alive ? std::nullopt
                                       : std::optional(alive.error().message());
              }
              observations_.post(std::move(answer));
            }
          },
          [&](const CheckMps& check) {
            const Busy busy(busy_since_);
            const Result<void> checked =
                check_mps_daemon(runner_, inputs_.driver_root,
                                 mps_pipe_directory(check.resource_name));
            observations_.post(MpsChecked{
                check.resource_name,
                checked ? std::nullopt : std::optional(checked.error())});
          },
          [&](const ListProcesses& list) {
            ProcessesSeen seen;
            seen.request = list.number;
            for (const device::DeviceId& id : list.ids) {
              if (!driver_) break;
              const Busy busy(busy_since_);
              if (auto processes = driver_->session.processes(id)) {
                seen.by_device.emplace(id, *std::move(processes));
              }
            }
            observations_.post(std::move(seen));
          }},
      request);
}

void Observer::try_open() {
  Result<nvml::Session> session = [&]() -> Result<nvml::Session> {
    const Busy busy(busy_since_);
    TRY(nvml::Library library,
        open_nvml(inputs_.nvml_library, inputs_.driver_root));
    return nvml::Session::start(std::move(library));
  }();
  if (!session) {
    close(std::move(session).error());
    return;
  }
  const std::string path = session->library().path();
  driver_.emplace(Driver{*std::move(session), std::nullopt});
  last_inventory_.reset();
  reopen_at_.reset();
  reopen_delay_ = Duration::zero();
  next_heartbeat_ = SystemClock().now() + kHeartbeat;
  read_inventory(/*always_send=*/true);
  if (!driver_) return;  // It initialises, but cannot count its GPUs.
  log::info("driver", "loaded {}", path);
  retry_ = kFirstRetry;
  last_reason_.clear();
}

void Observer::close(Error reason) {
  driver_.reset();
  retry_ = std::min<Duration>(retry_ * 2, kLastRetry);
  if (reason.message() == last_reason_) return;
  last_reason_ = reason.message();
  observations_.post(DriverDown{std::move(reason)});
}

void Observer::read_inventory(bool always_send) {
  const Busy busy(busy_since_);
  Result<device::Inventory> read = driver_->session.inventory();
  if (!read) {
    close(std::move(read).error());
    return;
  }
  const std::vector<std::string> remarks =
      procfs::annotate(*read, inputs_.host_root);
  next_rescan_ = SystemClock().now() + kRescan;
  const bool changed = !last_inventory_ || *last_inventory_ != *read;
  if (!changed && !always_send) return;
  if (changed) {
    for (const std::string& remark : remarks) {
      log::warning("driver", "{}", remark);
    }
    last_inventory_ =
        std::make_shared<const device::Inventory>(*std::move(read));
  }
  if (changed || has_failures(unwatched_)) open_events();
  observations_.post(DriverUp{last_inventory_, unwatched_});
}

void Observer::open_events() {
  driver_->events.reset();
  unwatched_.clear();
  if (!inputs_.watch_health) return;
  Result<nvml::EventStream> events =
      nvml::EventStream::open(driver_->session, gpu_ids(*last_inventory_));
  if (!events) {
    events_failed(events.error());
    return;
  }
  unwatched_ = events->unwatched();
  // A GPU that would not register may do so later.
  if (has_failures(unwatched_)) schedule_reopen();
  // An event set without a GPU in it would only ever time out.
  if (events->watched_count() > 0) driver_->events = *std::move(events);
}

void Observer::events_failed(const Error& error) {
  driver_->events.reset();
  if (reopen_delay_ == Duration::zero()) {
    log::warning("health", "health events stopped: {}; trying again",
                 error.message());
  }
  schedule_reopen();
}

void Observer::schedule_reopen() {
  reopen_delay_ =
      std::clamp<Duration>(reopen_delay_ * 2, kFirstReopen, kLastReopen);
  reopen_at_ = SystemClock().now() + reopen_delay_;
}

void Observer::reopen_events() {
  reopen_at_.reset();
  const std::vector<nvml::Unwatched> before = unwatched_;
  open_events();
  const bool is_same = std::equal(
      before.begin(), before.end(), unwatched_.begin(), unwatched_.end(),
      [](const nvml::Unwatched& a, const nvml::Unwatched& b) {
        return a.gpu == b.gpu && a.is_failure == b.is_failure;
      });
  if (!is_same) observations_.post(DriverUp{last_inventory_, unwatched_});
}

void Observer::watch(const std::stop_token& stop) {
  const TimePoint now = SystemClock().now();
  if (driver_->events) {
    const Result<std::optional<device::XidEvent>> event =
        driver_->events->wait(kEventSlice, stop);
    if (!event) {
      // The driver is gone, which the heartbeat tells, or one GPU is, and its
      // loss ends the wait for all of them: the Inventory tells which, and the
      // others are watched again.
      events_failed(event.error());
      heartbeat();
      if (driver_) read_inventory(/*always_send=*/false);
      return;
    }
    if (!has_failures(unwatched_)) reopen_delay_ = Duration::zero();
    if (*event) observations_.post(**event);
  }
  if (reopen_at_ && now >= *reopen_at_) reopen_events();
  if (now >= next_rescan_) {
    read_inventory(/*always_send=*/false);
  } else if (now >= next_heartbeat_) {
    heartbeat();
  }
}

void Observer::heartbeat() {
  next_heartbeat_ = SystemClock().now() + kHeartbeat;
  const Busy busy(busy_since_);
  Result<std::string> version = driver_->session.driver_version();
  if (!version) close(std::move(version).error());
}

}  // namespace gpunode::plugin
