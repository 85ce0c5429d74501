// How long to wait before trying again. Pure: time and chance are arguments.
//
// Two thousand nodes lose their API server in the same second; what each does
// next must not bring it down again. So waits are spread over three quarters of
// their length and double up to a ceiling.
#pragma once

#include <chrono>
#include <functional>
#include <optional>

namespace gpunode::kube {

/// A number in [0, 1), evenly spread.
using Chance = std::function<double()>;

struct BackoffRules {
  std::chrono::milliseconds first = std::chrono::seconds(2);
  std::chrono::milliseconds most = std::chrono::seconds(60);
};

/// The wait before try `attempt` + 1, from `attempt` failures in a row (at
/// least 1): a quarter to the whole of first * 2^(attempt - 1), at most `most`.
/// With the server's Retry-After: no less than that (capped at five minutes),
/// and a spread behind it.
std::chrono::milliseconds retry_delay(
    const BackoffRules& rules, unsigned attempt,
    std::optional<std::chrono::seconds> retry_after, double chance);

/// Chance from the system's random numbers, seeded differently on every node.
Chance system_chance();

}  // namespace gpunode::kube
