#include "share/intercept/fault.h"

#include "share/intercept/account.h"
#include "share/intercept/contexts.h"
#include "share/intercept/driver_turn.h"
#include "share/intercept/place.h"
#include "share/intercept/seat.h"

namespace gpunode::share {
namespace {

/// Whoever gets one of these gets it for every call in the context from then
/// on, until it ends.
bool is_for_good(abi::CUresult result) {
  switch (result) {
    case abi::CUDA_ERROR_ECC_UNCORRECTABLE:
    case abi::CUDA_ERROR_NVLINK_UNCORRECTABLE:
    case abi::CUDA_ERROR_CONTAINED:
    case abi::CUDA_ERROR_ILLEGAL_ADDRESS:
    case abi::CUDA_ERROR_LAUNCH_TIMEOUT:
    case abi::CUDA_ERROR_ASSERT:
    case abi::CUDA_ERROR_HARDWARE_STACK_ERROR:
    case abi::CUDA_ERROR_ILLEGAL_INSTRUCTION:
    case abi::CUDA_ERROR_MISALIGNED_ADDRESS:
    case abi::CUDA_ERROR_INVALID_ADDRESS_SPACE:
    case abi::CUDA_ERROR_INVALID_PC:
    case abi::CUDA_ERROR_LAUNCH_FAILED:
    case abi::CUDA_ERROR_TENSOR_MEMORY_LEAK:
      return true;
    default:
      return false;
  }
}

}  // namespace

void note_failure(abi::CUresult result) {
  if (!is_for_good(result) || !account().may_take_turns() ||
      DriverTurn::is_amid()) {
    return;
  }
  abi::CUcontext const context = current_context();
  if (context == nullptr) return;
  const DriverTurn turn(Kept::kPlaces);
  Place* const place = find_place(context);
  if (place == nullptr || place->seat == nullptr) return;
  if (place->has_failed.exchange(true, std::memory_order_relaxed)) return;
  // It may have been another's failure: what is held must not stay so for ever.
  // That of other contexts comes early with it.
  open_gates(place->seat);
  end_work(place);
}

}  // namespace gpunode::share
