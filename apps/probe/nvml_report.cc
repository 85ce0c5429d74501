#include "apps/probe/nvml_report.h"

#include <dlfcn.h>

#include <cstddef>

#include "apps/probe/json_text.h"

namespace gpunode::probe {
namespace {

template <class Function>
bool resolve(void* library, const char* symbol, Function* function) {
  *function = reinterpret_cast<Function>(::dlsym(library, symbol));
  return *function != nullptr;
}

/// As it is in UUIDs: nothing that JSON would want escaped.
bool is_plain(const char* text) {
  for (; *text != '\0'; ++text) {
    const bool is_alphanumeric = (*text >= '0' && *text <= '9') ||
                                 (*text >= 'A' && *text <= 'Z') ||
                                 (*text >= 'a' && *text <= 'z');
    if (!is_alphanumeric && *text != '-' && *text != '/') return false;
  }
  return true;
}

class Report {
 public:
  Report(const Nvml& nvml, std::FILE* out, std::FILE* complaints)
      : nvml_(nvml), out_(out), complaints_(complaints) {}

  bool run() {
    if (!is_done(nvml_.init(), "start NVML")) return false;
    unsigned count = 0;
    const bool is_counted = is_done(nvml_.count(&count), "count the GPUs");
    if (is_counted) {
      std::fputc('{', out_);
      describe_driver();
      std::fputs(R"("gpus":[)", out_);
      for (unsigned i = 0; i < count; ++i) describe_gpu(i);
      std::fputs("]}\n", out_);
    }
    nvml_.shutdown();
    return is_counted;
  }

 private:
  bool is_done(nvmlReturn_t result, const char* attempt) {
    if (result == NVML_SUCCESS) return true;
    std::fprintf(complaints_, "gpunode-probe: %s: %s (%d)\n", attempt,
                 nvml_.error_string(result), result);
    return false;
  }

  /// is_done() of what a GPU may lack, which is no complaint.
  bool is_told(nvmlReturn_t result, const char* attempt) {
    return result != NVML_ERROR_NOT_SUPPORTED && is_done(result, attempt);
  }

  bool read_uuid(nvmlDevice_t device, const char* attempt) {
    if (!is_done(nvml_.uuid(device, uuid_, sizeof uuid_), attempt)) {
      return false;
    }
    if (is_plain(uuid_)) return true;
    std::fprintf(complaints_, "gpunode-probe: %s: not a UUID\n", attempt);
    return false;
  }

  void print_text(const char* text) { print_json_text(text, out_); }

  void describe_driver() {
    int cuda = 0;
    if (is_done(nvml_.driver_version(text_, sizeof text_ - 1),
                "ask for the driver's version")) {
      std::fputs(R"("driverVersion":)", out_);
      print_text(text_);
      std::fputc(',', out_);
    }
    if (is_done(nvml_.cuda_version(&cuda), "ask for the CUDA version")) {
      std::fprintf(out_, R"("cudaDriverVersion":%d,)", cuda);
    }
  }

  void describe_gpu(unsigned index) {
    char attempt[48];  // NOLINT(modernize-avoid-c-arrays): the subset.
    std::snprintf(attempt, sizeof attempt, "ask GPU %u", index);
    nvmlDevice_t gpu = nullptr;
    unsigned minor = 0;
    if (!is_done(nvml_.device(index, &gpu), attempt) ||
        !is_done(nvml_.minor(gpu, &minor), attempt) ||
        !read_uuid(gpu, attempt)) {
      return;
    }
    std::fprintf(out_, R"(%s{"index":%u,"minor":%u,"uuid":"%s")",
                 has_gpu_ ? "," : "", index, minor, uuid_);
    has_gpu_ = true;
    describe_model(gpu, attempt);
    describe_fabric(gpu, attempt);
    describe_mig_devices(gpu, index, attempt);
    std::fputc('}', out_);
  }

  void print_name(nvmlDevice_t device, const char* attempt) {
    if (!is_done(nvml_.name(device, text_, sizeof text_ - 1), attempt)) return;
    std::fputs(R"(,"name":)", out_);
    print_text(text_);
  }

  void describe_model(nvmlDevice_t gpu, const char* attempt) {
    print_name(gpu, attempt);
    nvmlPciInfo_t pci = {};
    if (is_done(nvml_.pci(gpu, &pci), attempt)) {
      pci.busId[sizeof pci.busId - 1] = '\0';
      std::fputs(R"(,"pciBusId":)", out_);
      print_text(pci.busId);
    }
    nvmlMemory_t memory = {};
    if (is_done(nvml_.memory(gpu, &memory), attempt)) {
      std::fprintf(out_, R"(,"memoryBytes":%llu)", memory.total);
    }
    int major = 0;
    int minor = 0;
    if (is_done(nvml_.compute_capability(gpu, &major, &minor), attempt)) {
      std::fprintf(out_, R"(,"computeCapability":[%d,%d])", major, minor);
    }
    unsigned current = NVML_DEVICE_MIG_DISABLE;
    unsigned pending = NVML_DEVICE_MIG_DISABLE;
    if (is_told(nvml_.mig_mode(gpu, &current, &pending), attempt)) {
      std::fprintf(out_, R"(,"migEnabled":%s)",
                   current == NVML_DEVICE_MIG_ENABLE ? "true" : "false");
    }
  }

