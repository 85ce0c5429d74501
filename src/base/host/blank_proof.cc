#include "base/host/blank_proof.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "base/host/block_device.h"
#include "base/host/device_read.h"
#include "base/host/xfs_block.h"

namespace gpunode::host {
namespace {

constexpr std::uint64_t kKiB = 1024;
constexpr std::uint64_t kMiB = kKiB * kKiB;
constexpr std::uint64_t kGiB = kMiB * kKiB;

constexpr std::uint64_t kBlockBytes = 4 * kKiB;  // One sample.
constexpr std::uint64_t kChunkBytes = kMiB;      // One read where all is read.
constexpr std::uint64_t kEdgeBytes = 4 * kMiB;
/// What lies near the ends is where people and programs put things.
constexpr std::uint64_t kZoneBytes = kGiB;
constexpr std::uint64_t kZoneStride = kMiB;
constexpr std::uint64_t kLeastStride = 8 * kMiB;
constexpr std::uint64_t kMostSamples = 49152;  // Between the zones.
/// Asked for at once: a disk answers many small reads in the time of one.
constexpr std::size_t kAhead = 256;
constexpr std::uint64_t kProgressReads = 64;

/// Every byte is `fill`.
bool is_uniform(std::string_view bytes, unsigned char fill) {
  // Equal to its first byte, and to itself one byte on: memcmp is vectorised.
  return bytes.empty() ||
         (static_cast<unsigned char>(bytes[0]) == fill &&
          std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

/// "50 47 00 01 "PG.."".
std::string shown_bytes(std::string_view bytes) {
  std::string hex;
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    hex += fmt::format("{:02x} ", byte);
    text += byte >= 0x20 && byte < 0x7f && c != '"' ? c : '.';
  }
  return hex + "\"" + text + "\"";
}

class Prover {
 public:
  Prover(int fd, const BlankOptions& options, BlankProof& proof)
      : fd_(fd), options_(options), proof_(proof), buffer_(kChunkBytes, '\0') {}

  Result<void> run() {
    const std::uint64_t size = proof_.identity.size_bytes;
    TRY_VOID(take_fill());
    if (proof_.data) return {};
    if (options_.depth == BlankDepth::kFull || size <= 2 * kEdgeBytes) {
      proof_.edge_bytes = size;
      proof_.longest_missed_bytes = 1;
      advise(POSIX_FADV_SEQUENTIAL);
      return read_all(0, size);
    }
    proof_.edge_bytes = kEdgeBytes;
    // Ends first: most of what can be there is there.
    TRY_VOID(read_all(0, kEdgeBytes));
    TRY_VOID(read_all(size - kEdgeBytes, size));
    advise(POSIX_FADV_RANDOM);
    return sample(kEdgeBytes, size - kEdgeBytes);
  }

 private:
  /// Blank means all alike; what it is, the first byte says.
  Result<void> take_fill() {
    TRY_VOID(read(0, 1));
    const auto first = static_cast<unsigned char>(buffer_[0]);
    proof_.fill = first == 0xff ? 0xff : 0;
    return {};
  }

  void advise(int advice) const {
    // Advice alone: what it does not change, is slower.
    static_cast<void>(::posix_fadvise(fd_, 0, 0, advice));
  }

  Result<void> read(std::uint64_t offset, std::uint64_t size) {
    TRY_VOID(read_device(fd_, offset, buffer_.data(), size));
    // Not kept: the next proof must see the disk, and other programs need the
    // memory more.
    static_cast<void>(::posix_fadvise(fd_, static_cast<off_t>(offset),
                                      static_cast<off_t>(size),
                                      POSIX_FADV_DONTNEED));
    ++proof_.reads;
    proof_.read_bytes += size;
    return {};
  }

  /// Reads and judges; what is found ends everything.
  Result<void> check(std::uint64_t offset, std::uint64_t size) {
    TRY_VOID(read(offset, size));
    const std::string_view bytes(buffer_.data(), size);
    if (is_uniform(bytes, proof_.fill)) return {};
    const auto at = static_cast<std::size_t>(
        std::ranges::find_if(bytes,
                             [&](char c) {
                               return static_cast<unsigned char>(c) !=
                                      proof_.fill;
                             }) -
        bytes.begin());
    note(offset + at, bytes.substr(at));
    return {};
  }

  void note(std::uint64_t offset, std::string_view rest) {
    const std::uint64_t size = proof_.identity.size_bytes;
    const char* where = "in the middle";
    if (offset < kEdgeBytes && offset < size / 2) where = "at the start";
    if (size - offset <= kEdgeBytes && offset >= size / 2) where = "at the end";
    FoundData found{offset, std::string(rest.substr(0, 16)), ""};
    found.xfs_uuid = xfs_block_uuid(rest);
    const std::string_view kind = data_kind(rest);
    found.words = fmt::format("{} {}", kind.empty() ? "data" : kind, where);
    if (offset >= kKiB) found.words += ", at " + size_text(offset);
    found.words +=
        fmt::format(" (byte {}): {}", offset, shown_bytes(found.bytes));
    proof_.data = std::move(found);
  }

  Result<void> tell(std::uint64_t done) {
    if (options_.progress && proof_.reads % kProgressReads == 0 &&
        !options_.progress({done, proof_.identity.size_bytes})) {
      return Error(ErrorCode::kUnavailable,
                   "given up at " + size_text(done) + " of " +
                       size_text(proof_.identity.size_bytes));
    }
    return {};
  }

  Result<void> read_all(std::uint64_t from, std::uint64_t to) {
    for (std::uint64_t at = from; at < to && !proof_.data;) {
      const std::uint64_t size = std::min(kChunkBytes, to - at);
      TRY_VOID(check(at, size));
      at += size;
      TRY_VOID(tell(at));
    }
    return {};
  }

  /// Between the ends: one block of every stride.
  Result<void> sample(std::uint64_t from, std::uint64_t to) {
    const std::uint64_t size = proof_.identity.size_bytes;
    const std::uint64_t wide =
        std::max(kLeastStride, (to - from + kMostSamples - 1) / kMostSamples /
                                       kBlockBytes * kBlockBytes +
                                   kBlockBytes);
    const std::uint64_t zone_end = std::min(kZoneBytes, to);
    const std::uint64_t zone_start = to > kZoneBytes ? to - kZoneBytes : from;
    // A run that holds a whole stride and a block holds a whole sample.
    proof_.longest_missed_bytes =
        (zone_end >= zone_start ? kZoneStride : wide) + 2 * kBlockBytes;
    std::vector<std::uint64_t> ahead;
    ahead.reserve(kAhead);
    for (std::uint64_t at = from; at < to && !proof_.data;) {
      ahead.push_back(at);
      const bool dense = at < zone_end || at >= zone_start;
      std::uint64_t next = at + (dense ? kZoneStride : wide);
      // Not across the edge of a zone: its stride is the promise.
      if (at < zone_start && next > zone_start) next = zone_start;
      at = next;
      if (ahead.size() < kAhead && at < to) continue;
      TRY_VOID(check_each(ahead, size));
      ahead.clear();
    }
    return {};
  }

  /// A block at each of these, in order.
  Result<void> check_each(const std::vector<std::uint64_t>& places,
                          std::uint64_t size) {
    for (const std::uint64_t at : places) {
      static_cast<void>(
          ::posix_fadvise(fd_, static_cast<off_t>(at),
                          static_cast<off_t>(std::min(kBlockBytes, size - at)),
                          POSIX_FADV_WILLNEED));
    }
    for (const std::uint64_t at : places) {
      if (proof_.data) break;
      TRY_VOID(check(at, std::min(kBlockBytes, size - at)));
      TRY_VOID(tell(at));
    }
    return {};
  }

  int fd_;
  const BlankOptions& options_;
  BlankProof& proof_;
  std::string buffer_;
};

}  // namespace

std::string BlankProof::refusal() const {
  return is_blank() ? "" : "is not blank: " + held();
}

std::string BlankProof::held() const {
  std::string text;
  for (std::size_t i = 0; i < signatures.size(); ++i) {
    if (i > 0) text += "; ";
    text += "holds " + signatures[i].words + " (at byte " +
            std::to_string(signatures[i].offset_bytes) + ")";
  }
  if (data) text += (signatures.empty() ? "holds " : "; ") + data->words;
  return text;
}

std::string BlankProof::summary() const {
  if (!is_blank()) return refusal();
  const std::string what = fill == 0 ? "zero" : "0xff";
  if (longest_missed_bytes == 1) {
    return "blank: no signature, every byte is " + what;
  }
  return fmt::format(
      "blank: no signature, first and last {} all {}, and so are samples that "
      "data of {} or more anywhere would meet",
      size_text(edge_bytes), what, size_text(longest_missed_bytes));
}

std::string BlankProof::digest() const {
  std::string outcome = "blank";
  if (!is_blank()) {
    outcome = "holds";
    for (const DiskSignature& signature : signatures) {
      outcome += fmt::format(" {}@{}", signature.type, signature.offset_bytes);
      if (!signature.uuid.empty()) outcome += ":" + signature.uuid;
    }
    if (data) {
      outcome += fmt::format(" data@{}", data->offset_bytes);
      for (const char c : data->bytes) {
        outcome += fmt::format(":{:02x}", static_cast<unsigned char>(c));
      }
    }
  }
  const std::string wwid =
      identity.wwid.empty()
          ? ""
          : fmt::format(" wwid={}:{}", identity.wwid.size(), identity.wwid);
  // Lengths first: no model can be made to look like a serial.
  return fmt::format(
      "blank-proof/1 model={}:{} serial={}:{}{} size={} edge={} missed={} "
      "fill={:02x} {}",
      identity.model.size(), identity.model, identity.serial.size(),
      identity.serial, wwid, identity.size_bytes, edge_bytes,
      longest_missed_bytes, fill, outcome);
}

BlankDepth depth_of(std::string_view digest) {
  return digest.find(" missed=1 ") == std::string_view::npos
             ? BlankDepth::kSampled
             : BlankDepth::kFull;
}

Result<std::uint64_t> device_size(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) {
    return Error::from_errno("tell the size of a disk", errno);
  }
  if (S_ISREG(status.st_mode)) {
    return static_cast<std::uint64_t>(status.st_size);
  }
  std::uint64_t bytes = 0;
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): ioctl(2) is.
  if (::ioctl(fd, BLKGETSIZE64, &bytes) != 0) {
    return Error::from_errno("tell the size of a disk", errno);
  }
  return bytes;
}

