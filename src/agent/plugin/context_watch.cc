#include "agent/plugin/context_watch.h"

#include <chrono>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "agent/plugin/cdi_specs.h"
#include "base/core/log.h"

namespace gpunode::plugin {
namespace {

/// How often control nodes are looked for: nvidia-uvm appears after the driver.
constexpr std::chrono::seconds kInterval{10};

}  // namespace

Result<std::shared_ptr<const AnswerContext>> ContextWatch::look(
    const config::Settings& settings, Platform platform,
    const device::Inventory* inventory) {
  TRY(AnswerContext context,
      gather_context(settings, platform, inventory, driver_look_));
  context.split_requests = split_requests_;
  return std::make_shared<const AnswerContext>(std::move(context));
}

void ContextWatch::adopt(std::shared_ptr<const AnswerContext> context) {
  const std::string before = current_ ? current_->cdi_problem : std::string();
  const std::string shares_before =
      current_ ? current_->share_problem : std::string();
  current_ = std::move(context);
  if (current_->share_problem != shares_before) {
    if (current_->share_problem.empty()) {
      log::info("shares", "the library of shares is in its place");
    } else {
      log::error("shares", "{}", current_->share_problem);
    }
  }
  if (current_->cdi_problem == before) return;
  if (current_->cdi_problem.empty()) {
    log::info("cdi", "the CDI specs are written");
  } else {
    log::error("cdi", "{}", current_->cdi_problem);
  }
}

bool ContextWatch::look_again(const config::Settings& settings,
                              Platform platform,
                              const device::Inventory* inventory,
                              TimePoint now) {
  const bool waits_for_shares = current_ && !current_->share_problem.empty();
  if (!settings.pass_device_specs && !uses_cdi(settings) && !waits_for_shares) {
    return false;
  }
  if (next_ && now < *next_) return false;
  next_ = now + kInterval;
  auto context = look(settings, platform, inventory);
  if (!context || ((*context)->host_devices == current_->host_devices &&
                   (*context)->cdi_problem == current_->cdi_problem &&
                   (*context)->share_problem == current_->share_problem)) {
    return false;
  }
  if ((*context)->host_devices.control_nodes !=
      current_->host_devices.control_nodes) {
    log::info("driver", "device nodes to pass have changed: {}",
              fmt::join((*context)->host_devices.control_nodes, " "));
  }
  adopt(*std::move(context));
  return true;
}

}  // namespace gpunode::plugin
