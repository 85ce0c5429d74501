#include "apps/probe/health_report.h"

#include <dlfcn.h>

#include "apps/probe/json_text.h"

namespace gpunode::probe {
namespace {

class HealthReport {
 public:
  HealthReport(const HealthCalls& nvml, std::FILE* out)
      : nvml_(nvml), out_(out) {}

  void run() {
    const nvmlReturn_t started = nvml_.init();
    std::fputs(R"({"start":)", out_);
    print_result(started);
    if (started == NVML_SUCCESS) {
      describe_driver();
      describe_gpus();
      nvml_.shutdown();
    }
    std::fputs("}\n", out_);
  }

 private:
  void print_result(nvmlReturn_t result) {
    print_json_result(result, nvml_.error_string(result), out_);
  }

  /// Calls `function`, null where the library lacks it. False: `member` is not
  /// told, which is remembered unless the GPU or driver has no such thing.
  template <class Function, class... Arguments>
  bool tells(const char* member, Function* function, Arguments... arguments) {
    if (function == nullptr) return false;
    const nvmlReturn_t result = function(arguments...);
    if (result == NVML_SUCCESS) return true;
    // FUNCTION_NOT_FOUND: the module is older than its library.
    const bool has_none = result == NVML_ERROR_NOT_SUPPORTED ||
                          result == NVML_ERROR_FUNCTION_NOT_FOUND ||
                          result == NVML_ERROR_VGPU_ECC_NOT_SUPPORTED;
    if (!has_none && failure_count_ < kMostFailures) {
      failures_[failure_count_++] = {member, result};
    }
    return false;
  }

  /// What was remembered since the last time.
  void print_failures() {
    if (failure_count_ == 0) return;
    std::fputs(R"(,"errors":[)", out_);
    for (unsigned i = 0; i < failure_count_; ++i) {
      std::fprintf(out_, R"(%s{"member":"%s","code":%d,"text":)",
                   i == 0 ? "" : ",", failures_[i].member, failures_[i].result);
      print_json_text(nvml_.error_string(failures_[i].result), out_);
      std::fputc('}', out_);
    }
    std::fputc(']', out_);
    failure_count_ = 0;
  }

  void describe_driver() {
    if (tells("driverVersion", nvml_.driver_version, text_,
              static_cast<unsigned>(sizeof text_ - 1))) {
      std::fputs(R"(,"driverVersion":)", out_);
      print_json_text(text_, out_);
    }
    if (tells("nvmlVersion", nvml_.nvml_version, text_,
              static_cast<unsigned>(sizeof text_ - 1))) {
      std::fputs(R"(,"nvmlVersion":)", out_);
      print_json_text(text_, out_);
    }
    print_failures();
  }

  void describe_gpus() {
    unsigned count = 0;
    const nvmlReturn_t counted = nvml_.count(&count);
    if (counted != NVML_SUCCESS) {
      std::fputs(R"(,"counted":)", out_);
      print_result(counted);
      return;
    }
    std::fprintf(out_, R"(,"count":%u,"gpus":[)", count);
    for (unsigned i = 0; i < count; ++i) {
      std::fprintf(out_, R"(%s{"index":%u)", i == 0 ? "" : ",", i);
      describe_gpu(i);
      std::fputc('}', out_);
    }
    std::fputc(']', out_);
  }

  void describe_gpu(unsigned index) {
    nvmlDevice_t gpu = nullptr;
    nvmlReturn_t result = nvml_.device(index, &gpu);
    nvmlPciInfo_t pci = {};
    if (result == NVML_SUCCESS && tells("pciBusId", nvml_.pci, gpu, &pci)) {
      pci.busId[sizeof pci.busId - 1] = '\0';
      std::fputs(R"(,"pciBusId":)", out_);
      print_json_text(pci.busId, out_);
    }
    // Of a GPU that is lost the handle may still be had.
    if (result == NVML_SUCCESS && nvml_.uuid != nullptr) {
      result = nvml_.uuid(gpu, text_, sizeof text_ - 1);
    }
    if (result != NVML_SUCCESS) {
      std::fputs(R"(,"problem":)", out_);
      print_result(result);
      print_failures();
      return;
    }
    std::fputs(R"(,"uuid":)", out_);
    print_json_text(text_, out_);
    describe_modes(gpu);
    describe_memory(gpu);
    describe_fabric(gpu);
    print_failures();
  }