Result<BlankProof> prove_blank(int fd, const DiskIdentity& identity,
                               const BlankOptions& options) {
  TRY(const std::uint64_t size, device_size(fd));
  if (size == 0) {
    return Error(ErrorCode::kUnavailable,
                 "prove that the disk is blank: it has no medium");
  }
  if (size != identity.size_bytes) {
    return Error(ErrorCode::kUnavailable,
                 fmt::format("prove that the disk is blank: it has {} bytes "
                             "now and had {}: it is another disk",
                             size, identity.size_bytes));
  }
  BlankProof proof;
  proof.identity = identity;
  proof.depth = options.depth;
  // What is cached may be older than the disk: another host may write to it.
  static_cast<void>(::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
  auto signatures = find_disk_signatures(fd, size);
  if (!signatures) {
    return std::move(signatures)
        .error()
        .with_context("prove that the disk is blank");
  }
  proof.signatures = *std::move(signatures);
  if (!proof.signatures.empty()) return proof;
  if (auto read = Prover(fd, options, proof).run(); !read) {
    return std::move(read).error().with_context("prove that the disk is blank");
  }
  if (!proof.data && proof.fill == 0xff && !options.accept_ones) {
    proof.data = FoundData{
        0, std::string(16, '\xff'),
        "0xff in every byte that was read, which is no blank disk unless it is "
        "said to be (erased flash reads so)",
        ""};
  }
  return proof;
}

}  // namespace gpunode::host
