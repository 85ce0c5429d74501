// What it costs to prove a disk blank: own time, reads and bytes, on a sparse
// file of 600 GiB under a loop device, the size of the disk of a g5.4xlarge.
// Of the medium's own time this tells nothing: multiply the reads by a disk's
// latency (some 0.1 ms for NVMe).
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/core/at_once.h"
#include "base/host/blank_proof.h"
#include "base/host/disk_claim.h"
#include "base/host/disk_lineage.h"
#include "base/host/first_look.h"
#include "tests/storage/test_disk.h"

namespace {

namespace host = gpunode::host;
namespace storage_test = gpunode::storage_test;
using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start)
      .count();
}

double processor_milliseconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e3 +
           static_cast<double>(time.tv_usec) / 1e3;
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

void row(const char* what, double wall, double processor,
         const host::BlankProof& proof) {
  std::printf("| %s | %.0f ms | %.0f ms | %llu | %s | %s |\n", what, wall,
              processor, static_cast<unsigned long long>(proof.reads),
              host::size_text(proof.read_bytes).c_str(),
              host::size_text(proof.longest_missed_bytes).c_str());
}

int measure(const char* what, std::uint64_t size, const char* path,
            host::BlankDepth depth) {
  const auto start = Clock::now();
  const double processor = processor_milliseconds();
  const auto claim = host::DiskClaim::take(host::HostRoot(), path, {},
                                           host::DiskClaim::Access::kRead);
  if (!claim) {
    std::fprintf(stderr, "%s\n", claim.error().message().c_str());
    return 1;
  }
  host::BlankOptions options;
  options.depth = depth;
  const auto proof = host::prove_blank(claim->fd(), {"M", "S", size}, options);
  if (!proof || !proof->is_blank()) {
    std::fprintf(
        stderr, "%s\n",
        proof ? proof->refusal().c_str() : proof.error().message().c_str());
    return 1;
  }
  row(what, milliseconds_since(start), processor_milliseconds() - processor,
      *proof);
  return 0;
}

int measure_size(const char* what, std::uint64_t size, host::BlankDepth depth) {
  const storage_test::ImageFile image(size);
  std::string reason;
  const auto loop = storage_test::LoopDevice::over(image, reason);
  if (!loop) {
    std::fprintf(stderr, "%s\n", reason.c_str());
    return 77;
  }
  return measure(what, size, loop->path().c_str(), depth);
}

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30U;
constexpr std::size_t kManyDisks = 16;

struct Disk {
  std::unique_ptr<storage_test::ImageFile> image;
  storage_test::LoopDevice loop;
};

/// Some hosts have fewer loop devices.
std::vector<Disk> many_disks() {
  std::vector<Disk> disks;
  while (disks.size() < kManyDisks) {
    auto image = std::make_unique<storage_test::ImageFile>(600 * kGiB);
    std::string reason;
    auto loop = storage_test::LoopDevice::over(*image, reason);
    if (!loop) {
      std::fprintf(stderr, "%zu disks: %s\n", disks.size(), reason.c_str());
      break;
    }
    disks.push_back({std::move(image), *std::move(loop)});
  }
  return disks;
}

using Look = std::function<gpunode::Result<host::BlankProof>(int fd)>;

/// One row of all disks, so many at a time.
int measure_many(const char* what, const std::vector<Disk>& disks,
                 std::size_t most, const Look& look) {
  const auto start = Clock::now();
  const double processor = processor_milliseconds();
  std::vector<host::BlankProof> proofs(disks.size());
  gpunode::at_once(disks.size(), most, [&](std::size_t i) {
    const auto claim = host::DiskClaim::take(
        host::HostRoot(), disks[i].loop.path(), disks[i].loop.number(),
        host::DiskClaim::Access::kRead);
    if (!claim) return;
    if (auto proof = look(claim->fd())) proofs[i] = *std::move(proof);
  });
  const double wall = milliseconds_since(start);
  host::BlankProof sum;
  for (const host::BlankProof& proof : proofs) {
    if (proof.reads == 0 || !proof.is_blank()) return 1;
    sum.reads += proof.reads;
    sum.read_bytes += proof.read_bytes;
    sum.longest_missed_bytes = proof.longest_missed_bytes;
  }
  row((std::to_string(disks.size()) + what).c_str(), wall,
      processor_milliseconds() - processor, sum);
  return 0;
}

int measure_together() {
  const std::vector<Disk> disks = many_disks();
  const host::DiskIdentity identity = {"M", "S", 600 * kGiB};
  const Look first = [&](int fd) -> gpunode::Result<host::BlankProof> {
    TRY(host::FirstLook look,
        host::look_first(fd, identity, host::BlankDepth::kSampled));
    return std::move(look.proof);
  };
  const Look proof = [&](int fd) {
    return host::prove_blank(fd, identity, {});
  };
  int status = measure_many(" of 600 GiB, first look, one after the other",
                            disks, 1, first);
  if (status == 0) {
    status =
        measure_many(" of 600 GiB, first look, 8 at a time", disks, 8, first);
  }
  if (status == 0) {
    status = measure_many(" of 600 GiB, sampled, one after the other", disks, 1,
                          proof);
  }
  if (status == 0) {
    status = measure_many(" of 600 GiB, sampled, 8 at a time", disks, 8, proof);
  }
  return status;
}

}  // namespace

int main() {
  std::printf(
      "| blank proof | time | processor | reads | bytes | finds any run of |\n"
      "|---|---|---|---|---|---|\n");
  int status =
      measure_size("600 GiB, sampled", 600 * kGiB, host::BlankDepth::kSampled);
  if (status == 0) {
    status = measure_size("7.5 TiB, sampled", 7680 * kGiB,
                          host::BlankDepth::kSampled);
  }
  if (status == 0) {
    status = measure_size("1 GiB, every byte", kGiB, host::BlankDepth::kFull);
  }
  if (status == 0) status = measure_together();
  if (status != 0) return status;
  const auto start = Clock::now();
  const auto view = host::read_storage(host::HostRoot());
  if (!view) return 1;
  const auto lineages = host::disk_lineages(*view);
  std::printf("\nWhat stands on each of %zu devices: %.1f ms\n",
              lineages.size(), milliseconds_since(start));
  return 0;
}
