#include "share/intercept/imports.h"

#include "share/intercept/account.h"
#include "share/intercept/contexts.h"
#include "share/intercept/driver.h"
#include "share/intercept/driver_turn.h"

namespace gpunode::share {
namespace {

std::uint32_t current_device() {
  const auto ask = driver().cuCtxGetDevice.load();
  abi::CUdevice device = 0;
  if (ask == nullptr || ask(&device) != abi::CUDA_SUCCESS) {
    return Account::kNoDevice;
  }
  return account().number_of(device);
}

/// It was open already, and is once more.
bool is_noted_again(std::uint64_t key) {
  Block block;
  if (!account().begin_free(key, &block)) return false;
  if (block.kind == MemoryKind::kImported) {
    ++block.more;
    account().remember(key, block);
    return true;
  }
  // What had the key before was freed on a way that is not ours.
  account().release(block);
  return false;
}

}  // namespace

void note_import(std::uint64_t key, std::uint64_t bytes, Bound bound) {
  if (key == 0 || bytes == 0 || !account().is_limited() ||
      DriverTurn::is_amid()) {
    return;
  }
  const std::uint32_t device = current_device();
  if (device == Account::kNoDevice) return;
  const DriverTurn turn(Kept::kMappings);
  if (is_noted_again(key)) return;
  Block block = {bytes, device, MemoryKind::kImported};
  if (bound == Bound::kToContext) block.owner = key_of(current_context());
  if (account().charge(block)) account().remember(key, block);
}

void note_import_at(abi::CUdeviceptr address, Bound bound) {
  const auto ask = driver().cuMemGetAddressRange_v2.load();
  if (!account().is_limited() || ask == nullptr) return;
  abi::CUdeviceptr begin = 0;
  std::size_t bytes = 0;
  if (ask(&begin, &bytes, address) != abi::CUDA_SUCCESS) return;
  note_import(address, charged_bytes(bytes), bound);
}

ImportClosing::ImportClosing(std::uint64_t key) : key_(key) {
  if (!account().is_limited() || DriverTurn::is_amid()) return;
  const DriverTurn turn(Kept::kMappings);
  Block block;
  if (!account().begin_free(key, &block)) return;
  is_shared_ = block.more != 0;
  if (!is_shared_) {
    block_ = block;
    return;
  }
  --block.more;
  account().remember(key, block);
}

void ImportClosing::end(bool is_closed) const {
  if (block_.bytes == 0 && !is_shared_) return;
  if (is_closed) return account().release(block_);
  if (DriverTurn::is_amid()) return;
  const DriverTurn turn(Kept::kMappings);
  if (!is_noted_again(key_)) account().remember(key_, block_);
}

}  // namespace gpunode::share
