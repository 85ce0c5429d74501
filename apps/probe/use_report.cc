#include "apps/probe/use_report.h"

#include <dlfcn.h>

#include <ctime>

#include "apps/probe/json_text.h"

namespace gpunode::probe {
namespace {

/// More processes than a GPU has contexts for.
constexpr unsigned kMostProcesses = 512;
/// The driver takes a sample of each process some times a second.
constexpr unsigned long long kSampleMicroseconds = 1'500'000;

class UseReport {
 public:
  UseReport(const UseCalls& nvml, std::FILE* out) : nvml_(nvml), out_(out) {}

  void run() {
    const nvmlReturn_t started = nvml_.init();
    std::fputs(R"({"start":)", out_);
    print_result(started);
    if (started == NVML_SUCCESS) {
      if (is_told(nvml_.driver_version, text_,
                  static_cast<unsigned>(sizeof text_ - 1))) {
        std::fputs(R"(,"driverVersion":)", out_);
        print_json_text(text_, out_);
      }
      describe_gpus();
      nvml_.shutdown();
    }
    std::fputs("}\n", out_);
  }

 private:
  void print_result(nvmlReturn_t result) {
    print_json_result(result, nvml_.error_string(result), out_);
  }

  /// Calls `function`, null where the library lacks it.
  template <class Function, class... Arguments>
  bool is_told(Function* function, Arguments... arguments) {
    return function != nullptr && function(arguments...) == NVML_SUCCESS;
  }

  void describe_gpus() {
    unsigned count = 0;
    const nvmlReturn_t counted = nvml_.count(&count);
    if (counted != NVML_SUCCESS) {
      std::fputs(R"(,"counted":)", out_);
      print_result(counted);
      return;
    }
    std::fputs(R"(,"gpus":[)", out_);
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
    if (result == NVML_SUCCESS) {
      result = nvml_.uuid(gpu, text_, sizeof text_ - 1);
    }
    if (result != NVML_SUCCESS) {
      std::fputs(R"(,"problem":)", out_);
      print_result(result);
      return;
    }
    std::fputs(R"(,"uuid":)", out_);
    print_json_text(text_, out_);
    if (is_told(nvml_.name, gpu, text_,
                static_cast<unsigned>(sizeof text_ - 1))) {
      std::fputs(R"(,"name":)", out_);
      print_json_text(text_, out_);
    }
    nvmlMemory_t memory = {};
    if (is_told(nvml_.memory, gpu, &memory)) {
      std::fprintf(out_, R"(,"memoryBytes":%llu,"usedBytes":%llu)",
                   memory.total, memory.used);
    }
    describe_telemetry(gpu);
    describe_health(gpu);
    describe_processes(gpu);
  }

  void print_number(const char* name, unsigned value) {
    std::fprintf(out_, R"(,"%s":%u)", name, value);
  }

  void describe_telemetry(nvmlDevice_t gpu) {
    nvmlUtilization_t use = {};
    if (is_told(nvml_.utilization, gpu, &use)) {
      print_number("gpuPercent", use.gpu);
      print_number("memoryPercent", use.memory);
    }
    unsigned value = 0;
    if (is_told(nvml_.temperature, gpu, static_cast<int>(NVML_TEMPERATURE_GPU),
                &value)) {
      print_number("celsius", value);
    }
    if (is_told(nvml_.power, gpu, &value)) print_number("milliwatts", value);
    if (is_told(nvml_.power_limit, gpu, &value)) {
      print_number("milliwattsLimit", value);
    }
  }

  void print_flag(const char* name, bool value) {
    std::fprintf(out_, R"(,"%s":%s)", name, value ? "true" : "false");
  }

  void describe_health(nvmlDevice_t gpu) {
    unsigned corrected = 0;
    unsigned uncorrected = 0;
    unsigned is_pending = 0;
    unsigned has_failed = 0;
    if (is_told(nvml_.remapped_rows, gpu, &corrected, &uncorrected, &is_pending,
                &has_failed)) {
      print_flag("remapPending", is_pending != 0);
      print_flag("remapFailed", has_failed != 0);
    }
    nvmlEnableState_t retired = 0;
    if (is_told(nvml_.retired_pending, gpu, &retired)) {
      print_flag("retiredPending", retired != 0);
    }
    unsigned mig = NVML_DEVICE_MIG_DISABLE;
    unsigned mig_pending = NVML_DEVICE_MIG_DISABLE;
    if (is_told(nvml_.mig_mode, gpu, &mig, &mig_pending)) {
      print_flag("mig", mig == NVML_DEVICE_MIG_ENABLE);
    }
  }

