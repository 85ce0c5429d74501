#include "share/intercept/contexts.h"

#include <array>

#include "share/intercept/account.h"
#include "share/intercept/driver.h"
#include "share/intercept/driver_turn.h"

namespace gpunode::share {
namespace {

constexpr std::size_t kMostOrdinals = 64;
std::array<Primary, kMostOrdinals> primaries;
OwnedWord the_limit_turn;

/// What was measured on a device with nothing in the context but itself.
struct Measured {
  std::uint64_t major;
  std::uint64_t minor;
  std::uint64_t multiprocessors;
  std::uint64_t bytes;
};
constexpr std::array kMeasured = {
    // H200, driver 580: 526 MiB, and 523.6 for a process's further ones.
    Measured{9, 0, 132, std::uint64_t{526} << 20},
};

}  // namespace

OwnedWord& limit_turn() {
  return the_limit_turn;
}

bool is_amid_contexts() {
  if (DriverTurn::is_amid() || the_limit_turn.is_mine()) return true;
  for (const Primary& primary : primaries) {
    if (primary.turn.is_mine()) return true;
  }
  return false;
}

std::uint64_t attribute_of(abi::CUdevice device,
                           abi::CUdevice_attribute attribute) {
  const auto ask = driver().cuDeviceGetAttribute.load();
  int value = 0;
  if (ask == nullptr || ask(&value, attribute, device) != abi::CUDA_SUCCESS ||
      value < 0) {
    return 0;
  }
  return static_cast<std::uint64_t>(value);
}

abi::CUcontext current_context() {
  const auto ask = driver().cuCtxGetCurrent.load(std::memory_order_relaxed);
  abi::CUcontext context = nullptr;
  return ask != nullptr && ask(&context) == abi::CUDA_SUCCESS ? context
                                                              : nullptr;
}

bool device_of(abi::CUcontext context, abi::CUdevice* device) {
  const auto ask = driver().cuCtxGetDevice.load();
  if (ask == nullptr) return false;
  // It tells of the current one alone.
  if (context == current_context()) return ask(device) == abi::CUDA_SUCCESS;
  const auto push = driver().cuCtxPushCurrent_v2.load();
  const auto pop = driver().cuCtxPopCurrent_v2.load();
  if (push == nullptr || pop == nullptr || push(context) != abi::CUDA_SUCCESS) {
    return false;
  }
  const bool is_told = ask(device) == abi::CUDA_SUCCESS;
  pop(&context);
  return is_told;
}

std::uint64_t context_bytes(abi::CUdevice device) {
  const std::uint64_t measured = account().measured_context_bytes(device);
  if (measured != 0) return measured;
  const std::uint64_t major =
      attribute_of(device, abi::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
  const std::uint64_t minor =
      attribute_of(device, abi::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
  const std::uint64_t multiprocessors =
      attribute_of(device, abi::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
  for (const Measured& known : kMeasured) {
    if (known.major == major && known.minor == minor &&
        known.multiprocessors == multiprocessors) {
      return known.bytes;
    }
  }
  return 0;
}

Primary* primary_of(abi::CUdevice device) {
  if (device < 0 || static_cast<std::size_t>(device) >= kMostOrdinals) {
    return nullptr;
  }
  return &primaries[static_cast<std::size_t>(device)];
}

void forget_contexts() {
  for (Primary& primary : primaries) {
    // A thread of the parent may have been in the midst of it.
    primary.key = 0;
    primary.turn.forget();
  }
  the_limit_turn.forget();
}

}  // namespace gpunode::share
