#include "agent/plugin/config_manager.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

#include <fmt/format.h>

#include "agent/config/config_choice.h"
#include "agent/config/config_source.h"
#include "agent/plugin/config_link.h"
#include "agent/plugin/named_process.h"
#include "base/core/log.h"

namespace gpunode::plugin {
namespace {

/// What reads as no settings at all.
constexpr const char* kEmptyConfig = "/dev/null";

std::string joined(const std::string& directory, const std::string& name) {
  return directory.ends_with('/') ? directory + name : directory + "/" + name;
}

}  // namespace

ConfigManager::ConfigManager(config::ManagerSettings settings, int signal_fd,
                             std::unique_ptr<NodeLabelWatch> watch)
    : settings_(std::move(settings)),
      signal_fd_(signal_fd),
      watch_(std::move(watch)) {}

Result<std::unique_ptr<ConfigManager>> ConfigManager::start(Inputs inputs) {
  NodeLabelWatch::Settings watched;
  watched.node = inputs.settings.node_name;
  watched.label = inputs.settings.node_label;
  watched.client.user_agent = "gpunode-config-manager";
  TRY(auto watch,
      NodeLabelWatch::start(std::move(watched), std::move(inputs.credentials)));
  return std::unique_ptr<ConfigManager>(new ConfigManager(
      std::move(inputs.settings), inputs.signal_fd, std::move(watch)));
}

Result<void> ConfigManager::run() {
  log::info("config", "Waiting for change to '{}' label", settings_.node_label);
  while (true) {
    switch (wait()) {
      case Woken::kStop:
        return {};
      case Woken::kAgain:
        if (label_) TRY_VOID(update());
        break;
      case Woken::kNews:
        TRY_VOID(take_news());
        break;
    }
    if (settings_.oneshot && label_) return {};
  }
}

ConfigManager::Woken ConfigManager::wait() {
  std::array<pollfd, 2> fds = {
      {{signal_fd_, POLLIN, 0}, {watch_->news().fd(), POLLIN, 0}}};
  while (true) {
    ::poll(fds.data(), fds.size(), -1);
    signalfd_siginfo signal{};
    if ((fds[0].revents & POLLIN) != 0 &&
        ::read(signal_fd_, &signal, sizeof signal) == sizeof signal) {
      log::info("config", "received signal {}", signal.ssi_signo);
      return signal.ssi_signo == SIGHUP ? Woken::kAgain : Woken::kStop;
    }
    if ((fds[1].revents & POLLIN) != 0) return Woken::kNews;
  }
}

Result<void> ConfigManager::take_news() {
  for (const LabelNews& news : watch_->news().take()) {
    TRY_VOID(std::visit([this](const auto& one) { return on(one); }, news));
    if (settings_.oneshot && label_) break;
  }
  return {};
}

Result<void> ConfigManager::on(const LabelSeen& label) {
  if (label_ == label.value) return {};
  label_ = label.value;
  log::info("config", "Label change detected: {}={}", settings_.node_label,
            label.value);
  return update();
}

Result<void> ConfigManager::on(const LabelTrouble& trouble) {
  log::warning("config", "{}; {}", trouble.why,
               label_ ? "the config stays until the label can be read again"
                      : "no config is chosen until the label can be read");
  return {};
}

Result<void> ConfigManager::update() {
  TRY(const auto names, config::config_names(settings_.source_directory));
  TRY(const config::ConfigChoice choice,
      config::choose_config(*label_, names, settings_.rules));
  const std::string what =
      choice.name.empty() ? "empty config" : "config: " + choice.name;
  log::info("config", "Updating to {} (by {})", what, word_of(choice.by));
  TRY(const bool is_new,
      link_config(settings_.destination,
                  choice.name.empty()
                      ? kEmptyConfig
                      : joined(settings_.source_directory, choice.name)));
  if (!is_new) {
    log::info("config", "Already configured. Skipping update...");
    return {};
  }
  log::info("config", "Successfully updated to {}", what);
  return send_signal();
}

Result<void> ConfigManager::send_signal() const {
  if (!settings_.signal) return {};
  const auto& [number, process] = *settings_.signal;
  log::info("config", "Sending signal {} to '{}'", number, process);
  auto pid = find_process(host::HostRoot(), process);
  if (!pid) return std::move(pid).error().with_context("error finding pid");
  if (::kill(*pid, number) != 0) {
    return Error::from_errno(
        fmt::format("error sending signal: {} to process {}", number, *pid),
        errno);
  }
  log::info("config", "Successfully sent signal");
  return {};
}

}  // namespace gpunode::plugin
