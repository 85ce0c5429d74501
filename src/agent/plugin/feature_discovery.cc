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
#include "agent/plugin/cluster_credentials.h"
#include "agent/plugin/driver_remedy.h"
#include "agent/plugin/feature_file.h"
#include "agent/plugin/platform.h"
#include "base/core/log.h"
#include "gpu/procfs/passthrough.h"

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

/// Empty: none that would have to be removed.
std::string file_of(const config::DiscoverySettings& settings) {
  return settings.uses_node_feature_api ? "" : settings.output_file;
}

Result<std::unique_ptr<ClusterWriter>> open_writer(
    const config::DiscoverySettings& settings) {
  auto credentials =
      cluster_credentials(settings.node.kubeconfig, process_environment());
  if (!credentials) {
    return std::move(credentials)
        .error()
        .with_context("failed to create clientsets");
  }
  ClusterWriter::Settings writing;
  writing.node = settings.node.node_name;
  writing.space = settings.space;
  writing.pod = settings.pod;
  writing.client.user_agent = "gpunode-feature-discovery";
  auto writer =
      ClusterWriter::start(std::move(writing), *std::move(credentials));
  if (!writer) {
    return std::move(writer).error().with_context(
        "failed to create label outputer");
  }
  return writer;
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
  // By what the command line says alone, so one is as good as another.
  if (loaded->settings.uses_node_feature_api && !writer_) {
    auto writer = open_writer(loaded->settings);
    if (!writer) {
      log::error("config", "{}; the configuration of before stays in force",
                 writer.error().message());
      return;
    }
    writer_ = *std::move(writer);
  }
  const std::string before = file_of(settings_);
  adopt(*std::move(loaded));
  if (!settings_.uses_node_feature_api) writer_.reset();
  log::info("config", "read the configuration again");
  if (before == file_of(settings_)) return;
  if (const auto removed = remove_feature_file(before); !removed) {
    log::warning("labels", "{}", removed.error().message());
  }
}

Result<FeatureDiscovery::End> FeatureDiscovery::run() {
  Result<End> end = run_passes();
  if (settings_.oneshot || !settings_.sleep_interval) return end;
  if (const auto removed = remove_feature_file(file_of(settings_)); !removed) {
    log::warning("labels", "{}", removed.error().message());
  }
  return end;
}

Result<FeatureDiscovery::End> FeatureDiscovery::run_passes() {
  if (settings_.uses_node_feature_api) {
    TRY(writer_, open_writer(settings_));
  }
  while (true) {
    TRY(Woken woken, ask_driver());
    if (woken == Woken::kStop) return query_ ? End::kAsking : End::kDone;
    if (settings_.oneshot) return finish_writing();
    woken = wait(pause());
    if (woken == Woken::kStop) return End::kDone;
    if (woken == Woken::kReload) reload();
  }
}

Result<FeatureDiscovery::End> FeatureDiscovery::finish_writing() {
  while (writer_) {
    const ClusterStatus status = writer_->status();
    if (status.is_current) break;
    if (!status.problem.empty()) {
      return Error(ErrorCode::kUnavailable, status.problem);
    }
    if (wait(kEver, writer_->news_fd()) == Woken::kStop) break;
    writer_->take_news();
  }
  return End::kDone;
}

// Until the driver has answered, whatever comes between; or kStop.
Result<FeatureDiscovery::Woken> FeatureDiscovery::ask_driver() {
  const config::Settings& node = settings_.node;
  const host::HostRoot driver_root(node.driver_root_ctr_path);
  const host::HostRoot host_root(node.host_root);
  if (node.discovery_strategy == config::DiscoveryStrategy::kVfio) {
    TRY_VOID(label(procfs::list_passthrough_gpus(host_root)));
    return Woken::kAnswer;
  }
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
  if (writer_) {
    // The object is read at each look, as the peer does it: one that somebody
    // has changed or removed is mended then.
    writer_->look_again();
    writer_->set_node_feature(std::move(made.labels));
    return {};
  }
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

FeatureDiscovery::Woken FeatureDiscovery::wait(Duration most, int news_fd) {
  std::array<pollfd, 3> fds = {{{inputs_.signal_fd, POLLIN, 0},
                                {query_ ? query_->fd() : -1, POLLIN, 0},
                                {news_fd, POLLIN, 0}}};
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
    if ((fds[2].revents & POLLIN) != 0) return Woken::kWritten;
  }
}

}  // namespace gpunode::plugin
