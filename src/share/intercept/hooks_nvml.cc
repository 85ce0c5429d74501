// NVML's own names: what `nvidia-smi` shows in a container. A GPU of which the
// container has a part shows that part, and the processes that the ledger knows
// in place of NVML's, whose pids may be the host's or another container's.
#include <array>
#include <atomic>

#include "share/intercept/account.h"
#include "share/intercept/nvml.h"

#define GPUNODE_EXPORT [[gnu::visibility("default")]]

namespace {

using gpunode::share::Account;
using gpunode::share::account;
using gpunode::share::DeviceLook;
using gpunode::share::Holder;
using gpunode::share::kNoLimit;
using gpunode::share::nvml;

/// NVML's function; null where there is no NVML or it has none.
template <typename Function>
Function real(const std::atomic<Function>& function) {
  return gpunode::share::is_nvml_known()
             ? function.load(std::memory_order_relaxed)
             : nullptr;
}

/// As the limits number the device; kNoDevice if they don't name it.
std::uint32_t number_of(nvmlDevice_t device) {
  const auto ask = real(nvml().nvmlDeviceGetUUID);
  std::array<char, NVML_DEVICE_UUID_V2_BUFFER_SIZE> uuid = {};
  if (ask == nullptr || ask(device, uuid.data(), uuid.size()) != NVML_SUCCESS) {
    return Account::kNoDevice;
  }
  uuid.back() = '\0';
  return account().number_of(uuid.data());
}

/// False if the device has no limit.
bool look_at(nvmlDevice_t device, DeviceLook* look) {
  const std::uint32_t number = number_of(device);
  if (number == Account::kNoDevice) return false;
  *look = account().look_at(number);
  return look->limit != kNoLimit;
}

/// What a container is shown of a device of `total` bytes.
struct Shown {
  unsigned long long total;
  unsigned long long used;
  unsigned long long free;
};

Shown shown(const DeviceLook& look, unsigned long long total) {
  const unsigned long long most = look.limit < total ? look.limit : total;
  // More is held than the limit where that was lowered.
  const unsigned long long used = look.held < most ? look.held : most;
  return {most, used, most - used};
}

/// Which part of a GPU a MIG device is; the GPU itself has no such numbers.
struct Instances {
  unsigned gpu = NVML_EVENT_NO_INSTANCE;
  unsigned compute = NVML_EVENT_NO_INSTANCE;
};

Instances instances_of(nvmlDevice_t device) {
  Instances found;
  const auto gpu = real(nvml().nvmlDeviceGetGpuInstanceId);
  const auto compute = real(nvml().nvmlDeviceGetComputeInstanceId);
  if (gpu == nullptr || compute == nullptr ||
      gpu(device, &found.gpu) != NVML_SUCCESS ||
      compute(device, &found.compute) != NVML_SUCCESS) {
    return {};
  }
  return found;
}

void fill(nvmlProcessInfo_v1_t* info, const Holder& holder,
          const Instances& /*none in this form*/) {
  *info = {holder.pid, holder.bytes};
}

void fill(nvmlProcessInfo_t* info, const Holder& holder,
          const Instances& instances) {
  *info = {holder.pid, holder.bytes, instances.gpu, instances.compute};
}

void fill(nvmlProcessDetail_v1_t* info, const Holder& holder,
          const Instances& instances) {
  // Memory that confidential computing protects is not told apart.
  *info = {holder.pid, holder.bytes, instances.gpu, instances.compute, 0};
}

/// Fills what there is room for; `count` is that in, and how many there are
/// out.
template <typename Info>
nvmlReturn_t list_holders(nvmlDevice_t device, std::uint32_t number,
                          unsigned* count, Info* infos) {
  const unsigned room = *count;
  *count = 0;
  const Instances instances = instances_of(device);
  account().look_at(number);  // The dead are gone from here on.
  std::uint32_t slot = 0;
  Holder holder;
  while (account().next_holder(number, &slot, &holder)) {
    if (*count < room) fill(infos + *count, holder, instances);
    ++*count;
  }
  return *count > room ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS;
}

/// Whether NVML tells at all, by its answer to one who asks how many there are:
/// its own count is not ours.
bool tells(nvmlReturn_t result) {
  return result == NVML_SUCCESS || result == NVML_ERROR_INSUFFICIENT_SIZE;
}

template <typename Info>
using AskForProcesses = nvmlReturn_t (*)(nvmlDevice_t, unsigned*, Info*);

template <typename Info>
nvmlReturn_t list(AskForProcesses<Info> ask, bool is_known_to_ledger,
                  nvmlDevice_t device, unsigned* count, Info* infos) {
  if (ask == nullptr) return NVML_ERROR_FUNCTION_NOT_FOUND;
  const std::uint32_t number = number_of(device);
  if (number == Account::kNoDevice || count == nullptr) {
    return ask(device, count, infos);
  }
  unsigned none = 0;
  const nvmlReturn_t result = ask(device, &none, nullptr);
  if (!tells(result)) return result;
  if (*count != 0 && infos == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  if (!is_known_to_ledger) {
    *count = 0;
    return NVML_SUCCESS;
  }
  return list_holders(device, number, count, infos);
}

}  // namespace

GPUNODE_EXPORT nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device,
                                                    nvmlMemory_t* memory) {
  const auto ask = real(nvml().nvmlDeviceGetMemoryInfo);
  if (ask == nullptr) return NVML_ERROR_FUNCTION_NOT_FOUND;
  const nvmlReturn_t result = ask(device, memory);
  DeviceLook look;
  if (result != NVML_SUCCESS || memory == nullptr || !look_at(device, &look)) {
    return result;
  }
  const Shown seen = shown(look, memory->total);
  *memory = {seen.total, seen.free, seen.used};
  return result;
}

