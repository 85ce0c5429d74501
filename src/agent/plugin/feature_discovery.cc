#include "agent/plugin/feature_discovery.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <limits>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "agent/config/config_source.h"
#include "agent/labels/machine_facts.h"
#include "agent/plugin/driver_remedy.h"
#include "agent/plugin/feature_file.h"
#include "agent/plugin/platform.h"
#include "base/core/log.h"

namespace gpunode::plugin {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// A call of the driver's that takes longer is told of.
constexpr seconds kStuck{10};
/// How often a driver that does not answer is asked again.
constexpr seconds kRetry{5};
/// What stands for ever.
constexpr Duration kEver = Duration::max();
/// Longer sleeps are cut: no sum with the clock may overflow.
constexpr std::chrono::hours kLongestSleep{24 * 365};

int poll_milliseconds(Duration wait) {
  if (wait == kEver) return -1;
  const auto whole = std::chrono::ceil<milliseconds>(wait).count();
  return static_cast<int>(
      std::clamp<std::int64_t>(whole, 0, std::numeric_limits<int>::max()));
}

Result<config::LoadedDiscovery> load(const config::CommandLine& line) {
  std::optional<config::ConfigText> file;
  const std::string& path = line.text(config::Option::kConfigFile);
  if (!path.empty()) {
    TRY(file, config::read_config_file(path));
  }
  return config::load_discovery(line, file);
}

}  // namespace

FeatureDiscovery::FeatureDiscovery(Inputs inputs) : inputs_(std::move(inputs)) {
  adopt(std::move(inputs_.loaded));
}

void FeatureDiscovery::adopt(config::LoadedDiscovery loaded) {
  const std::string& file =
      inputs_.command_line.text(config::Option::kConfigFile);
  for (const config::Warning& warning : loaded.warnings) {
    log::warning("config", "{}", describe(warning, file));
  }
  settings_ = std::move(loaded.settings);
  started_at_ = labels::unix_now();
  log::set_level(settings_.node.log_level);
}

void FeatureDiscovery::reload() {
  auto loaded = load(inputs_.command_line);
  if (!loaded) {
    log::error("config", "{}; the configuration of before stays in force",
               loaded.error().message());
    return;
  }
  const std::string before = settings_.output_file;
  adopt(*std::move(loaded));
  log::info("config", "read the configuration again");
  if (before == settings_.output_file) return;
  if (const auto removed = remove_feature_file(before); !removed) {
    log::warning("labels", "{}", removed.error().message());
  }
}

Result<FeatureDiscovery::End> FeatureDiscovery::run() {
  Result<End> end = run_passes();
  if (settings_.oneshot || !settings_.sleep_interval) return end;
  if (const auto removed = remove_feature_file(settings_.output_file);
      !removed) {
    log::warning("labels", "{}", removed.error().message());
  }
  return end;
}

Result<FeatureDiscovery::End> FeatureDiscovery::run_passes() {
  while (true) {
    TRY(Woken woken, ask_driver());
    if (woken == Woken::kStop) return query_ ? End::kAsking : End::kDone;
    if (settings_.oneshot) return End::kDone;
    woken = wait(pause());
    if (woken == Woken::kStop) return End::kDone;
    if (woken == Woken::kReload) reload();
  }
}

// Until the driver has answered, whatever comes between; or kStop.
Result<FeatureDiscovery::Woken> FeatureDiscovery::ask_driver() {
  const config::Settings& node = settings_.node;
  const host::HostRoot driver_root(node.driver_root_ctr_path);
  const host::HostRoot host_root(node.host_root);
  if (detect_platform(node.discovery_strategy, host_root, driver_root) ==
      Platform::kTegra) {
    TRY_VOID(label(Error(ErrorCode::kUnsupported,
                         "this version has no labels for an integrated GPU")));
    return Woken::kAnswer;
  }
  query_ = std::make_unique<InventoryQuery>(
      InventoryQuery::Inputs{node.nvml_library, driver_root, host_root});
  Duration patience = kStuck;
  while (true) {
    const Woken woken = wait(patience);
    if (woken == Woken::kStop) return woken;
    if (woken == Woken::kReload) reload();
    if (woken == Woken::kTime) {
      patience = kEver;
      log::error("driver",
                 "the driver has not answered for {} s; the labels stay as "
                 "they are until it does",
                 kStuck.count());
    }
    if (woken != Woken::kAnswer) continue;
    TRY_VOID(take_answer());
    return woken;
  }
}

