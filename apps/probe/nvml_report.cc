#include "apps/probe/nvml_report.h"

#include <dlfcn.h>

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
      std::fputs(R"({"gpus":[)", out_);
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

  bool read_uuid(nvmlDevice_t device, const char* attempt) {
    if (!is_done(nvml_.uuid(device, uuid_, sizeof uuid_), attempt)) {
      return false;
    }
    if (is_plain(uuid_)) return true;
    std::fprintf(complaints_, "gpunode-probe: %s: not a UUID\n", attempt);
    return false;
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
    std::fprintf(out_, R"(%s{"minor":%u,"uuid":"%s","migDevices":[)",
                 has_gpu_ ? "," : "", minor, uuid_);
    has_gpu_ = true;
    // NOT_SUPPORTED: a GPU that has none.
    unsigned most = 0;
    if (nvml_.mig_count(gpu, &most) != NVML_SUCCESS) most = 0;
    bool has_mig = false;
    for (unsigned i = 0; i < most; ++i) {
      nvmlDevice_t mig = nullptr;
      if (nvml_.mig_device(gpu, i, &mig) != NVML_SUCCESS) continue;
      std::snprintf(attempt, sizeof attempt, "ask MIG device %u:%u", index, i);
      has_mig = describe_mig(mig, i, attempt, has_mig) || has_mig;
    }
    std::fputs("]}", out_);
  }

  bool describe_mig(nvmlDevice_t mig, unsigned index, const char* attempt,
                    bool follows_another) {
    unsigned gpu_instance = 0;
    unsigned compute_instance = 0;
    if (!is_done(nvml_.gpu_instance(mig, &gpu_instance), attempt) ||
        !is_done(nvml_.compute_instance(mig, &compute_instance), attempt) ||
        !read_uuid(mig, attempt)) {
      return false;
    }
    std::fprintf(out_,
                 R"(%s{"index":%u,"gpuInstance":%u,"computeInstance":%u,)"
                 R"("uuid":"%s"})",
                 follows_another ? "," : "", index, gpu_instance,
                 compute_instance, uuid_);
    return true;
  }

  const Nvml& nvml_;
  std::FILE* out_;
  std::FILE* complaints_;
  // NOLINTNEXTLINE(modernize-avoid-c-arrays): the subset has no std::array.
  char uuid_[NVML_DEVICE_UUID_V2_BUFFER_SIZE] = {};
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
  return nullptr;
}

bool report(const Nvml& nvml, std::FILE* out, std::FILE* complaints) {
  return Report(nvml, out, complaints).run();
}

}  // namespace gpunode::probe
