#include "tests/share/taking_path.h"

#include <cstdio>

#include "gpu/abi/cuda_memory.h"
#include "tests/share/driver_way.h"

namespace gpunode::share {
namespace {

int take_data(std::size_t bytes, std::uint64_t* key) {
  return GET(cuMemAlloc, cuMemAlloc_v2)(key, bytes);
}

int give_data(std::uint64_t key) {
  return GET(cuMemFree, cuMemFree_v2)(key);
}

int take_managed(std::size_t bytes, std::uint64_t* key) {
  return GET(cuMemAllocManaged, cuMemAllocManaged)(key, bytes,
                                                   abi::CU_MEM_ATTACH_GLOBAL);
}

int take_virtual(std::size_t bytes, std::uint64_t* key) {
  abi::CUmemAllocationProp properties = {};
  properties.type = abi::CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.location = {abi::CU_MEM_LOCATION_TYPE_DEVICE, 0};
  return GET(cuMemCreate, cuMemCreate)(key, bytes, &properties, 0);
}

int give_virtual(std::uint64_t key) {
  return GET(cuMemRelease, cuMemRelease)(key);
}

/// An array of `bytes`, a multiple of 4096: rows of 1024 floats.
abi::CUDA_ARRAY3D_DESCRIPTOR rows_of(std::size_t bytes, unsigned flags) {
  constexpr std::size_t kFloats = 1024;
  return {kFloats, bytes / sizeof(float) / kFloats,
          0,       abi::CU_AD_FORMAT_FLOAT,
          1,       flags};
}

template <typename Handle>
std::uint64_t key_of(Handle handle) {
  return reinterpret_cast<std::uint64_t>(handle);
}

int take_array(std::size_t bytes, std::uint64_t* key) {
  const auto rows = rows_of(bytes, 0);
  const abi::CUDA_ARRAY_DESCRIPTOR flat = {rows.Width, rows.Height, rows.Format,
                                           rows.NumChannels};
  abi::CUarray array = nullptr;
  const int result = GET(cuArrayCreate, cuArrayCreate_v2)(&array, &flat);
  *key = key_of(array);
  return result;
}

int take_array3d(std::size_t bytes, std::uint64_t* key) {
  const auto rows = rows_of(bytes, 0);
  abi::CUarray array = nullptr;
  const int result = GET(cuArray3DCreate, cuArray3DCreate_v2)(&array, &rows);
  *key = key_of(array);
  return result;
}

int take_sparse(std::size_t bytes, std::uint64_t* key) {
  // Until it had far more than there is.
  static int number = 0;
  if (++number > 100) return abi::CUDA_ERROR_UNKNOWN;
  const auto rows = rows_of(bytes, abi::CUDA_ARRAY3D_SPARSE);
  abi::CUarray array = nullptr;
  const int result = GET(cuArray3DCreate, cuArray3DCreate_v2)(&array, &rows);
  *key = key_of(array);
  return result;
}

int give_array(std::uint64_t key) {
  return GET(cuArrayDestroy,
             cuArrayDestroy)(reinterpret_cast<abi::CUarray>(key));
}

int take_mipmap(std::size_t bytes, std::uint64_t* key) {
  const auto rows = rows_of(bytes, 0);
  abi::CUmipmappedArray array = nullptr;
  const int result =
      GET(cuMipmappedArrayCreate, cuMipmappedArrayCreate)(&array, &rows, 1);
  *key = key_of(array);
  return result;
}

int give_mipmap(std::uint64_t key) {
  return GET(cuMipmappedArrayDestroy, cuMipmappedArrayDestroy)(
      reinterpret_cast<abi::CUmipmappedArray>(key));
}

int take_async(std::size_t bytes, std::uint64_t* key) {
  return GET(cuMemAllocAsync, cuMemAllocAsync)(key, bytes, nullptr);
}

int give_async(std::uint64_t key) {
  return GET(cuMemFreeAsync, cuMemFreeAsync)(key, nullptr);
}

/// The forms for the thread's own null stream, which have no plain name.
int take_async_ptsz(std::size_t bytes, std::uint64_t* key) {
  return abi::cuMemAllocAsync_ptsz(key, bytes, nullptr);
}

int give_async_ptsz(std::uint64_t key) {
  return abi::cuMemFreeAsync_ptsz(key, nullptr);
}

abi::CUmemoryPool own_pool = nullptr;

int take_own_pool(std::size_t bytes, std::uint64_t* key) {
  if (own_pool == nullptr) {
    abi::CUmemPoolProps properties = {};
    properties.allocType = abi::CU_MEM_ALLOCATION_TYPE_PINNED;
    properties.location = {abi::CU_MEM_LOCATION_TYPE_DEVICE, 0};
    const int result =
        GET(cuMemPoolCreate, cuMemPoolCreate)(&own_pool, &properties);
    if (result != abi::CUDA_SUCCESS) return result;
  }
  return GET(cuMemAllocFromPoolAsync, cuMemAllocFromPoolAsync)(
      key, bytes, own_pool, nullptr);
}

constexpr TakingPath kPaths[] = {
    // NOLINT(*-avoid-c-arrays): of any size.
    {"data", take_data, give_data},
    {"managed", take_managed, give_data},
    {"virtual", take_virtual, give_virtual},
    {"array", take_array, give_array},
    {"array3d", take_array3d, give_array},
    {"sparse", take_sparse, give_array},
    {"mipmap", take_mipmap, give_mipmap},
    {"async", take_async, give_async},
    {"async_ptsz", take_async_ptsz, give_async_ptsz},
    {"ownpool", take_own_pool, give_async},
    // Of one kind, freed as the other.
    {"asyncfree", take_async, give_data},
    {"ownpoolfree", take_own_pool, give_data},
    {"dataasync", take_data, give_async},
};

/// One behind the other, as segments that grow do it.
std::uint64_t range = 0;

void say(const std::string& deed, int result) {
  if (result != 0) std::printf("%s_result %d\n", deed.c_str(), result);
}

void map_all(std::size_t bytes, const std::vector<std::uint64_t>& taken) {
  say("reserve", GET(cuMemAddressReserve, cuMemAddressReserve)(
                     &range, bytes * taken.size(), 0, 0, 0));
  for (std::size_t at = 0; at < taken.size(); ++at) {
    say("map",
        GET(cuMemMap, cuMemMap)(range + at * bytes, bytes, 0, taken[at], 0));
  }
}

void retain_all(std::size_t bytes, const std::vector<std::uint64_t>& taken) {
  for (std::size_t at = 0; at < taken.size(); ++at) {
    std::uint64_t handle = 0;
    auto* address = reinterpret_cast<void*>(range + at * bytes + 1);
    say("retain", GET(cuMemRetainAllocationHandle, cuMemRetainAllocationHandle)(
                      &handle, address));
    if (handle != taken[at]) std::printf("another handle\n");
  }
}

void import_all(const std::vector<std::uint64_t>& taken) {
  constexpr auto kType = abi::CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
  for (const std::uint64_t handle : taken) {
    int shared = 0;
    std::uint64_t imported = 0;
    say("export", GET(cuMemExportToShareableHandle,
                      cuMemExportToShareableHandle)(&shared, handle, kType, 0));
    say("import",
        GET(cuMemImportFromShareableHandle, cuMemImportFromShareableHandle)(
            &imported, reinterpret_cast<void*>(std::uintptr_t(shared)), kType));
  }
}

void keep_all_free() {
  abi::CUmemoryPool pool = nullptr;
  std::uint64_t threshold = ~std::uint64_t{0};
  GET(cuDeviceGetMemPool, cuDeviceGetMemPool)(&pool, 0);
  say("keep", GET(cuMemPoolSetAttribute, cuMemPoolSetAttribute)(
                  pool, abi::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &threshold));
}

void trim_pool() {
  abi::CUmemoryPool pool = nullptr;
  GET(cuDeviceGetMemPool, cuDeviceGetMemPool)(&pool, 0);
  say("trim", GET(cuMemPoolTrimTo, cuMemPoolTrimTo)(pool, 0));
}

}  // namespace

const TakingPath& path_of(const std::string& name) {
  for (const TakingPath& path : kPaths) {
    if (path.name == name) return path;
  }
  std::printf("no path %s\n", name.c_str());
  end_with(2);
}

bool do_pool(const std::string& deed) {
  if (deed == "sync") {
    say("sync", GET(cuStreamSynchronize, cuStreamSynchronize)(nullptr));
  } else if (deed == "keep") {
    keep_all_free();
  } else if (deed == "trim") {
    trim_pool();
  } else if (deed == "destroy") {
    say("destroy", GET(cuMemPoolDestroy, cuMemPoolDestroy)(own_pool));
  } else {
    return false;
  }
  return true;
}

bool do_virtual(const std::string& deed, std::size_t bytes,
                const std::vector<std::uint64_t>& taken) {
  if (deed == "map") {
    map_all(bytes, taken);
  } else if (deed == "unmap") {
    say("unmap", GET(cuMemUnmap, cuMemUnmap)(range, bytes * taken.size()));
  } else if (deed == "retain") {
    retain_all(bytes, taken);
  } else if (deed == "import") {
    import_all(taken);
  } else {
    return false;
  }
  return true;
}

}  // namespace gpunode::share