GPUNODE_EXPORT nvmlReturn_t
nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t* memory) {
  const auto ask = real(nvml().nvmlDeviceGetMemoryInfo_v2);
  if (ask == nullptr) return NVML_ERROR_FUNCTION_NOT_FOUND;
  const nvmlReturn_t result = ask(device, memory);
  DeviceLook look;
  // A later version of the structure goes by the same name.
  if (result != NVML_SUCCESS || memory == nullptr ||
      memory->version != NVML_STRUCT_VERSION(nvmlMemory_v2_t, 2) ||
      !look_at(device, &look)) {
    return result;
  }
  const Shown seen = shown(look, memory->total);
  *memory = {memory->version, seen.total, memory->reserved, seen.free,
             seen.used};
  return result;
}

GPUNODE_EXPORT nvmlReturn_t nvmlDeviceGetRunningProcessDetailList(
    nvmlDevice_t device, nvmlProcessDetailList_v1_t* list) {
  const auto ask = real(nvml().nvmlDeviceGetRunningProcessDetailList);
  if (ask == nullptr) return NVML_ERROR_FUNCTION_NOT_FOUND;
  const std::uint32_t number = number_of(device);
  if (number == Account::kNoDevice || list == nullptr ||
      list->version != NVML_STRUCT_VERSION(nvmlProcessDetailList_v1_t, 1)) {
    return ask(device, list);
  }
  nvmlProcessDetailList_v1_t none = {list->version, list->mode, 0, nullptr};
  const nvmlReturn_t result = ask(device, &none);
  if (!tells(result)) return result;
  if (list->numProcArrayEntries != 0 && list->procArray == nullptr) {
    return NVML_ERROR_INVALID_ARGUMENT;
  }
  if (list->mode != NVML_PROCESS_MODE_COMPUTE) {
    list->numProcArrayEntries = 0;
    return NVML_SUCCESS;
  }
  return list_holders(device, number, &list->numProcArrayEntries,
                      list->procArray);
}

// NOLINTBEGIN(bugprone-macro-parentheses): `name` is defined.
#define GPUNODE_LIST(name, Info, is_known_to_ledger)                        \
  GPUNODE_EXPORT nvmlReturn_t name(nvmlDevice_t device, unsigned* count,    \
                                   Info* infos) {                           \
    return list<Info>(real(nvml().name), is_known_to_ledger, device, count, \
                      infos);                                               \
  }
// NOLINTEND(bugprone-macro-parentheses)
GPUNODE_PROCESS_LISTS(GPUNODE_LIST)
#undef GPUNODE_LIST
