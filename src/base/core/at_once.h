// The same work on many things at once.
#pragma once

#include <cstddef>
#include <functional>

namespace gpunode {

/// Calls work(0) to work(count - 1), up to `most` of them at a time, each from
/// any of as many threads, the caller's among them; all have ended when this
/// returns. Where the kernel gives no more threads, fewer do it all. `work`
/// must not throw, and different numbers must not share what they change.
void at_once(std::size_t count, std::size_t most,
             const std::function<void(std::size_t)>& work);

}  // namespace gpunode
