// Driver: the state that the library has in one process, and the gate that
// every call goes through.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "base/core/mutex.h"
#include "gpu/abi/nvml.h"
#include "tests/doubles/nvml/calls.h"
#include "tests/doubles/nvml/control_region.h"
#include "tests/doubles/nvml/session.h"

namespace gpunode::fake_nvml {

/// Safe from any thread.
///
/// What a call answers, in this order: UNINITIALIZED without a live session
/// (also when the driver went down since init, whether or not it is back);
/// FUNCTION_NOT_FOUND for the profile's absentSymbols; an injected fault;
/// GPU_IS_LOST; the profile's facts.
class Driver {
 public:
  /// The one of this process; never destroyed.
  static Driver& of_process();

  nvmlReturn_t init(Call call);
  nvmlReturn_t shutdown();

  ControlRegion& region();

  void count(Call call);
  /// The live session, or null.
  const Session* session();
  /// Waits out an injected delay and gives the injected code, or SUCCESS.
  /// `gpu` is kAnyGpu where the call concerns none.
  nvmlReturn_t fault(Call call, std::int32_t gpu);
  bool is_lost(unsigned gpu);

 private:
  /// Where a profile comes from, and which state of that file.
  struct Source {
    std::string path;
    std::uint64_t inode = 0;
    std::int64_t modified_ns = 0;
    std::int64_t size = 0;
    std::uint32_t generation = 0;
    bool operator==(const Source&) const = default;
  };
  struct Loaded {
    Loaded(Source from, Profile profile)
        : source(std::move(from)), session(std::move(profile)) {}
    Source source;
    Session session;
  };

  void follow_environment() REQUIRES(mutex_);
  std::string profile_path() REQUIRES(mutex_);
  const Session* load(std::uint32_t generation) REQUIRES(mutex_);

  Mutex mutex_;
  unsigned users_ GUARDED_BY(mutex_) = 0;
  std::string control_path_ GUARDED_BY(mutex_);
  std::deque<Loaded> loaded_ GUARDED_BY(mutex_);
  ControlRegion own_region_{};  ///< Used until a control file is mapped.
  std::atomic<ControlRegion*> region_{&own_region_};
  std::atomic<const Session*> session_{nullptr};
  std::atomic<std::uint32_t> generation_{0};
};

/// A call about the system: `body(session)`.
template <class Body>
nvmlReturn_t answer(Call call, Body body) {
  Driver& driver = Driver::of_process();
  driver.count(call);
  const Session* session = driver.session();
  if (session == nullptr) return NVML_ERROR_UNINITIALIZED;
  if (session->is_absent(call)) return NVML_ERROR_FUNCTION_NOT_FOUND;
  const nvmlReturn_t code = driver.fault(call, Fault::kAnyGpu);
  return code != NVML_SUCCESS ? code : body(*session);
}

/// A call about a device that may turn out to be lost or at fault:
/// `body(session, device)`. `find(session)` gives the device, or null for
/// `missing`.
template <class Find, class Body>
nvmlReturn_t answer_found(Call call, Find find, nvmlReturn_t missing,
                          Body body) {
  Driver& driver = Driver::of_process();
  driver.count(call);
  const Session* session = driver.session();
  if (session == nullptr) return NVML_ERROR_UNINITIALIZED;
  if (session->is_absent(call)) return NVML_ERROR_FUNCTION_NOT_FOUND;
  nvmlDevice_st* device = find(*session);
  if (device == nullptr) return missing;
  const nvmlReturn_t code =
      driver.fault(call, static_cast<std::int32_t>(device->gpu_index));
  if (code != NVML_SUCCESS) return code;
  if (driver.is_lost(device->gpu_index)) return NVML_ERROR_GPU_IS_LOST;
  return body(*session, *device);
}

/// Likewise, for a handle that the caller got earlier.
template <class Body>
nvmlReturn_t answer(Call call, nvmlDevice_t handle, Body body) {
  return answer_found(
      call,
      [handle](const Session& session) {
        return session.owns(handle) ? handle : nullptr;
      },
      NVML_ERROR_INVALID_ARGUMENT, body);
}

/// A call that writes one value of the device: `value(device)`.
template <class T, class Value>
nvmlReturn_t answer_value(Call call, nvmlDevice_t handle, T* into,
                          Value value) {
  return answer(call, handle, [&](const Session&, nvmlDevice_st& device) {
    if (into == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
    *into = value(device);
    return NVML_SUCCESS;
  });
}

/// A call that the profiles say nothing about: right handle, no answer.
inline nvmlReturn_t answer_unsupported(Call call, nvmlDevice_t handle) {
  return answer(call, handle, [](const Session&, nvmlDevice_st&) {
    return NVML_ERROR_NOT_SUPPORTED;
  });
}

/// Copies with the NUL, or INSUFFICIENT_SIZE.
nvmlReturn_t copy_text(const std::string& text, char* into, unsigned length);

}  // namespace gpunode::fake_nvml
