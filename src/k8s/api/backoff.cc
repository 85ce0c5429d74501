#include "k8s/api/backoff.h"

#include <algorithm>
#include <memory>
#include <random>

namespace gpunode::kube {

using std::chrono::milliseconds;
using std::chrono::seconds;

milliseconds retry_delay(const BackoffRules& rules, unsigned attempt,
                         std::optional<seconds> retry_after, double chance) {
  constexpr unsigned kMostDoublings = 20;
  constexpr double kSurePart = 0.25;
  constexpr seconds kMostRetryAfter(300);
  const unsigned doublings =
      std::min(std::max(attempt, 1U) - 1, kMostDoublings);
  const milliseconds whole = std::min(
      rules.most, milliseconds(rules.first.count() * (1L << doublings)));
  const double part =
      kSurePart + (1 - kSurePart) * std::clamp(chance, 0.0, 1.0);
  const milliseconds spread(
      static_cast<long long>(static_cast<double>(whole.count()) * part));
  if (!retry_after) return spread;
  return std::clamp(*retry_after, seconds(0), kMostRetryAfter) + spread;
}

Chance system_chance() {
  auto engine = std::make_shared<std::minstd_rand>(std::random_device{}());
  return [engine] {
    return std::uniform_real_distribution<double>(0, 1)(*engine);
  };
}

}  // namespace gpunode::kube
