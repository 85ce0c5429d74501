// What a plan saw of a disk, seen again on the disk held open.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "base/core/result.h"
#include "base/host/blank_proof.h"
#include "node/provision/action.h"
#include "node/provision/work_watch.h"

namespace gpunode::provision {

using ProofProgress = std::function<bool(const host::BlankProgress&)>;

/// Tells how far the proofs of an action's disks are while it lives: of all of
/// them together, by bytes of the disks. Parts may be told from any thread.
class ProofTeller {
 public:
  /// `watch` may be null, and is told nothing then.
  ProofTeller(WorkWatch* watch, std::uint64_t total_bytes);
  ~ProofTeller();
  ProofTeller(const ProofTeller&) = delete;
  ProofTeller& operator=(const ProofTeller&) = delete;

  /// For the proof of one disk.
  ProofProgress part() const;

 private:
  WorkWatch* watch_;
  std::shared_ptr<std::atomic<std::uint64_t>> done_;
};

/// Proves on `fd`, which nobody else has (DiskClaim), that the disk is as the
/// plan saw it: `planned` is a digest of a proof or of a first look
/// (base/host/first_look.h). What was only looked at is proved now, as deep as
/// was promised, and must be blank. A disk that the plan proved to hold
/// something may do so if `may_hold_data`, its owner's word to erase it.
/// Nothing is written. kUnavailable if it is not so.
Result<void> prove_as_planned(int fd, const DiskIdentity& identity,
                              std::string_view planned, bool may_hold_data,
                              const ProofProgress& progress = nullptr);

}  // namespace gpunode::provision
