// One program at a time in a cluster: a Lease of coordination.k8s.io/v1, taken
// over when its holder has not been heard of for its duration.
//
// Clocks of machines differ, so what a Lease says of the time is written for
// people and never judged by: who wants one that another has watches it for its
// duration by an own clock that nobody sets, as client-go's leader election
// does, and that goes on while the machine is suspended (BootClock): another
// one's goes on, too. A holder that is taken over from although it lives, as
// one that was suspended, finds out at its next renewal, which names the
// version that it wrote.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "k8s/api/client.h"
#include "k8s/api/resource_path.h"
#include "k8s/api/time_text.h"

namespace gpunode::kube {

ResourceType leases();

struct Lease {
  std::string holder;  ///< Empty: nobody has it.
  std::chrono::seconds duration{};
  WallTime renewed{};      ///< By its holder's clock. Written, not read.
  std::string renew_text;  ///< That, as it stands there. Read, not written.
  std::string resource_version;
};

/// kCorrupt if it is none.
Result<Lease> read_lease(std::string_view json);

/// For create and, with a resource version, for replace.
std::string lease_json(const ObjectKey& key, const Lease& lease);

/// How long it must stand there unchanged for its holder to count as dead.
std::chrono::seconds patience_of(const Lease& lease);

/// Takes, renews and gives back one Lease. One thread, the client's.
class LeaseHolder {
 public:
  static constexpr std::chrono::seconds kDuration{120};
  static constexpr std::chrono::seconds kRenewEvery{15};

  struct Self {
    /// "ann@laptop 4711 1f0c…": told to others, and nobody else's.
    std::string name;
    /// Whether a holder is known to be dead, whatever its duration says; may be
    /// empty.
    std::function<bool(std::string_view holder)> is_dead;
  };

  LeaseHolder(Client& client, ObjectKey key, Self self, const Clock& clock,
              std::function<WallTime()> wall)
      : client_(client),
        key_(std::move(key)),
        self_(std::move(self)),
        clock_(clock),
        wall_(std::move(wall)) {}

  /// Another one has it and was not seen to live yet: waits for a moment and
  /// says true, or false not to wait. It is free in `left`, if nothing changes.
  using Await =
      std::function<bool(const Lease& other, std::chrono::seconds left)>;

  /// The API server does not answer: waits for a moment and says true, or false
  /// to give up.
  using Patience = std::function<bool(const Error& away)>;

  /// kAlreadyExists: another one has it, and lives or was not waited for; the
  /// message says who and what next.
  Result<void> take(const Await& await, const Patience& patience = {});

  /// Does something only when it is time to. kAlreadyExists: it is lost, and
  /// stays so until it is taken again. kUnavailable: it could not be renewed
  /// for so long that another one may have it; nothing must be done before this
  /// says yes.
  Result<void> renew();

  /// Gives it back; nothing if it is not held. What fails runs out by itself.
  void release();

 private:
  Result<void> try_to_take(const Await& await);
  Result<void> write(const Lease& lease, bool is_new);
  Result<void> take_over(const std::string& version);
  /// After a refusal: whether it was a write of ours that was refused, whose
  /// first answer was lost. Takes its version over.
  Result<bool> is_ours_still();
  Result<void> renew_now();
  Error lost() const;

  Client& client_;
  ObjectKey key_;
  Self self_;
  const Clock& clock_;
  std::function<WallTime()> wall_;
  std::string version_;  ///< That we wrote; empty: not held.
  TimePoint written_{};  ///< Before that write was sent.
  bool is_lost_ = false;
};

}  // namespace gpunode::kube
