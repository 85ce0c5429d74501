#include "share/intercept/account.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include <pthread.h>

#include "share/intercept/driver.h"
#include "share/intercept/loaded_symbol.h"
#include "share/intercept/taking.h"

namespace gpunode::share {
namespace {

Account the_account;

constexpr std::size_t kPathBytes = 4096;

struct Mapping {
  void* bytes = nullptr;
  std::size_t size = 0;
};

/// The whole file; false if it is not there. It stays mapped.
bool map_file(const char* directory, const char* name, bool is_writable,
              Mapping* mapping) {
  std::array<char, kPathBytes> path = {};
  const std::size_t length = std::strlen(directory);
  if (length + std::strlen(name) >= path.size()) return false;
  std::strcpy(path.data(),
              directory);  // NOLINT(*-insecureAPI.strcpy): it fits.
  std::strcpy(path.data() + length, name);  // NOLINT(*-insecureAPI.strcpy)
  const int fd =
      open(path.data(), (is_writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
  if (fd < 0) return false;
  const off_t size = lseek(fd, 0, SEEK_END);
  if (size > 0) {
    mapping->size = static_cast<std::size_t>(size);
    mapping->bytes = mmap(nullptr, mapping->size,
                          is_writable ? PROT_READ | PROT_WRITE : PROT_READ,
                          MAP_SHARED, fd, 0);
  }
  close(fd);
  return size > 0 && mapping->bytes != MAP_FAILED;
}

/// "GPU-8-4-4-4-12", or with "MIG-" in front: the digits alone.
bool is_uuid(const char* text, const abi::CUuuid& uuid) {
  if (std::strlen(text) != 40) return false;
  text += 4;
  for (const char byte : uuid.bytes) {
    constexpr const char* kDigits = "0123456789abcdef";
    const auto value = static_cast<unsigned char>(byte);
    if (*text == '-') ++text;
    if (text[0] != kDigits[value >> 4] || text[1] != kDigits[value & 15]) {
      return false;
    }
    text += 2;
  }
  return true;
}

}  // namespace

Account& account() {
  return the_account;
}

void Account::begin_anew() {
  the_account.blocks_.forget();
  forget_virtual();
  the_account.state_.store(State::kNew);
}

bool Account::open() {
  std::array<char, kPathBytes> directory = {};
  Mapping limits_file;
  Mapping ledger_file;
  if (!directory_of(&the_account, directory.data(), directory.size()) ||
      !map_file(directory.data(), "limits", false, &limits_file) ||
      !Limits::view(limits_file.bytes, limits_file.size, &limits_)) {
    return false;
  }
  // Limits without a ledger are limits: nothing will be granted.
  has_ledger_ =
      map_file(directory.data(), "ledger", true, &ledger_file) &&
      Ledger::attach(ledger_file.bytes, ledger_file.size, limits_, &ledger_);
  if (has_ledger_) {
    ledger_.enroll(identity_of_this_process());
  }
  return true;
}

bool Account::is_limited() {
  for (;;) {
    // Before the first opening: a fork may come amid it.
    static std::atomic<bool> knows_of_forks = false;
    if (!knows_of_forks.load(std::memory_order_relaxed) &&
        !knows_of_forks.exchange(true)) {
      pthread_atfork(nullptr, nullptr, &Account::begin_anew);
    }
    State state = state_.load(std::memory_order_acquire);
    if (state == State::kLimited) return true;
    if (state == State::kFree) return false;
    if (state == State::kNew &&
        state_.compare_exchange_strong(state, State::kOpening)) {
      state_.store(open() ? State::kLimited : State::kFree,
                   std::memory_order_release);
    } else {
      sched_yield();
    }
  }
}

std::uint32_t Account::number_of(abi::CUdevice device) {
  if (device < 0 || device >= kMostOrdinals) return kNoDevice;
  auto& known = numbers_[static_cast<std::size_t>(device)];
  std::uint32_t number = known.load(std::memory_order_relaxed);
  if (number != 0) return number - 1;
  abi::CUuuid uuid = {};
  // The second form tells MIG devices of one GPU apart.
  auto get_uuid = driver().cuDeviceGetUuid_v2.load();
  if (get_uuid == nullptr) get_uuid = driver().cuDeviceGetUuid.load();
  if (get_uuid == nullptr || get_uuid(&uuid, device) != abi::CUDA_SUCCESS) {
    return kNoDevice;
  }
  for (std::uint32_t at = 0; at < limits_.devices(); ++at) {
    if (!is_uuid(limits_.uuid(at), uuid)) continue;
    known.store(at + 1, std::memory_order_relaxed);
    return at;
  }
  return kNoDevice;
}

std::uint32_t Account::current_device() {
  abi::CUdevice device = 0;
  const auto get_device = driver().cuCtxGetDevice.load();
  if (get_device == nullptr || get_device(&device) != abi::CUDA_SUCCESS) {
    return kNoDevice;
  }
  return number_of(device);
}

Verdict Account::reserve(MemoryKind kind, std::uint64_t bytes, Block* block) {
  *block = {0, 0, kind};
  if (!is_limited()) return Verdict::kGranted;
  return reserve_of(current_device(), bytes, block);
}

Verdict Account::reserve_on(abi::CUdevice device, MemoryKind kind,
                            std::uint64_t bytes, Block* block) {
  *block = {0, 0, kind};
  if (!is_limited()) return Verdict::kGranted;
  return reserve_of(number_of(device), bytes, block);
}

Verdict Account::reserve_of(std::uint32_t device, std::uint64_t bytes,
                            Block* block) {
  if (device == kNoDevice) return Verdict::kGranted;
  if (!has_ledger_) return Verdict::kNotEnrolled;
  const Verdict verdict = ledger_.reserve(device, block->kind, bytes);
  if (verdict == Verdict::kGranted) *block = {bytes, device, block->kind};
  return verdict;
}

void Account::release(const Block& block) {
  if (block.bytes != 0) ledger_.release(block.device, block.kind, block.bytes);
}

void Account::remember(std::uint64_t key, const Block& block) {
  if (block.bytes == 0) return;
  // What had the key before was freed on a way that is not ours.
  Block replaced;
  blocks_.put(key, block, &replaced);
  release(replaced);
}

bool Account::begin_free(std::uint64_t key, Block* block) {
  return blocks_.take(key, block);
}

void Account::end_free(std::uint64_t key, const Block& block, bool is_freed) {
  if (is_freed) {
    release(block);
  } else {
    remember(key, block);
  }
}

bool Account::view(abi::CUdevice device, std::uint64_t* limit,
                   std::uint64_t* left) {
  if (!is_limited()) return false;
  const std::uint32_t number = number_of(device);
  if (number == kNoDevice) return false;
  *limit = limits_.bytes(number);
  *left = has_ledger_ ? ledger_.room(number) : 0;
  return *limit != kNoLimit;
}

bool Account::view(std::uint64_t* limit, std::uint64_t* left) {
  abi::CUdevice device = 0;
  const auto get_device = driver().cuCtxGetDevice.load();
  return is_limited() && get_device != nullptr &&
         get_device(&device) == abi::CUDA_SUCCESS && view(device, limit, left);
}

}  // namespace gpunode::share
