// A first look at a disk, for a plan: most disks that are somebody's are known
// by their ends.
//
// It is no proof. What it calls blank is proved blank in full (blank_proof.h)
// on the disk held open, before anything is written there: its digest is
// another one than any proof's and says what was promised.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "base/host/blank_proof.h"

namespace gpunode::host {

/// How a disk looked to a plan.
struct FirstLook {
  /// If is_proof, of prove_blank(); else of what the look read: no signature,
  /// and zeros.
  BlankProof proof = {};
  bool is_proof = false;
  BlankDepth promised = BlankDepth::kSampled;

  /// For plans. Of a disk that was not proved yet it says so.
  std::string summary() const;

  /// As BlankProof::digest(), to compare with a later look or proof.
  std::string digest() const;
};

/// Looks at the start and the end (1 MiB each), at 64 blocks between and for
/// signatures. Where that shows no blank disk, it is prove_looking() that tells
/// of it; else proof is left for later, to `promised`. Errors as prove_blank().
Result<FirstLook> look_first(int fd, const DiskIdentity& identity,
                             BlankDepth promised);

/// prove_blank(), and what a first look meets that its samples pass over: so
/// nothing that was ever told is blank later. For a look that said blank, too,
/// this is the proof.
Result<BlankProof> prove_looking(int fd, const DiskIdentity& identity,
                                 BlankDepth depth);

/// How deep the disk of this digest has to be proved before it is written to;
/// nothing if the digest is of a proof.
std::optional<BlankDepth> promised_by(std::string_view digest);

}  // namespace gpunode::host
