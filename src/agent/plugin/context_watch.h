// ContextWatch: keeps what answers rest on beside Devices up to date.
#pragma once

#include <memory>
#include <optional>

#include "agent/config/settings.h"
#include "agent/plugin/answer_context.h"
#include "agent/plugin/platform.h"
#include "base/core/clock.h"
#include "base/core/result.h"
#include "gpu/device/inventory.h"

namespace gpunode::plugin {

/// One thread at a time.
class ContextWatch {
 public:
  /// What a look at the host finds (gather_context()); in force when adopted.
  Result<std::shared_ptr<const AnswerContext>> look(
      const config::Settings& settings, Platform platform,
      const device::Inventory* inventory);

  /// Logs what became of a problem with CDI.
  void adopt(std::shared_ptr<const AnswerContext> context);

  /// Looks if it is time to and anybody is interested. True if what was found
  /// differs and was adopted.
  bool look_again(const config::Settings& settings, Platform platform,
                  const device::Inventory* inventory, TimePoint now);
  /// When to look again; absent if nobody was interested so far.
  std::optional<TimePoint> next() const { return next_; }

  /// What handlers were asked for and could not give.
  Mailbox<SplitRequest>& split_requests() const { return *split_requests_; }

  /// Null before the first adopt().
  const std::shared_ptr<const AnswerContext>& current() const {
    return current_;
  }

 private:
  std::shared_ptr<const AnswerContext> current_;
  DriverLook driver_look_;
  const std::shared_ptr<Mailbox<SplitRequest>> split_requests_ =
      std::make_shared<Mailbox<SplitRequest>>();
  std::optional<TimePoint> next_;
};

}  // namespace gpunode::plugin
