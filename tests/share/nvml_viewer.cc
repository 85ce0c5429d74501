// Asks NVML as nvidia-smi does, and says what it is told: words and a number a
// line.
//
//   nvml_viewer WAY QUESTION...
//
// WAY is linked, dlsym, default or dlvsym. Questions: memory, memory_v2,
// memory_v9 (a structure of a later version), null, lists, details, or the name
// of a function that is to be missing.
#include <dlfcn.h>

#include <array>
#include <cstdio>
#include <string>

#include "gpu/abi/nvml.h"

namespace {

std::string way;

void* library() {
  static void* const kLibrary = dlopen("libnvidia-ml.so.1", RTLD_NOW);
  return kLibrary;
}

template <typename Function>
Function* get(const char* name, Function* linked) {
  void* found = nullptr;
  if (way == "linked") return linked;
  if (way == "dlsym") found = dlsym(library(), name);
  if (way == "default") found = dlsym(RTLD_DEFAULT, name);
  if (way == "dlvsym") {
    found = dlvsym(library(), name, "NONE");
    if (found == nullptr) found = dlsym(library(), name);
  }
  if (found == nullptr) std::printf("missing %s\n", name);
  return reinterpret_cast<Function*>(found);
}
#define GET(name) get(#name, &::name)

void say_memory(nvmlDevice_t device) {
  nvmlMemory_t memory = {};
  std::printf("memory %d\n", GET(nvmlDeviceGetMemoryInfo)(device, &memory));
  std::printf("total %llu\nused %llu\nfree %llu\n", memory.total, memory.used,
              memory.free);
}

void say_memory_v2(nvmlDevice_t device, unsigned version) {
  nvmlMemory_v2_t memory = {};
  memory.version = version;
  std::printf("memory_v2 %d\n",
              GET(nvmlDeviceGetMemoryInfo_v2)(device, &memory));
  std::printf("total %llu\nused %llu\nfree %llu\nreserved %llu\n", memory.total,
              memory.used, memory.free, memory.reserved);
}

/// What a call without a place for its answer comes to.
void say_null(nvmlDevice_t device) {
  std::printf("null %d\n", GET(nvmlDeviceGetMemoryInfo)(device, nullptr));
  std::printf("null_v2 %d\n", GET(nvmlDeviceGetMemoryInfo_v2)(device, nullptr));
  const auto list = GET(nvmlDeviceGetComputeRunningProcesses_v3);
  std::printf("null_count %d\n", list(device, nullptr, nullptr));
  unsigned count = 3;
  std::printf("null_infos %d\n", list(device, &count, nullptr));
  std::printf("null_device %d\n", list(nullptr, &count, nullptr));
}

template <typename Info>
using List = nvmlReturn_t(nvmlDevice_t, unsigned*, Info*);

/// Each list is asked for its length, and then with room for it.
template <typename Info>
void say_list(const char* name, nvmlDevice_t device, List<Info>* list) {
  std::array<Info, 32> infos = {};
  unsigned count = 0;
  std::printf("%s asked %d\n", name, list(device, &count, nullptr));
  std::printf("%s count %u\n", name, count);
  unsigned room = infos.size();
  std::printf("%s result %d\n", name, list(device, &room, infos.data()));
  for (unsigned at = 0; at < room && at < infos.size(); ++at) {
    std::printf("%s pid %u %llu\n", name, infos[at].pid,
                infos[at].usedGpuMemory);
  }
}

void say_details(nvmlDevice_t device) {
  const auto ask = GET(nvmlDeviceGetRunningProcessDetailList);
  constexpr unsigned kV1 = NVML_STRUCT_VERSION(nvmlProcessDetailList_v1_t, 1);
  for (unsigned mode = 0; mode <= NVML_PROCESS_MODE_MPS + 1; ++mode) {
    std::array<nvmlProcessDetail_v1_t, 32> infos = {};
    nvmlProcessDetailList_v1_t list = {kV1, mode, 0, nullptr};
    std::printf("details%u asked %d\n", mode, ask(device, &list));
    list.numProcArrayEntries = infos.size();
    std::printf("details%u no_place %d\n", mode, ask(device, &list));
    list = {kV1, mode, infos.size(), infos.data()};
    std::printf("details%u result %d\n", mode, ask(device, &list));
    for (unsigned at = 0; at < list.numProcArrayEntries && at < infos.size();
         ++at) {
      if (infos[at].pid == 0) continue;
      std::printf("details%u pid %u %llu\n", mode, infos[at].pid,
                  infos[at].usedGpuMemory);
    }
  }
  nvmlProcessDetailList_v1_t later = {kV1 + (1U << 24U), 0, 0, nullptr};
  std::printf("details_v2 %d\n", ask(device, &later));
}

void say_lists(nvmlDevice_t device) {
#define SAY(kind)                                                      \
  say_list(#kind, device, GET(nvmlDeviceGet##kind##RunningProcesses)); \
  say_list(#kind "_v2", device,                                        \
           GET(nvmlDeviceGet##kind##RunningProcesses_v2));             \
  say_list(#kind "_v3", device, GET(nvmlDeviceGet##kind##RunningProcesses_v3));
  SAY(Compute)
  SAY(Graphics)
  SAY(MPSCompute)
#undef SAY
}

}  // namespace

int main(int count, char** argv) {
  way = count > 1 ? argv[1] : "";
  nvmlDevice_t device = nullptr;
  if (nvmlInit_v2() != 0 || nvmlDeviceGetHandleByIndex_v2(0, &device) != 0) {
    std::printf("no driver\n");
    return 3;
  }
  for (int at = 2; at < count; ++at) {
    const std::string question = argv[at];
    constexpr unsigned kV2 = NVML_STRUCT_VERSION(nvmlMemory_v2_t, 2);
    if (question == "memory") {
      say_memory(device);
    } else if (question == "memory_v2") {
      say_memory_v2(device, kV2);
    } else if (question == "memory_v9") {
      say_memory_v2(device, NVML_STRUCT_VERSION(nvmlMemory_v2_t, 9));
    } else if (question == "null") {
      say_null(device);
    } else if (question == "details") {
      say_details(device);
    } else if (question == "lists") {
      say_lists(device);
    } else if (dlsym(library(), question.c_str()) == nullptr) {
      std::printf("missing %s\n", question.c_str());
    }
  }
  return 0;
}
