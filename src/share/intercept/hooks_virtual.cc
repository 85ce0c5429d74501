// Physical memory for mappings of the program's own. The driver keeps it until
// its handle is released, as often as it was made or retained, and all
// mappings of it are gone: measured on an H200, driver 580.
#include "gpu/abi/cuda_memory.h"
#include "share/intercept/driver_turn.h"
#include "share/intercept/table.h"
#include "share/intercept/taking.h"

namespace gpunode::share {
namespace {

struct Physical {
  /// Of what another process made: no bytes, and kImported.
  Block block;
  std::uint64_t references;  ///< Releases that are still to come.
  std::uint64_t mappings;
};

struct Mapping {
  std::uint64_t handle;  ///< May be one that is charged to nobody.
  std::uint64_t bytes;
  Block imported;  ///< Of 0 bytes: this process made it.
};

/// Whoever has the turn keeps it over the driver's call: a handle or address
/// that it frees is not given to another thread before it is known to be free.
/// None of these calls waits for the program.
Table<Physical> physicals;  ///< By handle.
Table<Mapping> mappings;    ///< By address.

void release_if_unused(std::uint64_t handle) {
  const Physical* physical = physicals.find(handle);
  if (physical->references != 0 || physical->mappings != 0) return;
  account().release(physical->block);
  physicals.erase(handle);
}

void note_made(std::uint64_t handle, const Block& block) {
  if (block.bytes == 0) return;
  if (DriverTurn::is_amid()) return account().release(block);
  const DriverTurn turn(Kept::kMappings);
  Physical* physical = physicals.put(handle);
  if (physical == nullptr) return;  // Stays charged: the process has no memory.
  account().release(physical->block);
  *physical = {block, 1, 0};
}

void note_mapped(std::uint64_t address, std::uint64_t bytes,
                 std::uint64_t handle) {
  Mapping* mapping = mappings.put(address);
  Physical* physical = physicals.find(handle);
  if (physical != nullptr) ++physical->mappings;
  if (mapping == nullptr) return;
  *mapping = {handle, bytes, {}};
  if (physical == nullptr || physical->block.kind != MemoryKind::kImported) {
    return;
  }
  // The driver does not tell how much an imported handle is of.
  Block imported = physical->block;
  imported.bytes = bytes;
  if (account().charge(imported)) mapping->imported = imported;
}

/// One call may unmap several mappings that lie one behind the other.
void note_unmapped(std::uint64_t address, std::uint64_t bytes) {
  constexpr std::uint64_t kGranule = 2 << 20;
  const std::uint64_t end = address + bytes;
  while (address < end) {
    const Mapping* found = mappings.find(address);
    if (found == nullptr) {
      address += kGranule;
      continue;
    }
    const Mapping mapping = *found;
    mappings.erase(address);
    account().release(mapping.imported);
    Physical* physical = physicals.find(mapping.handle);
    if (physical != nullptr) {
      --physical->mappings;
      release_if_unused(mapping.handle);
    }
    address += mapping.bytes;
  }
}

void note_retained(std::uint64_t handle) {
  Physical* physical = physicals.find(handle);
  if (physical != nullptr) ++physical->references;
}

/// What this process made and imports again may come under the same handle.
void note_imported(std::uint64_t handle) {
  if (physicals.find(handle) != nullptr) return note_retained(handle);
  const auto ask = driver().cuMemGetAllocationPropertiesFromHandle.load();
  abi::CUmemAllocationProp properties = {};
  if (ask == nullptr || ask(&properties, handle) != abi::CUDA_SUCCESS ||
      properties.location.type != abi::CU_MEM_LOCATION_TYPE_DEVICE) {
    return;
  }
  const std::uint32_t device = account().number_of(properties.location.id);
  if (device == Account::kNoDevice) return;
  Physical* physical = physicals.put(handle);
  if (physical == nullptr) return;
  *physical = {{0, device, MemoryKind::kImported}, 1, 0};
}

void note_released(std::uint64_t handle) {
  Physical* physical = physicals.find(handle);
  if (physical == nullptr) return;
  // What was imported under the same handle may be released more often.
  if (physical->references != 0) --physical->references;
  release_if_unused(handle);
}

/// Asks the driver, and notes what it did if it did it.
template <typename Ask, typename Note>
abi::CUresult in_turn(Ask ask, Note note) {
  if (!account().is_limited() || DriverTurn::is_amid()) return ask();
  const DriverTurn turn(Kept::kMappings);
  const abi::CUresult result = ask();
  if (result == abi::CUDA_SUCCESS) note();
  return result;
}

}  // namespace

void forget_virtual() {
  physicals.forget();
  mappings.forget();
  DriverTurn::forget(Kept::kMappings);
}

}  // namespace gpunode::share

namespace gpunode::abi {

using share::account;
using share::Block;
using share::driver;
using share::in_turn;
using share::MemoryKind;
using share::real_of;

GPUNODE_EXPORT CUresult cuMemCreate(CUmemGenericAllocationHandle* handle,
                                    std::size_t bytes,
                                    const CUmemAllocationProp* properties,
                                    std::uint64_t flags) {
  const auto ask = real_of(driver().cuMemCreate);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  if (handle == nullptr || properties == nullptr || bytes == 0 ||
      properties->location.type != CU_MEM_LOCATION_TYPE_DEVICE) {
    return ask(handle, bytes, properties, flags);
  }
  // Whole granules of 2 MiB, or the driver refuses them.
  Block block;
  if (!share::is_reserved(
          [&] {
            return account().reserve_on(properties->location.id,
                                        MemoryKind::kVirtual, bytes, &block);
          },
          block)) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  const CUresult result = ask(handle, bytes, properties, flags);
  if (result == CUDA_SUCCESS) {
    share::note_made(*handle, block);
  } else {
    account().release(block);
  }
  return result;
}

GPUNODE_EXPORT CUresult cuMemRelease(CUmemGenericAllocationHandle handle) {
  const auto ask = real_of(driver().cuMemRelease);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  return in_turn([&] { return ask(handle); },
                 [&] { share::note_released(handle); });
}

GPUNODE_EXPORT CUresult cuMemMap(CUdeviceptr address, std::size_t bytes,
                                 std::size_t offset,
                                 CUmemGenericAllocationHandle handle,
                                 std::uint64_t flags) {
  const auto ask = real_of(driver().cuMemMap);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  return in_turn([&] { return ask(address, bytes, offset, handle, flags); },
                 [&] { share::note_mapped(address, bytes, handle); });
}

GPUNODE_EXPORT CUresult cuMemUnmap(CUdeviceptr address, std::size_t bytes) {
  const auto ask = real_of(driver().cuMemUnmap);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  return in_turn([&] { return ask(address, bytes); },
                 [&] { share::note_unmapped(address, bytes); });
}

GPUNODE_EXPORT CUresult cuMemRetainAllocationHandle(
    CUmemGenericAllocationHandle* handle, void* address) {
  const auto ask = real_of(driver().cuMemRetainAllocationHandle);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  return in_turn([&] { return ask(handle, address); },
                 [&] { share::note_retained(*handle); });
}

// What another process made, it pays for.
GPUNODE_EXPORT CUresult cuMemImportFromShareableHandle(
    CUmemGenericAllocationHandle* handle, void* shareable,
    CUmemAllocationHandleType type) {
  const auto ask = real_of(driver().cuMemImportFromShareableHandle);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  return in_turn([&] { return ask(handle, shareable, type); },
                 [&] { share::note_imported(*handle); });
}

}  // namespace gpunode::abi
