// Proof that nothing is on a disk, by signatures and by looking at its data.
//
// A disk without a signature may still be somebody's: a database on the raw
// device, data that starts in the middle, a wiped partition table before live
// partitions. So a disk is blank only if everything that is looked at has one
// value in every byte. How much is looked at is bounded and said in the proof.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/host/disk_signature.h"

namespace gpunode::host {

/// Which disk a proof is of. Names of devices are no identity.
struct DiskIdentity {
  std::string model;
  std::string serial;
  std::uint64_t size_bytes = 0;
  /// "nvme.…", "eui.…": tells namespaces of one controller apart, which have
  /// one serial (Google's local SSDs). "" if the kernel tells none, and in what
  /// was written before it was asked for.
  std::string wwid = {};

  friend bool operator==(const DiskIdentity&, const DiskIdentity&) = default;
};

/// How much is read.
enum class BlankDepth {
  kSampled,  ///< Both ends whole, samples between: at most ~53000 reads.
  kFull,     ///< Every byte.
};

/// How far a proof is.
struct BlankProgress {
  std::uint64_t done_bytes = 0;   ///< Of the disk, up to where it is proved.
  std::uint64_t total_bytes = 0;  ///< Of the disk.
};

struct BlankOptions {
  BlankDepth depth = BlankDepth::kSampled;
  /// Some flash reads as all 0xff once erased. Where this is not set such a
  /// disk is refused, since it is not what this kind of disk reads as.
  bool accept_ones = false;
  /// Called now and then, from the calling thread; false gives up, which is an
  /// Error (kUnavailable).
  std::function<bool(const BlankProgress&)> progress = nullptr;
};

/// The first bytes that are not blank.
struct FoundData {
  std::uint64_t offset_bytes = 0;
  std::string bytes;  ///< Up to 16 from there, raw.
  std::string words;  ///< "data in the middle, at 12.0 GiB (byte …): …".
  /// Of the xfs whose metadata this is (xfs_block.h); "" if it is none.
  std::string xfs_uuid = {};

  friend bool operator==(const FoundData&, const FoundData&) = default;
};

/// What was looked at and what was found.
struct BlankProof {
  DiskIdentity identity;
  BlankDepth depth = BlankDepth::kSampled;
  std::vector<DiskSignature> signatures;
  std::optional<FoundData> data;
  unsigned char fill = 0;  ///< What every byte is, if blank: 0 or 0xff.
  /// Bytes at each end of which every one was read.
  std::uint64_t edge_bytes = 0;
  /// A run of non-blank 4 KiB blocks of at least this length would have been
  /// found wherever it is; 1 when every byte was read.
  std::uint64_t longest_missed_bytes = 0;
  std::uint64_t reads = 0;       ///< Of the data; libblkid's not counted.
  std::uint64_t read_bytes = 0;  ///< Likewise.

  bool is_blank() const { return signatures.empty() && !data; }

  /// "holds a GPT partition table, UUID …; data at the start (…)". Empty if
  /// blank.
  std::string held() const;

  /// "is not blank: " and that: completes "disk X …". Empty if blank.
  std::string refusal() const;

  /// "blank: no signature, …": what was looked at, for plans.
  std::string summary() const;

  /// The disk and the outcome in one line, the same for the same disk in the
  /// same state: made at plan, it is compared with that of apply. How much was
  /// read is part of it, so that a weaker proof can't stand for a stronger one.
  std::string digest() const;
};

/// Looks at the device or file that `fd` is open on, for reading at least, best
/// through DiskClaim. Stops at the first finding: signatures first, then data.
/// An Error if `fd` is not of the size that `identity` says (kUnavailable: the
/// disk has changed), or if anything can't be read; neither is a blank disk.
/// Leaves the page cache as it was for what it reads; uses 1 MiB of memory.
Result<BlankProof> prove_blank(int fd, const DiskIdentity& identity,
                               const BlankOptions& options);

/// How much has to be read again for a proof with this digest.
BlankDepth depth_of(std::string_view digest);

/// Bytes of an open block device or regular file.
Result<std::uint64_t> device_size(int fd);

}  // namespace gpunode::host
