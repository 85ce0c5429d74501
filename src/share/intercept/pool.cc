#include "share/intercept/pool.h"

#include <sched.h>

#include "share/intercept/driver_turn.h"
#include "share/intercept/relaxed_capture.h"
#include "share/intercept/table.h"

namespace gpunode::share {
namespace {

constexpr std::uint64_t kStep = 32 << 20;

}  // namespace

struct Pool {
  abi::CUmemoryPool handle;  ///< Null: destroyed, with memory still in use.
  Block charge;
  std::uint64_t pending;   ///< Of the charge: what the driver may be taking.
  std::uint64_t promised;  ///< Of what it has free: to those who are asking.
  std::uint64_t seen;      ///< What it had when it was last looked at.
  std::uint64_t free;      ///< Of that, what nobody has taken since, at least.
  std::uint64_t in_use;    ///< Of pools that the program made: bytes not freed.
  bool is_own;             ///< The program made it.
};

namespace {

std::uint64_t last_number = 0;
Table<Pool> pools;                ///< By our number.
Table<std::uint64_t> numbers;     ///< By handle.
Table<PoolFreeing> in_own_pools;  ///< By address.
std::atomic<bool> was_freed = false;

std::uint64_t attribute(abi::CUmemoryPool pool, abi::CUmemPool_attribute which,
                        std::uint64_t otherwise) {
  const auto ask = real_of(driver().cuMemPoolGetAttribute);
  std::uint64_t value = 0;
  return ask != nullptr && ask(pool, which, &value) == abi::CUDA_SUCCESS
             ? value
             : otherwise;
}

std::uint64_t reserved_by(const Pool& pool) {
  return attribute(pool.handle, abi::CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT,
                   pool.charge.bytes);
}

void release_of(Pool* pool, std::uint64_t bytes) {
  account().release({bytes, pool->charge.device, MemoryKind::kPool});
  pool->charge.bytes -= bytes;
}

bool is_charged(const Pool& pool) {
  return pool.handle != nullptr && pool.charge.device != Account::kNoDevice;
}

Block missing_of(const Pool& pool, std::uint64_t reserved) {
  const std::uint64_t has = pool.charge.bytes;
  return {reserved > has ? reserved - has : 0, pool.charge.device,
          MemoryKind::kPool};
}

/// False if it holds more, `reserved` bytes, than is charged, and there is no
/// room for that.
bool is_settled_to(Pool* pool, std::uint64_t reserved) {
  if (reserved != pool->seen) pool->free = 0;  // Unknown until it is asked.
  pool->seen = reserved;
  const std::uint64_t most = reserved + pool->pending;
  if (pool->charge.bytes > most) release_of(pool, pool->charge.bytes - most);
  const Block more = missing_of(*pool, reserved);
  if (more.bytes == 0) return true;
  if (account().reserve_block(more) != Verdict::kGranted) return false;
  pool->charge.bytes = reserved;
  return true;
}

/// What there is no room for is charged all the same.
void settle_to(Pool* pool, std::uint64_t reserved) {
  if (is_settled_to(pool, reserved)) return;
  account().charge(missing_of(*pool, reserved));
  pool->charge.bytes = reserved;
}

void settle(Pool* pool) {
  if (is_charged(*pool)) settle_to(pool, reserved_by(*pool));
}

Pool* add(abi::CUmemoryPool handle, std::uint32_t device, bool is_own) {
  Pool* pool = pools.put(last_number + 1);
  if (pool == nullptr) return nullptr;
  std::uint64_t* number = numbers.put(reinterpret_cast<std::uint64_t>(handle));
  if (number == nullptr) {
    pools.erase(last_number + 1);
    return nullptr;
  }
  *number = ++last_number;
  *pool = {handle, {0, device, MemoryKind::kPool}, 0, 0, 0, 0, 0, is_own};
  return pool;
}

/// One that the program did not make is a device's own, or another process's.
std::uint32_t device_of_default(abi::CUmemoryPool handle) {
  const auto get_pool = real_of(driver().cuDeviceGetDefaultMemPool);
  constexpr abi::CUdevice kMostDevices = 64;
  for (abi::CUdevice device = 0; get_pool != nullptr && device < kMostDevices;
       ++device) {
    abi::CUmemoryPool pool = nullptr;
    const abi::CUresult result = get_pool(&pool, device);
    if (result == abi::CUDA_ERROR_INVALID_DEVICE) break;  // Past the last one.
    // One that has no pools has others behind it.
    if (result == abi::CUDA_SUCCESS && pool == handle) {
      return account().number_of(device);
    }
  }
  return Account::kNoDevice;
}

std::uint64_t number_of(abi::CUmemoryPool handle) {
  const auto key = reinterpret_cast<std::uint64_t>(handle);
  const std::uint64_t* number = numbers.find(key);
  if (number != nullptr) return *number;
  return add(handle, device_of_default(handle), false) == nullptr ? 0
                                                                  : last_number;
}

std::uint64_t used_of(const Pool& pool, std::uint64_t reserved) {
  return attribute(pool.handle, abi::CU_MEMPOOL_ATTR_USED_MEM_CURRENT,
                   reserved);
}

/// What was promised of what is free stays. A pool that grew is not charged for
/// that here: others have yet to return what they have.
bool trim(std::uint32_t device) {
  const auto ask = real_of(driver().cuMemPoolTrimTo);
  bool is_any = false;
  pools.for_each([&](std::uint64_t, Pool* pool) {
    if (ask == nullptr || !is_charged(*pool) || pool->charge.device != device) {
      return;
    }
    const std::uint64_t promised = pool->promised;
    pool->free = 0;
    ask(pool->handle,
        promised == 0 ? 0 : used_of(*pool, reserved_by(*pool)) + promised);
    const std::uint64_t most = reserved_by(*pool) + pool->pending;
    if (pool->charge.bytes <= most) return;
    release_of(pool, pool->charge.bytes - most);
    is_any = true;
  });
  return is_any;
}

/// False if the pool grew, and there is no room for that, whatever other pools
/// return.
bool is_settled(Pool* pool) {
  if (is_settled_to(pool, reserved_by(*pool))) return true;
  trim(pool->charge.device);
  return is_settled_to(pool, reserved_by(*pool));
}

}  // namespace

void PoolTaking::promise(Pool* pool) {
  promised_ = bytes_;
  pool->promised += bytes_;
  pool->free -= bytes_;
}

/// Without asking the driver. Should it have returned that meanwhile, the pool
/// grows by a step, which is seen at the end: so not for more than that.
bool PoolTaking::is_free(abi::CUmemoryPool handle) {
  if (bytes_ > kStep) return false;
  const std::uint64_t* number =
      numbers.find(reinterpret_cast<std::uint64_t>(handle));
  Pool* pool = number == nullptr ? nullptr : pools.find(*number);
  if (pool == nullptr || bytes_ > pool->free) return false;
  pool_ = *number;
  promise(pool);
  return true;
}

PoolTaking::Answer PoolTaking::ask_once(abi::CUmemoryPool handle) {
  const DriverTurn turn(Kept::kPools);
  if (is_free(handle)) return Answer::kGranted;
  const RelaxedCapture relaxed;
  pool_ = number_of(handle);
  Pool* pool = pools.find(pool_);
  if (pool == nullptr || pool->charge.device == Account::kNoDevice) {
    pool_ = 0;
    return Answer::kGranted;
  }
  const std::uint64_t reserved = reserved_by(*pool);
  settle_to(pool, reserved);
  const std::uint64_t gone = used_of(*pool, reserved) + pool->promised;
  pool->free = gone < reserved ? reserved - gone : 0;
  if (bytes_ <= pool->free) {
    promise(pool);
    return Answer::kGranted;
  }
  const std::uint64_t step =
      bytes_ > ~kStep ? bytes_ : (bytes_ + kStep - 1) / kStep * kStep;
  device_ = pool->charge.device;
  const Block more = {step, device_, MemoryKind::kPool};
  const bool is_granted = account().reserve_block(more) == Verdict::kGranted;
  if (is_granted) {
    reserved_ = step;
    pool->charge.bytes += step;
    pool->pending += step;
    return Answer::kGranted;
  }
  // What other threads of the process are being given may have room for it.
  if (pool->pending != 0 || pool->promised != 0) return Answer::kLater;
  if (has_tried_trim_) return Answer::kRefused;
  has_tried_trim_ = true;
  return trim(device_) ? Answer::kLater : Answer::kRefused;
}

bool PoolTaking::begin(abi::CUmemoryPool handle, std::uint64_t bytes) {
  constexpr int kMostTurns = 1000;
  if (DriverTurn::is_amid()) return true;
  bytes_ = bytes;
  Answer answer = Answer::kLater;
  for (int turn = 0; turn < kMostTurns && answer == Answer::kLater; ++turn) {
    answer = ask_once(handle);
    if (answer == Answer::kLater) sched_yield();
  }
  // Who only ever was told to wait has trimmed nothing yet.
  if (answer != Answer::kGranted && make_room(device_)) {
    answer = ask_once(handle);
  }
  return answer == Answer::kGranted;
}

bool PoolTaking::end_once(abi::CUdeviceptr address, bool is_last) {
  const DriverTurn turn(Kept::kPools);
  Pool* pool = pools.find(pool_);
  if (pool == nullptr) return true;
  pool->pending -= reserved_;
  pool->promised -= promised_;
  reserved_ = 0;
  promised_ = 0;
  device_ = pool->charge.device;
  const RelaxedCapture relaxed;
  if (address == 0) {
    settle(pool);
    return true;
  }
  if (!is_settled(pool)) {
    if (is_last) settle(pool);
    return false;
  }
  if (pool->is_own) {
    PoolFreeing* use = in_own_pools.put(address);
    if (use != nullptr) *use = {pool_, bytes_};
    pool->in_use += bytes_;
  }
  return true;
}

bool PoolTaking::end(abi::CUdeviceptr address) {
  if (pool_ == 0 || end_once(address, false)) return true;
  trim_graphs(device_);
  return end_once(address, true);
}

void PoolTaking::take_back() {
  const DriverTurn turn(Kept::kPools);
  const RelaxedCapture relaxed;
  Pool* pool = pools.find(pool_);
  if (pool != nullptr) {
    trim(pool->charge.device);
    settle(pool);
  }
  was_freed.store(true, std::memory_order_relaxed);
}

abi::CUmemoryPool pool_of(abi::CUstream stream) {
  const auto get_device = real_of(driver().cuCtxGetDevice);
  const auto get_pool = real_of(driver().cuDeviceGetMemPool);
  const auto get_context = real_of(driver().cuStreamGetCtx);
  const auto get_current = real_of(driver().cuCtxGetCurrent);
  const auto push = real_of(driver().cuCtxPushCurrent_v2);
  const auto pop = real_of(driver().cuCtxPopCurrent_v2);
  if (get_device == nullptr || get_pool == nullptr) return nullptr;
  // The null stream and its two names are of the current context.
  constexpr std::uintptr_t kLastName = 2;
  abi::CUcontext current = nullptr;
  abi::CUcontext context = nullptr;
  const bool is_elsewhere =
      reinterpret_cast<std::uintptr_t>(stream) > kLastName &&
      get_context != nullptr && get_current != nullptr && push != nullptr &&
      pop != nullptr && get_current(&current) == abi::CUDA_SUCCESS &&
      get_context(stream, &context) == abi::CUDA_SUCCESS &&
      context != current && push(context) == abi::CUDA_SUCCESS;
  abi::CUdevice device = 0;
  const abi::CUresult result = get_device(&device);
  if (is_elsewhere) pop(&context);
  abi::CUmemoryPool pool = nullptr;
  if (result != abi::CUDA_SUCCESS ||
      get_pool(&pool, device) != abi::CUDA_SUCCESS) {
    return nullptr;
  }
  return pool;
}

bool is_capturing(abi::CUstream stream) {
  const auto ask = real_of(driver().cuStreamIsCapturing);
  auto status = abi::CU_STREAM_CAPTURE_STATUS_NONE;
  return ask != nullptr && ask(stream, &status) == abi::CUDA_SUCCESS &&
         status != abi::CU_STREAM_CAPTURE_STATUS_NONE;
}

void note_pool_made(abi::CUmemoryPool handle, abi::CUdevice device) {
  if (DriverTurn::is_amid()) return;
  const std::uint32_t number = account().number_of(device);
  const DriverTurn turn(Kept::kPools);
  add(handle, number, true);
}

abi::CUresult destroy_pool(abi::CUmemoryPool handle) {
  const auto ask = real_of(driver().cuMemPoolDestroy);
  if (DriverTurn::is_amid()) return ask(handle);
  const DriverTurn turn(Kept::kPools);
  const RelaxedCapture relaxed;
  const auto key = reinterpret_cast<std::uint64_t>(handle);
  const std::uint64_t* found = numbers.find(key);
  if (found == nullptr) return ask(handle);
  const std::uint64_t number = *found;
  Pool* pool = pools.find(number);
  if (pool == nullptr) return ask(handle);
  const auto trim_to = real_of(driver().cuMemPoolTrimTo);
  // A pool that another process shares keeps what it has there.
  if (pool->is_own && trim_to != nullptr) trim_to(handle, 0);
  settle(pool);
  const abi::CUresult result = ask(handle);
  if (result != abi::CUDA_SUCCESS) return result;
  numbers.erase(key);
  pool->handle = nullptr;
  if (pool->in_use == 0) {
    if (pool->charge.device != Account::kNoDevice) {
      release_of(pool, pool->charge.bytes);
    }
    pools.erase(number);
  }
  return result;
}

PoolFreeing begin_pool_free(abi::CUdeviceptr address) {
  if (DriverTurn::is_amid()) return {};
  const DriverTurn turn(Kept::kPools);
  const PoolFreeing* found = in_own_pools.find(address);
  if (found == nullptr) return {};
  const PoolFreeing freeing = *found;
  in_own_pools.erase(address);
  return freeing;
}

void note_pool_freed() {
  was_freed.store(true, std::memory_order_relaxed);
}

void end_pool_free(abi::CUdeviceptr address, const PoolFreeing& freeing,
                   bool is_freed) {
  if (freeing.pool == 0) return;
  const DriverTurn turn(Kept::kPools);
  if (!is_freed) {
    PoolFreeing* use = in_own_pools.put(address);
    if (use != nullptr) *use = freeing;
    return;
  }
  Pool* pool = pools.find(freeing.pool);
  if (pool == nullptr) return;
  pool->in_use -= freeing.bytes;
  if (pool->handle == nullptr && pool->in_use == 0) {
    release_of(pool, pool->charge.bytes);
    pools.erase(freeing.pool);
  }
}

void settle_pools() {
  if (DriverTurn::is_amid()) return;
  const DriverTurn turn(Kept::kPools);
  const RelaxedCapture relaxed;
  pools.for_each([](std::uint64_t, Pool* pool) { settle(pool); });
}

void settle_pools_after_waiting() {
  if (!was_freed.load(std::memory_order_relaxed)) return;
  was_freed.store(false, std::memory_order_relaxed);
  settle_pools();
}

bool trim_pools(std::uint32_t device) {
  if (DriverTurn::is_amid()) return false;
  const DriverTurn turn(Kept::kPools);
  const RelaxedCapture relaxed;
  return trim(device);
}

void forget_pools() {
  pools.forget();
  numbers.forget();
  in_own_pools.forget();
  DriverTurn::forget(Kept::kPools);
}

}  // namespace gpunode::share
