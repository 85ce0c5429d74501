// Carrying out Actions: one way in for the executor and the rollback.
#pragma once

#include <cstdint>

#include "base/core/result.h"
#include "node/provision/action.h"
#include "node/provision/inverse.h"

namespace gpunode::provision {

/// What can be done to a host. The real one is HostPerformer; tests have one
/// that only remembers.
class Performer {
 public:
  virtual ~Performer() = default;

  /// What would undo `action`, seen before it is done; keeps copies of files
  /// under the number that the journal will give it. Changes nothing else.
  virtual Result<Inverse> prepare(const Action& action, std::uint64_t seq) = 0;

  /// Does it. Done already: nothing happens.
  virtual Result<void> perform(const Action& action) = 0;

  /// From here on what was there before comes back: where the file's only
  /// repository has not the older versions, the host's others are asked.
  virtual void may_ask_others() {}

  /// After the last action of a run: what was put off is done.
  virtual Result<void> finish() = 0;
};

}  // namespace gpunode::provision
