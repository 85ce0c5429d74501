// Critical XIDs as the driver reports them, for all GPUs of a node at once.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "gpu/device/health.h"
#include "gpu/nvml/session.h"

namespace gpunode::nvml {

/// A GPU whose events will not come.
struct Unwatched {
  device::DeviceId gpu;
  std::string reason;
  /// False: too old to report health, and no worse for that. True: the GPU
  /// did not answer and is to be treated as unhealthy.
  bool is_failure = false;
};

/// One NVML event set with every GPU in it. Owned by one thread and destroyed
/// before its Session. One a node is enough: the set tells GPUs and MIG
/// devices apart, and a second one would get every event twice.
class EventStream {
 public:
  /// Registers each GPU for those of XID critical, double and single bit ECC
  /// errors that it can report. Fails only if there can be no event set; a GPU
  /// that cannot be registered is in unwatched().
  static Result<EventStream> open(const Session& session,
                                  const std::vector<device::DeviceId>& gpus);

  EventStream(EventStream&&) noexcept = default;
  EventStream& operator=(EventStream&&) noexcept = default;

  const std::vector<Unwatched>& unwatched() const { return unwatched_; }
  std::size_t watched_count() const { return watched_.size(); }

  /// Blocks for the next critical XID, at most `timeout`, and ends within half
  /// a second of a stop request. Nothing: no XID came in time, or an event of
  /// another kind did (counted in skipped()), or stop was requested. An Error
  /// is the driver's and will most likely come again at once: back off, then
  /// open a new stream.
  Result<std::optional<device::XidEvent>> wait(
      std::chrono::milliseconds timeout, const std::stop_token& stop);

  /// ECC events received so far; they are registered for, as in NVIDIA's
  /// plugin, but an uncorrected error that matters comes as an XID too.
  std::uint64_t skipped() const { return skipped_; }

 private:
  struct SetFreer {
    using pointer = nvmlEventSet_t;
    const Api* api;
    void operator()(nvmlEventSet_t set) const { api->nvmlEventSetFree(set); }
  };
  using EventSet = std::unique_ptr<nvmlEventSet_st, SetFreer>;

  EventStream(const Api& api, nvmlEventSet_t set)
      : api_(&api), set_(set, SetFreer{&api}) {}

  void watch(const device::DeviceId& gpu);
  nvmlReturn_t wait_slice(nvmlEventData_t& data,
                          std::chrono::milliseconds slice) const;
  device::XidEvent to_xid_event(const nvmlEventData_t& data) const;

  const Api* api_;
  EventSet set_;
  // A GPU off the bus may no longer tell its UUID; its handle still tells
  // which it was.
  std::map<nvmlDevice_t, device::DeviceId> watched_;
  std::vector<Unwatched> unwatched_;
  std::uint64_t skipped_ = 0;
};

}  // namespace gpunode::nvml