  void print_flag(const char* name, bool value) {
    std::fprintf(out_, R"(,"%s":%s)", name, value ? "true" : "false");
  }

  void describe_modes(nvmlDevice_t gpu) {
    nvmlEnableState_t now = 0;
    nvmlEnableState_t pending = 0;
    if (tells("persistence", nvml_.persistence, gpu, &now)) {
      print_flag("persistence", now != 0);
    }
    if (tells("ecc", nvml_.ecc, gpu, &now, &pending)) {
      print_flag("ecc", now != 0);
      print_flag("eccPending", pending != 0);
    }
    unsigned mig = 0;
    unsigned mig_pending = 0;
    if (tells("mig", nvml_.mig_mode, gpu, &mig, &mig_pending)) {
      print_flag("mig", mig != 0);
      print_flag("migPending", mig_pending != 0);
    }
  }

  void describe_memory(nvmlDevice_t gpu) {
    unsigned corrected = 0;
    unsigned uncorrected = 0;
    unsigned is_pending = 0;
    unsigned has_failed = 0;
    if (tells("remappedRows", nvml_.remapped_rows, gpu, &corrected,
              &uncorrected, &is_pending, &has_failed)) {
      std::fprintf(out_, R"(,"remappedRows":%u)", corrected + uncorrected);
      print_flag("remapPending", is_pending != 0);
      print_flag("remapFailed", has_failed != 0);
    }
    nvmlEnableState_t retired = 0;
    if (tells("retiredPending", nvml_.retired_pending, gpu, &retired)) {
      print_flag("retiredPending", retired != 0);
    }
  }

  void describe_fabric(nvmlDevice_t gpu) {
    nvmlGpuFabricInfo_t fabric = {};
    if (!tells("fabricState", nvml_.fabric, gpu, &fabric)) return;
    std::fprintf(out_, R"(,"fabricState":%u,"fabricStatus":%d)",
                 static_cast<unsigned>(fabric.state), fabric.status);
  }

  const HealthCalls& nvml_;
  std::FILE* out_;

  /// A member that NVML should tell and did not.
  struct Failure {
    const char* member;
    nvmlReturn_t result;
  };
  /// More than a GPU has calls.
  static constexpr unsigned kMostFailures = 16;
  // NOLINTBEGIN(modernize-avoid-c-arrays): the subset has no std::array.
  Failure failures_[kMostFailures] = {};
  unsigned failure_count_ = 0;
  char text_[NVML_DEVICE_NAME_V2_BUFFER_SIZE] = {};  // The end stays 0.
  // NOLINTEND(modernize-avoid-c-arrays)
};

}  // namespace

const char* load_health(const char* library, HealthCalls* calls) {
  void* handle = ::dlopen(library, RTLD_NOW | RTLD_LOCAL);
  // NOLINTBEGIN(concurrency-mt-unsafe): this program has one thread.
  if (handle == nullptr) return ::dlerror();
#define GPUNODE_HEALTH_RESOLVE(member, symbol) \
  calls->member =                              \
      reinterpret_cast<decltype(calls->member)>(::dlsym(handle, #symbol));
  GPUNODE_HEALTH_CALLS(GPUNODE_HEALTH_RESOLVE)
#undef GPUNODE_HEALTH_RESOLVE
  // NOLINTEND(concurrency-mt-unsafe)
  if (calls->init == nullptr || calls->shutdown == nullptr ||
      calls->error_string == nullptr || calls->count == nullptr ||
      calls->device == nullptr) {
    return "the library is no NVML";
  }
  return nullptr;
}

void report_health(const HealthCalls& calls, std::FILE* out) {
  HealthReport(calls, out).run();
}

}  // namespace gpunode::probe
