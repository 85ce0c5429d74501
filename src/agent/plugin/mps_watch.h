// MpsWatch: which resources have an MPS daemon that answers.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/core/clock.h"
#include "base/core/error.h"

namespace gpunode::plugin {

/// Remembers the last answer of each resource's daemon and when to ask again.
/// Asking itself is the Observer's. One thread at a time.
class MpsWatch {
 public:
  /// `resources` share by MPS from now on; their daemons are to be asked at
  /// once. Answers of before stay known.
  void follow(std::vector<std::string> resources, TimePoint now);

  /// Whom to ask now; empty before the time has come.
  std::vector<std::string> due(TimePoint now);

  /// When somebody is to be asked; absent if nobody ever is.
  std::optional<TimePoint> next() const { return next_; }

  /// An answer, or why there is none. True if that changes what is offered;
  /// the change is logged.
  bool on_answer(const std::string& resource,
                 const std::optional<Error>& failure);

  /// Why nothing of `resource` may be handed out, if so.
  std::optional<std::string> problem(const std::string& resource) const;

 private:
  std::vector<std::string> resources_;
  std::map<std::string, std::optional<std::string>> answers_;
  std::optional<TimePoint> next_;
};

}  // namespace gpunode::plugin
