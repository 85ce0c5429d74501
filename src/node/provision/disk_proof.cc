#include "node/provision/disk_proof.h"

#include <string>

#include <fmt/format.h>

#include "base/host/blank_proof.h"
#include "base/host/first_look.h"

namespace gpunode::provision {
namespace {

Error refusal(const DiskIdentity& disk, std::string_view how,
              std::string_view next) {
  return {ErrorCode::kUnavailable,
          fmt::format("disk {} {}; nothing was written to it, {}", disk.serial,
                      how, next)};
}

Error no_longer_blank(const DiskIdentity& disk, const std::string& held) {
  return refusal(disk, "is no longer blank: it " + held, "plan anew");
}

/// The first look again, and then what it promised.
Result<void> keep_promise(int fd, const DiskIdentity& disk,
                          const DiskIdentity& known, std::string_view planned,
                          host::BlankDepth promised,
                          const ProofProgress& progress) {
  TRY(const host::FirstLook look, host::look_first(fd, known, promised));
  if (!look.proof.is_blank()) return no_longer_blank(disk, look.proof.held());
  if (look.digest() != planned) {
    return refusal(disk, "is not as the plan saw it", "plan anew");
  }
  TRY(const host::BlankProof proof,
      host::prove_blank(fd, known, {.depth = promised, .progress = progress}));
  if (proof.is_blank()) return {};
  return refusal(
      disk,
      fmt::format("is not blank: it {}, which the plan's first look did not "
                  "meet",
                  proof.held()),
      fmt::format("make `select` fit another disk, or save what is on it and "
                  "erase it for good with --confirm-wipe={}",
                  disk.serial));
}

}  // namespace

ProofTeller::ProofTeller(WorkWatch* watch, std::uint64_t total_bytes)
    : watch_(watch), done_(std::make_shared<std::atomic<std::uint64_t>>(0)) {
  if (watch_ == nullptr) return;
  watch_->copy_started(total_bytes, [done = done_] { return done->load(); });
}

ProofTeller::~ProofTeller() {
  if (watch_ != nullptr) watch_->copy_ended();
}

ProofProgress ProofTeller::part() const {
  return [done = done_, last = std::uint64_t{0}](
             const host::BlankProgress& progress) mutable {
    // What is proved goes on and never back; the ends come first.
    if (progress.done_bytes <= last) return true;
    *done += progress.done_bytes - last;
    last = progress.done_bytes;
    return true;
  };
}

Result<void> prove_as_planned(int fd, const DiskIdentity& identity,
                              std::string_view planned, bool may_hold_data,
                              const ProofProgress& progress) {
  DiskIdentity known = identity;
  // A path is no serial: the proof at plan was made with an empty one.
  if (known.serial.starts_with('/')) known.serial.clear();
  if (const auto promised = host::promised_by(planned)) {
    return keep_promise(fd, identity, known, planned, *promised, progress);
  }
  TRY(const host::BlankProof proof,
      host::prove_looking(fd, known, host::depth_of(planned)));
  if (!proof.is_blank() && !may_hold_data) {
    return no_longer_blank(identity, proof.held());
  }
  if (proof.digest() == planned) return {};
  return refusal(identity, "is not as the plan saw it", "plan anew");
}

}  // namespace gpunode::provision