  // Of a GPU that has joined one; a machine whose fabric is its own has no
  // UUID.
  void describe_fabric(nvmlDevice_t gpu, const char* attempt) {
    nvmlGpuFabricInfo_t fabric = {};
    if (nvml_.fabric == nullptr ||
        !is_told(nvml_.fabric(gpu, &fabric), attempt) ||
        fabric.state != NVML_GPU_FABRIC_STATE_COMPLETED ||
        fabric.status != NVML_SUCCESS) {
      return;
    }
    bool has_uuid = false;
    for (const unsigned char byte : fabric.clusterUuid) {
      has_uuid = has_uuid || byte != 0;
    }
    if (!has_uuid) return;
    std::fputs(R"(,"fabric":{"cluster":")", out_);
    for (unsigned i = 0; i < sizeof fabric.clusterUuid; ++i) {
      const bool starts_group = i == 4 || i == 6 || i == 8 || i == 10;
      std::fprintf(out_, "%s%02x", starts_group ? "-" : "",
                   static_cast<unsigned>(fabric.clusterUuid[i]));
    }
    std::fprintf(out_, R"(","clique":%u})", fabric.cliqueId);
  }

  void describe_mig_devices(nvmlDevice_t gpu, unsigned index,
                            const char* attempt_gpu) {
    std::fputs(R"(,"migDevices":[)", out_);
    unsigned most = 0;
    const nvmlReturn_t counted = nvml_.mig_count(gpu, &most);
    if (!is_told(counted, attempt_gpu)) most = 0;
    bool has_mig = false;
    bool is_whole =
        counted == NVML_SUCCESS || counted == NVML_ERROR_NOT_SUPPORTED;
    for (unsigned i = 0; i < most; ++i) {
      nvmlDevice_t mig = nullptr;
      char attempt[48];  // NOLINT(modernize-avoid-c-arrays): the subset.
      std::snprintf(attempt, sizeof attempt, "ask MIG device %u:%u", index, i);
      const nvmlReturn_t found = nvml_.mig_device(gpu, i, &mig);
      if (found == NVML_ERROR_NOT_FOUND) continue;  // There is room for one.
      if (!is_told(found, attempt)) {
        is_whole = is_whole && found == NVML_ERROR_NOT_SUPPORTED;
        continue;
      }
      if (describe_mig(mig, i, attempt, has_mig, &is_whole)) has_mig = true;
    }
    std::fputs(is_whole ? "]" : R"(],"hasMoreMig":true)", out_);
  }

  bool describe_mig(nvmlDevice_t mig, unsigned index, const char* attempt,
                    bool follows_another, bool* is_whole) {
    unsigned gpu_instance = 0;
    unsigned compute_instance = 0;
    if (!is_done(nvml_.gpu_instance(mig, &gpu_instance), attempt) ||
        !is_done(nvml_.compute_instance(mig, &compute_instance), attempt) ||
        !read_uuid(mig, attempt)) {
      *is_whole = false;
      return false;
    }
    std::fprintf(out_,
                 R"(%s{"index":%u,"gpuInstance":%u,"computeInstance":%u,)"
                 R"("uuid":"%s")",
                 follows_another ? "," : "", index, gpu_instance,
                 compute_instance, uuid_);
    print_name(mig, attempt);
    nvmlDeviceAttributes_t has = {};
    if (is_done(nvml_.mig_attributes(mig, &has), attempt)) {
      std::fprintf(
          out_,
          R"(,"multiprocessors":%u,"gpuInstanceSlices":%u,)"
          R"("computeInstanceSlices":%u,"copyEngines":%u,"decoders":%u,)"
          R"("encoders":%u,"jpegEngines":%u,"ofaEngines":%u,"memoryMib":%llu)",
          has.multiprocessorCount, has.gpuInstanceSliceCount,
          has.computeInstanceSliceCount, has.sharedCopyEngineCount,
          has.sharedDecoderCount, has.sharedEncoderCount, has.sharedJpegCount,
          has.sharedOfaCount, has.memorySizeMB);
    } else {
      *is_whole = false;
    }
    std::fputc('}', out_);
    return true;
  }

  const Nvml& nvml_;
  std::FILE* out_;
  std::FILE* complaints_;
  // NOLINTBEGIN(modernize-avoid-c-arrays): the subset has no std::array.
  char uuid_[NVML_DEVICE_UUID_V2_BUFFER_SIZE] = {};
  char text_[NVML_DEVICE_NAME_V2_BUFFER_SIZE] = {};  // The end stays 0.
  // NOLINTEND(modernize-avoid-c-arrays)
  bool has_gpu_ = false;
};

}  // namespace

const char* load_nvml(const char* library, Nvml* nvml) {
  void* handle = ::dlopen(library, RTLD_NOW | RTLD_LOCAL);
  // NOLINTBEGIN(concurrency-mt-unsafe): this program has one thread.
  if (handle == nullptr) return ::dlerror();
#define GPUNODE_PROBE_RESOLVE(member, symbol) \
  if (!resolve(handle, #symbol, &nvml->member)) return ::dlerror();
  GPUNODE_PROBE_CALLS(GPUNODE_PROBE_RESOLVE)
#undef GPUNODE_PROBE_RESOLVE
  // NOLINTEND(concurrency-mt-unsafe)
#define GPUNODE_PROBE_RESOLVE(member, symbol) \
  resolve(handle, #symbol, &nvml->member);
  GPUNODE_PROBE_LATER_CALLS(GPUNODE_PROBE_RESOLVE)
#undef GPUNODE_PROBE_RESOLVE
  return nullptr;
}

bool report(const Nvml& nvml, std::FILE* out, std::FILE* complaints) {
  return Report(nvml, out, complaints).run();
}

}  // namespace gpunode::probe
