#include "base/host/first_look.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/host/block_device.h"
#include "base/host/device_read.h"
#include "base/host/disk_signature.h"
#include "base/host/xfs_block.h"

namespace gpunode::host {
namespace {

constexpr std::uint64_t kKiB = 1024;
constexpr std::uint64_t kEdgeBytes = kKiB * kKiB;
constexpr std::uint64_t kChunkBytes = 128 * kKiB;  // Stays in a core's cache.
constexpr std::uint64_t kSamples = 64;
constexpr std::uint64_t kSampleBytes = 4 * kKiB;

constexpr std::array<std::string_view, 2> kPrefixes = {
    "first-look/1 promises=sampled ", "first-look/1 promises=full "};

std::string_view prefix_of(BlankDepth promised) {
  return kPrefixes.at(promised == BlankDepth::kFull ? 1 : 0);
}

struct Span {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

/// The ends first, then what lies between; a small disk whole.
std::vector<Span> places_on(std::uint64_t size) {
  std::vector<Span> places;
  const auto add = [&](std::uint64_t from, std::uint64_t to) {
    for (std::uint64_t at = from; at < to; at += kChunkBytes) {
      places.push_back({at, std::min(kChunkBytes, to - at)});
    }
  };
  if (size <= 2 * kEdgeBytes + kSamples * kSampleBytes) {
    add(0, size);
    return places;
  }
  add(0, kEdgeBytes);
  add(size - kEdgeBytes, size);
  const std::uint64_t stride = (size - 2 * kEdgeBytes) / (kSamples + 1);
  for (std::uint64_t i = 1; i <= kSamples; ++i) {
    // Whole blocks of the disk: half of one costs as much.
    const std::uint64_t at =
        (kEdgeBytes + i * stride) / kSampleBytes * kSampleBytes;
    places.push_back({at, kSampleBytes});
  }
  return places;
}

/// Asks for all of it at once: a disk answers many reads in the time of one.
void ask_for(int fd, const std::vector<Span>& places) {
  for (const Span& place : places) {
    static_cast<void>(::posix_fadvise(fd, static_cast<off_t>(place.offset),
                                      static_cast<off_t>(place.size),
                                      POSIX_FADV_WILLNEED));
  }
}

/// Not kept: the proof must see the disk, and others need the memory more.
void forget(int fd) {
  static_cast<void>(::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
}

bool is_zero(std::string_view bytes) {
  return bytes[0] == 0 &&
         std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

FoundData found_at(std::uint64_t offset, std::string_view rest) {
  FoundData found{offset, std::string(rest.substr(0, 16)), ""};
  found.xfs_uuid = xfs_block_uuid(rest);
  const std::string_view kind = data_kind(rest);
  found.words = fmt::format("{} at {} (byte {})", kind.empty() ? "data" : kind,
                            size_text(offset), offset);
  return found;
}

/// What is not zero at `places`, the first of it; counts what is read.
Result<std::optional<FoundData>> scan(int fd, const std::vector<Span>& places,
                                      BlankProof& proof) {
  std::string buffer(kChunkBytes, '\0');
  for (const Span& place : places) {
    TRY_VOID(read_device(fd, place.offset, buffer.data(), place.size));
    ++proof.reads;
    proof.read_bytes += place.size;
    const std::string_view bytes(buffer.data(), place.size);
    if (is_zero(bytes)) continue;
    const std::size_t at = bytes.find_first_not_of('\0');
    return std::optional(found_at(place.offset + at, bytes.substr(at)));
  }
  return std::optional<FoundData>();
}

/// What of a disk that looks blank was not looked at.
std::uint64_t longest_missed(const std::vector<Span>& places,
                             std::uint64_t size) {
  std::vector<Span> sorted = places;
  std::ranges::sort(sorted, {}, &Span::offset);
  std::uint64_t missed = 0;
  std::uint64_t seen_to = 0;
  for (const Span& place : sorted) {
    missed = std::max(missed, place.offset - seen_to);
    seen_to = place.offset + place.size;
  }
  missed = std::max(missed, size - seen_to);
  // Of a run of whole blocks: as far as they may lie across an edge.
  return missed == 0 ? 1 : missed + 2 * kSampleBytes;
}

/// What a look tells, as a proof of what it read.
Result<BlankProof> look_at(int fd, const DiskIdentity& identity) {
  BlankProof proof;
  proof.identity = identity;
  TRY(const std::uint64_t size, device_size(fd));
  // Another size, or none: the proof has the words.
  if (size == 0 || size != identity.size_bytes) return proof;
  const std::vector<Span> places = places_on(size);
  proof.edge_bytes = std::min(size, kEdgeBytes);
  proof.longest_missed_bytes = longest_missed(places, size);
  forget(fd);
  ask_for(fd, places);
  TRY(proof.data, scan(fd, places, proof));
  if (!proof.data) {
    TRY(proof.signatures, find_disk_signatures(fd, size));
  }
  forget(fd);
  return proof;
}

Result<BlankProof> proof_after(const BlankProof& look, int fd,
                               BlankDepth depth) {
  TRY(BlankProof proof, prove_blank(fd, look.identity, {.depth = depth}));
  if (proof.is_blank()) {
    proof.data = look.data;
    proof.signatures = look.signatures;
  }
  return proof;
}

}  // namespace

std::string FirstLook::summary() const {
  if (is_proof) return proof.summary();
  return proof.summary() + "; before it is written to, " +
         (promised == BlankDepth::kFull ? "every byte of it" : "more of it") +
         " is looked at";
}

std::string FirstLook::digest() const {
  return is_proof ? proof.digest()
                  : std::string(prefix_of(promised)) + proof.digest();
}

Result<FirstLook> look_first(int fd, const DiskIdentity& identity,
                             BlankDepth promised) {
  auto seen = look_at(fd, identity);
  if (!seen) return std::move(seen).error().with_context("look at the disk");
  FirstLook look{.proof = *std::move(seen), .promised = promised};
  // One that was not looked at for its size is not blank for that.
  look.is_proof = !look.proof.is_blank() || look.proof.reads == 0;
  if (look.is_proof) {
    TRY(look.proof, proof_after(look.proof, fd, promised));
  }
  return look;
}

Result<BlankProof> prove_looking(int fd, const DiskIdentity& identity,
                                 BlankDepth depth) {
  auto seen = look_at(fd, identity);
  if (!seen) return std::move(seen).error().with_context("look at the disk");
  return proof_after(*seen, fd, depth);
}

std::optional<BlankDepth> promised_by(std::string_view digest) {
  for (const BlankDepth depth : {BlankDepth::kSampled, BlankDepth::kFull}) {
    if (digest.starts_with(prefix_of(depth))) return depth;
  }
  return std::nullopt;
}

}  // namespace gpunode::host
