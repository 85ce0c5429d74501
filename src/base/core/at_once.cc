#include "base/core/at_once.h"

#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

namespace gpunode {

void at_once(std::size_t count, std::size_t most,
             const std::function<void(std::size_t)>& work) {
  std::atomic<std::size_t> next{0};
  const auto take_each = [&] {
    for (std::size_t i = next++; i < count; i = next++) work(i);
  };
  std::vector<std::jthread> others;  // Joined before `next` goes.
  const std::size_t wanted = std::min(count, most);
  others.reserve(wanted);
  try {
    while (others.size() + 1 < wanted) others.emplace_back(take_each);
  } catch (const std::system_error&) {
    // Those that there are take it all.
  }
  take_each();
}

}  // namespace gpunode
