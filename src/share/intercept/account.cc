#include "share/intercept/account.h"

#include <sys/mman.h>

#include <cstring>

#include "share/intercept/contexts.h"
#include "share/intercept/driver.h"
#include "share/intercept/kept_errno.h"
#include "share/intercept/passage.h"
#include "share/intercept/pool.h"
#include "share/intercept/process_words.h"
#include "share/intercept/share_files.h"
#include "share/intercept/taking.h"
#include "share/ledger/patience.h"

namespace gpunode::share {
namespace {

Account the_account;

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

/// What a parent had is not this process's.
void Account::forget() {
  blocks_.forget();
  forget_virtual();
  forget_pools();
  forget_graphs();
  forget_contexts();
  forget_passages();
  has_ledger_.store(false, std::memory_order_relaxed);
  for (auto& number : numbers_) number.store(0, std::memory_order_relaxed);
}

Account::Rule Account::open() {
  const Errno kept;
  Mapping file;
  const Found found = map_share_file("limits", false, &file);
  if (found == Found::kNotThere) return Rule::kFree;
  if (found == Found::kFailed) return Rule::kUnknown;
  if (!Limits::view(file.bytes, file.size, &limits_)) {
    munmap(file.bytes, file.size);
    return Rule::kUnknown;
  }
  attach();
  return Rule::kLimited;
}

/// Limits without a ledger are limits: until there is one, nothing is granted.
bool Account::attach() {
  Mapping file;
  if (map_share_file("ledger", true, &file) != Found::kMapped) return false;
  if (!Ledger::attach(file.bytes, file.size, limits_, &ledger_)) {
    munmap(file.bytes, file.size);
    return false;
  }
  lanes_.attach(file.bytes, file.size, limits_.devices(), limits_.slots());
  onlooker_ = ledger_;
  onlooker_.look_on(identity_of_this_process());
  has_ledger_.store(true, std::memory_order_release);
  return true;
}

Account::Rule Account::rule() {
  for (Patience patience;; patience.wait()) {
    ProcessWords* words = process_words();
    if (words == nullptr) return Rule::kUnknown;
    std::uint32_t opening = words->opening.load(std::memory_order_acquire);
    if (opening == kLimited) return Rule::kLimited;
    if (opening == kFree) return Rule::kFree;
    if ((opening == kNew || opening == kUnread) &&
        words->opening.compare_exchange_strong(opening, kOpening)) {
      // Once: other threads are at what they have since.
      if (opening == kNew) forget();
      const Rule found = open();
      words->opening.store(found == Rule::kLimited ? kLimited
                           : found == Rule::kFree  ? kFree
                                                   : kUnread,
                           std::memory_order_release);
      return found;
    }
  }
}

bool Account::is_limited() {
  return rule() != Rule::kFree;
}

bool Account::has_slot() {
  for (Patience patience;; patience.wait()) {
    ProcessWords* words = process_words();
    std::uint32_t slot = words->slot.load(std::memory_order_acquire);
    if (slot == kHasSlot) return true;
    if (slot == kNoSlot &&
        words->slot.compare_exchange_strong(slot, kTakingSlot)) {
      const Errno kept;
      const bool has_ledger =
          has_ledger_.load(std::memory_order_relaxed) || attach();
      const bool has_one =
          has_ledger && ledger_.enroll(identity_of_this_process());
      words->slot.store(has_one ? kHasSlot : kNoSlot,
                        std::memory_order_release);
      return has_one;
    }
  }
}

std::uint32_t Account::number_of(abi::CUdevice device) {
  if (device < 0 || device >= kMostOrdinals) return kNoDevice;
  const Rule now = rule();
  if (now == Rule::kFree) return kNoDevice;
  if (now == Rule::kUnknown) {
    return kNotNumbered | static_cast<std::uint32_t>(device);
  }
  auto& known = numbers_[static_cast<std::size_t>(device)];
  const std::uint32_t number = known.load(std::memory_order_relaxed);
  if (number == kHasNone) return kNoDevice;
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
  known.store(kHasNone, std::memory_order_relaxed);
  return kNoDevice;
}

std::uint32_t Account::numbered(std::uint32_t device) {
  return device == kNoDevice || (device & kNotNumbered) == 0
             ? device
             : number_of(static_cast<abi::CUdevice>(device & ~kNotNumbered));
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
  const Verdict verdict = reserve_of(current_device(), bytes, block);
  // Pools and what is made for mappings are no context's.
  if (kind == MemoryKind::kData || kind == MemoryKind::kArray) {
    block->owner = key_of(current_context());
  }
  return verdict;
}

Verdict Account::reserve_on(abi::CUdevice device, MemoryKind kind,
                            std::uint64_t bytes, Block* block) {
  *block = {0, 0, kind};
  if (!is_limited()) return Verdict::kGranted;
  return reserve_of(number_of(device), bytes, block);
}

Verdict Account::reserve_of(std::uint32_t device, std::uint64_t bytes,
                            Block* block) {
  if (rule() == Rule::kUnknown) return Verdict::kNotEnrolled;
  device = numbered(device);
  if (device == kNoDevice) return Verdict::kGranted;
  block->device = device;
  const Verdict verdict = reserve_block({bytes, device, block->kind});
  if (verdict == Verdict::kGranted) block->bytes = bytes;
  return verdict;
}

Verdict Account::reserve_block(const Block& block) {
  if (rule() == Rule::kUnknown) return Verdict::kNotEnrolled;
  const std::uint32_t device = numbered(block.device);
  if (device == kNoDevice) return Verdict::kGranted;
  if (!has_slot()) return Verdict::kNotEnrolled;
  const Errno kept;  // It may look for the dead.
  return ledger_.reserve(device, block.kind, block.bytes);
}

void Account::release(const Block& block) {
  if (block.bytes == 0 || rule() != Rule::kLimited) return;
  const std::uint32_t device = numbered(block.device);
  if (device != kNoDevice) ledger_.release(device, block.kind, block.bytes);
}

bool Account::charge(const Block& block) {
  if (rule() != Rule::kLimited) return false;
  const std::uint32_t device = numbered(block.device);
  return device != kNoDevice && has_slot() &&
         ledger_.charge(device, block.kind, block.bytes);
}

void Account::remember(std::uint64_t key, const Block& block) {
  if (block.bytes == 0) return;
  // What had the key before was freed on a way that is not ours.
  Block replaced;
  blocks_.put(key, block, &replaced);
  release(replaced);
}

bool Account::begin_free(std::uint64_t key, Block* block) {
  // The parent's blocks are forgotten by the first who asks.
  return rule() == Rule::kLimited && blocks_.take(key, block);
}

void Account::end_free(std::uint64_t key, const Block& block, bool is_freed) {
  if (is_freed) {
    release(block);
  } else {
    remember(key, block);
  }
}

std::uint64_t Account::begin_end_context(std::uint64_t context) {
  constexpr std::uint64_t kNoHandle = std::uint64_t{1} << 63;
  const std::uint64_t token =
      kNoHandle | ended_contexts_.fetch_add(1, std::memory_order_relaxed);
  if (rule() == Rule::kLimited) blocks_.give_over(context, token);
  suspend_passages(context);
  return token;
}

void Account::end_context(std::uint64_t context, std::uint64_t token,
                          bool has_ended) {
  resume_passages(context, !has_ended);
  if (has_ended) {
    blocks_.drop(token, [](const Block& block) { the_account.release(block); });
  } else {
    blocks_.give_over(token, context);
  }
}

void Account::drop_context(std::uint64_t context) {
  blocks_.drop(context, [](const Block& block) { the_account.release(block); });
}

std::uint64_t Account::measured_context_bytes(abi::CUdevice device) {
  if (rule() != Rule::kLimited) return 0;
  const std::uint32_t number = number_of(device);
  return number == kNoDevice ? 0 : limits_.context(number);
}

std::uint64_t Account::limit_of(abi::CUdevice device) {
  if (rule() != Rule::kLimited) return kNoLimit;
  const std::uint32_t number = number_of(device);
  return number == kNoDevice ? kNoLimit : limits_.bytes(number);
}

bool Account::view(abi::CUdevice device, std::uint64_t* limit,
                   std::uint64_t* left) {
  if (rule() != Rule::kLimited) return false;
  const std::uint32_t number = number_of(device);
  if (number == kNoDevice) return false;
  *limit = limits_.bytes(number);
  *left = 0;
  if (has_ledger_.load(std::memory_order_acquire)) {
    // Who has taken a slot has looked for the dead then, and will again before
    // it is refused.
    const ProcessWords* words = process_words();
    if (words->slot.load(std::memory_order_relaxed) != kHasSlot) {
      const Errno kept;
      onlooker_.reap();
    }
    *left = onlooker_.room(number);
  }
  return *limit != kNoLimit;
}

bool Account::view(std::uint64_t* limit, std::uint64_t* left) {
  abi::CUdevice device = 0;
  const auto get_device = driver().cuCtxGetDevice.load();
  return rule() == Rule::kLimited && get_device != nullptr &&
         get_device(&device) == abi::CUDA_SUCCESS && view(device, limit, left);
}

bool Account::may_take_turns() {
  if (rule() != Rule::kLimited) return false;
  for (std::uint32_t at = 0; at < limits_.devices(); ++at) {
    if (limits_.at(at).turn.load(std::memory_order_relaxed) != 0) return true;
  }
  return false;
}

Lane* Account::claim_lane(std::uint32_t device) {
  if (rule() != Rule::kLimited || !has_slot()) return nullptr;
  return lanes_.claim(ledger_.slot(), ledger_.generation(), device);
}

Lane* Account::map_lane_again(std::uint32_t device, void** page) {
  return lanes_.map_again(ledger_.slot(), device, page);
}

std::uint32_t Account::number_of(const char* uuid) {
  if (rule() != Rule::kLimited) return kNoDevice;
  for (std::uint32_t at = 0; at < limits_.devices(); ++at) {
    if (std::strcmp(limits_.uuid(at), uuid) == 0) return at;
  }
  return kNoDevice;
}

DeviceLook Account::look_at(std::uint32_t device) {
  const std::uint64_t limit = limits_.bytes(device);
  if (!has_ledger_.load(std::memory_order_acquire)) return {limit, limit};
  const Errno kept;
  onlooker_.reap();  // Or what the dead held would show.
  return {limit, onlooker_.held(device)};
}

bool Account::next_holder(std::uint32_t device, std::uint32_t* slot,
                          Holder* holder) {
  return has_ledger_.load(std::memory_order_acquire) &&
         onlooker_.next_holder(device, slot, holder);
}

}  // namespace gpunode::share