  void describe_processes(nvmlDevice_t gpu) {
    auto* const call =
        nvml_.processes != nullptr ? nvml_.processes : nvml_.older_processes;
    unsigned count = kMostProcesses;
    if (!is_told(call, gpu, &count, infos_)) return;
    const unsigned samples = read_samples(gpu);
    std::fputs(R"(,"processes":[)", out_);
    for (unsigned i = 0; i < count && i < kMostProcesses; ++i) {
      std::fprintf(out_, R"(%s{"pid":%u)", i == 0 ? "" : ",", infos_[i].pid);
      // ~0: the driver cannot tell.
      if (infos_[i].usedGpuMemory != ~0ULL) {
        std::fprintf(out_, R"(,"bytes":%llu)", infos_[i].usedGpuMemory);
      }
      print_sample(infos_[i].pid, samples);
      std::fputc('}', out_);
    }
    std::fputc(']', out_);
  }

  /// NOT_FOUND: nobody has used it since. Of no samples nothing is said.
  unsigned read_samples(nvmlDevice_t gpu) {
    std::timespec now = {};
    ::clock_gettime(CLOCK_REALTIME, &now);
    const auto microseconds =
        static_cast<unsigned long long>(now.tv_sec) * 1'000'000 +
        static_cast<unsigned long long>(now.tv_nsec) / 1'000;
    unsigned count = kMostProcesses;
    if (!is_told(nvml_.process_use, gpu, samples_, &count,
                 microseconds - kSampleMicroseconds)) {
      return 0;
    }
    return count < kMostProcesses ? count : kMostProcesses;
  }

  /// The newest of its samples counts.
  void print_sample(unsigned pid, unsigned count) {
    const nvmlProcessUtilizationSample_t* newest = nullptr;
    for (unsigned i = 0; i < count; ++i) {
      if (samples_[i].pid == pid &&
          (newest == nullptr || samples_[i].timeStamp > newest->timeStamp)) {
        newest = &samples_[i];
      }
    }
    // Before their first sample some drivers leave what is no percentage.
    if (newest != nullptr && newest->smUtil <= 100) {
      print_number("smPercent", newest->smUtil);
    }
  }

  const UseCalls& nvml_;
  std::FILE* out_;
  // NOLINTBEGIN(modernize-avoid-c-arrays): the subset has no std::array.
  char text_[NVML_DEVICE_NAME_V2_BUFFER_SIZE] = {};  // The end stays 0.
  nvmlProcessInfo_t infos_[kMostProcesses] = {};
  nvmlProcessUtilizationSample_t samples_[kMostProcesses] = {};
  // NOLINTEND(modernize-avoid-c-arrays)
};

}  // namespace

const char* load_use(const char* library, UseCalls* calls) {
  void* handle = ::dlopen(library, RTLD_NOW | RTLD_LOCAL);
  // NOLINTBEGIN(concurrency-mt-unsafe): this program has one thread.
  if (handle == nullptr) return ::dlerror();
#define GPUNODE_USE_RESOLVE(member, symbol) \
  calls->member =                           \
      reinterpret_cast<decltype(calls->member)>(::dlsym(handle, #symbol));
  GPUNODE_USE_CALLS(GPUNODE_USE_RESOLVE)
#undef GPUNODE_USE_RESOLVE
  // NOLINTEND(concurrency-mt-unsafe)
  if (calls->init == nullptr || calls->shutdown == nullptr ||
      calls->error_string == nullptr || calls->count == nullptr ||
      calls->device == nullptr || calls->uuid == nullptr) {
    return "the library is no NVML";
  }
  return nullptr;
}

void report_use(const UseCalls& calls, std::FILE* out) {
  UseReport(calls, out).run();
}

}  // namespace gpunode::probe
