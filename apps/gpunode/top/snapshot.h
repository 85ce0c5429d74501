// What one node's GPUs do at one moment, and for whom. Passive data.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/core/clock.h"
#include "share/ledger/memory_kind.h"

namespace gpunode::top {

/// A physical GPU. What the driver does not tell is absent.
struct GpuRow {
  std::uint64_t index = 0;
  std::string uuid;
  std::string product;
  std::optional<std::uint64_t> memory_bytes;
  std::optional<std::uint64_t> used_bytes;
  std::optional<std::uint64_t> busy_percent;
  std::optional<std::uint64_t> celsius;
  std::optional<std::uint64_t> milliwatts;
  std::optional<std::uint64_t> milliwatts_limit;
  bool is_mig = false;
  std::string trouble;  ///< Empty: nobody says that there is any.
  /// Somebody would say if there were.
  bool is_health_known = false;
};

/// What one container has of a Device's time. Parts in thousandths of it.
struct TurnsOfHolder {
  std::uint64_t part = 0;
  std::string policy;  ///< "fair", "burst", "hard".
  std::int64_t priority = 0;
  std::string priority_source = "none";  ///< "none", "pod", "hand".
  bool is_counted = false;               ///< The agent tells what follows.
  double gpu_seconds = 0;                ///< Since the grant was made.
  double throttled_seconds = 0;
  std::uint64_t turns = 0;
  std::uint64_t launches = 0;
  bool is_persistent = false;           ///< A kernel of it does not end.
  std::optional<std::uint64_t> lately;  ///< Since the look before.
  std::optional<std::uint64_t> throttled_lately;
  std::uint64_t observed_seconds = 0;  ///< 0: not long enough for these two.
  std::uint64_t mean = 0;              ///< Over all of that.
  std::uint64_t peak = 0;              ///< In its busiest ten seconds.
};

/// What one container has of one Device.
struct HolderRow {
  std::string space;  ///< Empty, as the Pod, if nobody knows.
  std::string pod;
  std::string container;
  std::string pod_uid;
  std::string allocation;
  std::string resource;
  std::string device;          ///< UUID of a GPU or a MIG device.
  std::string gpu;             ///< "0", "0:1" of a MIG device, "?".
  std::uint64_t replicas = 0;  ///< K of N; 0: nobody knows.
  std::uint64_t of = 0;        ///< N; 0: not shared, or nobody knows.
  bool is_limited = false;     ///< It has an account; else `by_kind`, `peak`
                               ///< and `refusals` say nothing.
  std::uint64_t limit_bytes = 0;
  std::optional<std::uint64_t> used_bytes;  ///< With `unaccounted`.
  std::uint64_t unaccounted_bytes = 0;
  std::array<std::uint64_t, share::kMemoryKinds> by_kind = {};
  std::uint64_t peak_bytes = 0;
  std::uint64_t refusals = 0;
  std::uint64_t processes = 0;
  std::vector<std::uint32_t> pids;  ///< Of the host, as far as they are known.
  std::optional<std::uint64_t> sm_percent;
  std::optional<TurnsOfHolder> turns;  ///< Nothing: it takes none.
  std::string problem;  ///< Why its account is not to be believed.
  /// Why it runs without its limit all the same; empty: it is held to it.
  std::string why_unlimited;

  /// "namespace/pod", or what there is.
  std::string name() const;
};

/// A process on a GPU that is no holder's.
struct StrangerRow {
  std::uint32_t pid = 0;
  std::string command;
  std::string gpu;
  std::string pod_uid;  ///< Empty: it is no Pod's.
  std::optional<std::uint64_t> used_bytes;
  std::optional<std::uint64_t> sm_percent;
  bool is_bypass = false;  ///< A Pod's, on a GPU whose memory is shared out.
};

struct Snapshot {
  std::string host;
  std::string time;  ///< RFC 3339.
  std::string driver_version;
  std::string driver_problem;  ///< Why nobody reads the GPUs; empty: it works.
  std::string agent_problem;   ///< Why it was not asked; empty: it was.
  TimePoint counted{};         ///< When the agent counted what it says.
  std::string share_problem;   ///< Why limits are not known.
  /// Who has been asked and has not answered yet: "driver", "agent", "shares".
  /// What is here of them is older, or there is none.
  std::vector<std::string> awaited;
  std::vector<GpuRow> gpus;
  std::vector<HolderRow> holders;
  std::vector<StrangerRow> strangers;
};

/// `a` and `b`, or 2^64 - 1: what a container says may be anything.
constexpr std::uint64_t sum_of(std::uint64_t a, std::uint64_t b) {
  return a > ~std::uint64_t{0} - b ? ~std::uint64_t{0} : a + b;
}

}  // namespace gpunode::top
