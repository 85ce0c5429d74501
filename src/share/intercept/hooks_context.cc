// The driver's own names that make and end contexts. What a context takes is
// charged before it is made; when it ends, all that was taken in it goes.
#include "share/intercept/account.h"
#include "share/intercept/contexts.h"
#include "share/intercept/driver.h"
#include "share/intercept/real.h"
#include "share/intercept/taking.h"

namespace gpunode::abi {
namespace {

using share::account;
using share::Block;
using share::driver;
using share::key_of;
using share::MemoryKind;
using share::OwnedTurn;
using share::Primary;
using share::real_of;

/// Charges a context, asks the driver for it by `ask()`, and keeps the charge
/// with it, or takes it back.
template <typename Ask>
CUresult make(CUcontext* context, CUdevice device, Ask ask) {
  Block block;
  const std::uint64_t bytes = share::context_bytes(device);
  const auto reserve = [&] {
    return account().reserve_on(device, MemoryKind::kContext, bytes, &block);
  };
  if (!share::is_reserved(reserve, block)) return CUDA_ERROR_OUT_OF_MEMORY;
  const CUresult result = ask();
  if (result == CUDA_SUCCESS) {
    block.owner = key_of(*context);
    account().remember(key_of(*context), block);
  } else {
    account().release(block);
  }
  return result;
}

template <typename Ask>
CUresult create(CUcontext* context, CUdevice device, Ask ask) {
  const bool is_ours = context != nullptr && account().is_limited();
  return is_ours ? make(context, device, ask) : ask();
}

/// In doubt it is: what isn't given back is not taken twice.
bool is_active(CUdevice device) {
  const auto ask = real_of(driver().cuDevicePrimaryCtxGetState);
  unsigned flags = 0;
  int active = 1;
  return ask == nullptr || ask(device, &flags, &active) != CUDA_SUCCESS ||
         active != 0;
}

using OfContext = CUresult (*)(CUcontext);
using OfDevice = CUresult (*)(CUdevice);

/// In doubt the driver knows it: what isn't given back is not taken twice.
bool is_alive(CUcontext context) {
  const auto ask = real_of(driver().cuCtxGetApiVersion);
  unsigned version = 0;
  return ask == nullptr || ask(context, &version) == CUDA_SUCCESS;
}

/// Both forms end it or fail.
CUresult destroy(OfContext ask, CUcontext context) {
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  if (context == nullptr || !account().is_limited()) return ask(context);
  const std::uint64_t token = account().begin_end_context(key_of(context));
  const CUresult result = ask(context);
  // The result may be of what went wrong in it before.
  account().end_context(key_of(context), token,
                        result == CUDA_SUCCESS || !is_alive(context));
  return result;
}

/// Nothing of it is noted.
bool passes(const Primary* primary) {
  return primary == nullptr || !account().is_limited() ||
         share::is_amid_contexts();
}

/// By who has the turn: until it is over nobody makes it again.
void end_primary(Primary* primary) {
  account().drop_context(primary->key);
  primary->key = 0;
}

/// The last release ends the context.
CUresult release_primary(OfDevice ask, CUdevice device) {
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  Primary* const primary = share::primary_of(device);
  if (passes(primary)) return ask(device);
  const OwnedTurn turn(primary->turn);
  if (primary->key == 0) return ask(device);
  const std::uint64_t token = account().begin_end_context(primary->key);
  const CUresult result = ask(device);
  // The result may be of what went wrong in it before.
  const bool has_ended = !is_active(device);
  account().end_context(primary->key, token, has_ended);
  if (has_ended) end_primary(primary);
  return result;
}

/// All that was taken in it goes at once, the context itself if it ends.
CUresult reset_primary(OfDevice ask, CUdevice device) {
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  Primary* const primary = share::primary_of(device);
  if (passes(primary)) return ask(device);
  const OwnedTurn turn(primary->turn);
  const std::uint64_t key = primary->key;
  if (key == 0) return ask(device);
  Block itself;
  const bool is_charged = account().begin_free(key, &itself);
  const std::uint64_t token = account().begin_end_context(key);
  const CUresult result = ask(device);
  const bool has_ended = !is_active(device);
  account().end_context(key, token, result == CUDA_SUCCESS || has_ended);
  if (is_charged) account().end_free(key, itself, has_ended);
  if (has_ended) end_primary(primary);
  return result;
}

}  // namespace

GPUNODE_EXPORT CUresult cuCtxCreate_v2(CUcontext* context, unsigned flags,
                                       CUdevice device) {
  const auto ask = real_of(driver().cuCtxCreate_v2);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  return create(context, device, [&] { return ask(context, flags, device); });
}

GPUNODE_EXPORT CUresult cuCtxCreate_v3(CUcontext* context,
                                       CUexecAffinityParam* affinities,
                                       int affinity_count, unsigned flags,
                                       CUdevice device) {
  const auto ask = real_of(driver().cuCtxCreate_v3);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  return create(context, device, [&] {
    return ask(context, affinities, affinity_count, flags, device);
  });
}

GPUNODE_EXPORT CUresult cuCtxCreate_v4(CUcontext* context,
                                       CUctxCreateParams* parameters,
                                       unsigned flags, CUdevice device) {
  const auto ask = real_of(driver().cuCtxCreate_v4);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  return create(context, device,
                [&] { return ask(context, parameters, flags, device); });
}

GPUNODE_EXPORT CUresult cuCtxDestroy_v2(CUcontext context) {
  return destroy(real_of(driver().cuCtxDestroy_v2), context);
}

GPUNODE_EXPORT CUresult cuCtxDestroy(CUcontext context) {
  return destroy(real_of(driver().cuCtxDestroy), context);
}

/// The last of those who attached ends it. A primary one it leaves.
GPUNODE_EXPORT CUresult cuCtxDetach(CUcontext context) {
  const auto ask = real_of(driver().cuCtxDetach);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  if (context == nullptr || !account().is_limited()) return ask(context);
  const std::uint64_t token = account().begin_end_context(key_of(context));
  const CUresult result = ask(context);
  account().end_context(key_of(context), token,
                        result == CUDA_SUCCESS && !is_alive(context));
  return result;
}

GPUNODE_EXPORT CUresult cuDevicePrimaryCtxRetain(CUcontext* context,
                                                 CUdevice device) {
  const auto ask = real_of(driver().cuDevicePrimaryCtxRetain);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  Primary* const primary = share::primary_of(device);
  if (context == nullptr || passes(primary)) return ask(context, device);
  // Two who retain it first would have it charged twice.
  const OwnedTurn turn(primary->turn);
  if (primary->key != 0) return ask(context, device);
  const CUresult result =
      make(context, device, [&] { return ask(context, device); });
  if (result == CUDA_SUCCESS) primary->key = key_of(*context);
  return result;
}

GPUNODE_EXPORT CUresult cuDevicePrimaryCtxRelease(CUdevice device) {
  return release_primary(real_of(driver().cuDevicePrimaryCtxRelease), device);
}

GPUNODE_EXPORT CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  return release_primary(real_of(driver().cuDevicePrimaryCtxRelease_v2),
                         device);
}

GPUNODE_EXPORT CUresult cuDevicePrimaryCtxReset(CUdevice device) {
  return reset_primary(real_of(driver().cuDevicePrimaryCtxReset), device);
}

GPUNODE_EXPORT CUresult cuDevicePrimaryCtxReset_v2(CUdevice device) {
  return reset_primary(real_of(driver().cuDevicePrimaryCtxReset_v2), device);
}

}  // namespace gpunode::abi