Result<void> FeatureDiscovery::take_answer() {
  std::vector<InventoryQuery::Answer> answers = query_->take();
  query_.reset();  // Its thread is at its end.
  for (const InventoryQuery::Answer& answer : answers) {
    for (const std::string& remark : answer.remarks) {
      log::debug("driver", "{}", remark);
    }
    TRY_VOID(label(answer.inventory));
  }
  return {};
}

Result<void> FeatureDiscovery::label(
    const Result<device::Inventory>& inventory) {
  is_driver_up_ = inventory.has_value();
  const config::Settings& node = settings_.node;
  if (!is_driver_up_ && settings_.oneshot && node.fail_on_init_error) {
    return Error(inventory.error().code(),
                 "error creating labeler: failed to initialize resource "
                 "manager: " +
                     inventory.error().message());
  }
  const host::HostRoot host_root(node.host_root);
  labels::NodeLabels made = labels::label_this_node(
      is_driver_up_ ? *inventory : device::Inventory{}, node,
      settings_.machine_type_file,
      settings_.has_timestamp ? std::optional(started_at_) : std::nullopt);
  std::vector<std::string> remarks = std::move(made.remarks);
  if (!is_driver_up_) {
    remarks.push_back(fmt::format("no labels of GPUs: {} {}",
                                  inventory.error().message(),
                                  driver_remedy(host_root)));
  }
  tell(remarks);
  return write_feature_file(settings_.output_file,
                            labels::to_feature_file(made.labels));
}

// What was said in the last pass is not said again.
void FeatureDiscovery::tell(const std::vector<std::string>& remarks) {
  for (const std::string& remark : remarks) {
    if (!told_.contains(remark)) log::warning("labels", "{}", remark);
  }
  told_ = std::set<std::string>(remarks.begin(), remarks.end());
}

Duration FeatureDiscovery::pause() const {
  const std::optional<std::chrono::nanoseconds>& interval =
      settings_.sleep_interval;
  if (!is_driver_up_) {
    return std::min<Duration>(interval.value_or(kRetry), kRetry);
  }
  return interval ? std::min<Duration>(*interval, kLongestSleep) : kEver;
}

FeatureDiscovery::Woken FeatureDiscovery::wait(Duration most) {
  std::array<pollfd, 2> fds = {{{inputs_.signal_fd, POLLIN, 0},
                                {query_ ? query_->fd() : -1, POLLIN, 0}}};
  const TimePoint until =
      most == kEver ? TimePoint::max() : SystemClock().now() + most;
  while (true) {
    const Duration left =
        until == TimePoint::max() ? kEver : until - SystemClock().now();
    const int ready = ::poll(fds.data(), fds.size(), poll_milliseconds(left));
    if (ready == 0 && (left == kEver || SystemClock().now() >= until)) {
      return Woken::kTime;
    }
    signalfd_siginfo signal{};
    if ((fds[0].revents & POLLIN) != 0 &&
        ::read(inputs_.signal_fd, &signal, sizeof signal) == sizeof signal) {
      if (signal.ssi_signo == SIGHUP) return Woken::kReload;
      log::info("labels", "Received signal {}, shutting down.",
                signal.ssi_signo);
      return Woken::kStop;
    }
    if ((fds[1].revents & POLLIN) != 0) return Woken::kAnswer;
  }
}

}  // namespace gpunode::plugin
