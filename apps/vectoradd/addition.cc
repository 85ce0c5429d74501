#include "apps/vectoradd/addition.h"

#include <sys/mman.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>

#include "apps/vectoradd/kernel.h"
#include "apps/vectoradd/message.h"

namespace gpunode::vectoradd {

namespace {

using abi::CUresult;

constexpr unsigned kThreadsPerBlock = 256;
constexpr float kTolerance = 1e-5F;

/// All bits set is a NaN: no kernel that was never run looks right.
constexpr unsigned char kPoison = 0xff;

/// Complains about a call that failed.
ExitCode call_failed(const Driver& driver, const char* call, CUresult result) {
  const char* name = nullptr;
  const char* text = nullptr;
  if (driver.error_name(result, &name) != abi::CUDA_SUCCESS ||
      name == nullptr) {
    name = "unknown CUresult";
  }
  if (driver.error_string(result, &text) != abi::CUDA_SUCCESS ||
      text == nullptr) {
    text = "no description";
  }
  static constexpr Failure kOutOfMemory = {
      "the GPU's memory, or this container's share of it, is used up",
      "nvidia-smi on the node shows who holds it; or try fewer --elements"};
  static constexpr Failure kOther = {
      "the GPU was found, but refused this step",
      "look for \"NVRM: Xid\" in the node's kernel log (dmesg), and run "
      "nvidia-smi there"};
  complain(result == abi::CUDA_ERROR_OUT_OF_MEMORY ? kOutOfMemory : kOther,
           "gpunode-vectoradd: %s failed: %s (%d): %s", call, name,
           static_cast<int>(result), text);
  return ExitCode::kCallFailed;
}

// Returns from the calling function, as TRY does, if the call fails.
#define CUDA_TRY(driver, call, ...)                             \
  do {                                                          \
    if (const CUresult cuda_try_ = (driver).call(__VA_ARGS__);  \
        cuda_try_ != abi::CUDA_SUCCESS) {                       \
      return call_failed(driver, call_symbol::call, cuda_try_); \
    }                                                           \
  } while (false)

namespace call_symbol {
// NOLINTBEGIN(bugprone-macro-parentheses): `member` is declared.
#define GPUNODE_VECTORADD_NAME(member, symbol) \
  [[maybe_unused]] constexpr const char* member = #symbol;
GPUNODE_VECTORADD_CALLS(GPUNODE_VECTORADD_NAME)
#undef GPUNODE_VECTORADD_NAME
// NOLINTEND(bugprone-macro-parentheses)
}  // namespace call_symbol

/// Floats on the host, from mmap: this class of binary has no operator new.
class HostVector {
 public:
  HostVector() = default;
  HostVector(const HostVector&) = delete;
  HostVector& operator=(const HostVector&) = delete;
  ~HostVector() {
    if (values_ != nullptr) ::munmap(values_, bytes_);
  }

  bool allocate(std::uint32_t elements) {
    bytes_ = elements * sizeof(float);
    void* memory = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return false;
    values_ = static_cast<float*>(memory);
    return true;
  }

  float* data() const { return values_; }
  std::size_t bytes() const { return bytes_; }

 private:
  float* values_ = nullptr;
  std::size_t bytes_ = 0;
};

/// What is held on the GPU; released in the order that CUDA wants.
class Holdings {
 public:
  explicit Holdings(const Driver& driver) : driver_(driver) {}
  Holdings(const Holdings&) = delete;
  Holdings& operator=(const Holdings&) = delete;
  ~Holdings() {
    for (const abi::CUdeviceptr address : {a, b, sum}) {
      if (address != 0) driver_.memory_free(address);
    }
    if (module != nullptr) driver_.module_unload(module);
    if (context != nullptr) driver_.context_destroy(context);
  }

  abi::CUcontext context = nullptr;
  abi::CUmodule module = nullptr;
  abi::CUfunction kernel = nullptr;
  abi::CUdeviceptr a = 0;
  abi::CUdeviceptr b = 0;
  abi::CUdeviceptr sum = 0;

 private:
  const Driver& driver_;
};

struct Vectors {
  HostVector a;
  HostVector b;
  HostVector sum;
};

/// Numbers in [0, 1], the same in every run, as splitmix64 mixes them.
float number_at(std::uint64_t index) {
  std::uint64_t z = (index + 1) * 0x9e3779b97f4a7c15U;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  z ^= z >> 31;
  return static_cast<float>(z >> 40) / static_cast<float>(1U << 24);
}

ExitCode make_vectors(std::uint32_t elements, Vectors* vectors) {
  if (!vectors->a.allocate(elements) || !vectors->b.allocate(elements) ||
      !vectors->sum.allocate(elements)) {
    complain({"the vectors do not fit into this container's memory",
              "try fewer --elements, or raise the container's memory limit"},
             "gpunode-vectoradd: cannot allocate 3 vectors of %u elements on "
             "the host: errno %d",
             elements, errno);
    return ExitCode::kCallFailed;
  }
  for (std::uint32_t i = 0; i < elements; ++i) {
    vectors->a.data()[i] = number_at(2ULL * i);
    vectors->b.data()[i] = number_at(2ULL * i + 1);
  }
  std::memset(vectors->sum.data(), kPoison, vectors->sum.bytes());
  return ExitCode::kPassed;
}

ExitCode find_device(const Driver& driver, int ordinal, abi::CUdevice* device) {
  static constexpr Failure kNone = {
      "no GPU was given to this container, or the node's driver has lost it",
      "check that the Pod asks for nvidia.com/gpu, that ls -l /dev/nvidia* "
      "here shows nvidia0, nvidiactl and nvidia-uvm, and that nvidia-smi works "
      "on the node"};
  const CUresult result = driver.init(0);
  if (result == abi::CUDA_ERROR_NO_DEVICE) {
    complain(kNone,
             "gpunode-vectoradd: cuInit: CUDA_ERROR_NO_DEVICE (100): "
             "no CUDA-capable device is detected");
    return ExitCode::kNoDevice;
  }
  if (result != abi::CUDA_SUCCESS) {
    const char* name = nullptr;
    if (driver.error_name(result, &name) != abi::CUDA_SUCCESS) name = nullptr;
    complain(
        {"the driver's library and its kernel modules do not work together: "
         "not loaded, of another version, or /dev/nvidia-uvm is missing",
         "compare cat /proc/driver/nvidia/version with the library's "
         "version, run nvidia-smi on the node, and modprobe nvidia-uvm"},
        "gpunode-vectoradd: cuInit failed: %s (%d)",
        name == nullptr ? "unknown CUresult" : name, static_cast<int>(result));
    return ExitCode::kNoDriver;
  }
  int count = 0;
  CUDA_TRY(driver, device_count, &count);
  if (count == 0) {
    complain(kNone, "gpunode-vectoradd: the driver shows no device");
    return ExitCode::kNoDevice;
  }
  if (ordinal >= count) {
    complain({"fewer GPUs were given to this container than --device assumes",
              "use a smaller --device, or ask for more GPUs"},
             "gpunode-vectoradd: there is no device %d: the driver shows %d",
             ordinal, count);
    return ExitCode::kNoDevice;
  }
  CUDA_TRY(driver, device, device, ordinal);
  return ExitCode::kPassed;
}

ExitCode load_kernel(const Driver& driver, Holdings* holdings) {
  std::array<char, 1024> log{};
  std::array options = {abi::CU_JIT_ERROR_LOG_BUFFER,
                        abi::CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  // The size travels in the pointer itself; the driver's ABI has it so.
  std::array values = {static_cast<void*>(log.data()),
                       std::bit_cast<void*>(log.size())};
  const CUresult loaded =
      driver.module_load(&holdings->module, kernel_ptx(), options.size(),
                         options.data(), values.data());
  if (loaded != abi::CUDA_SUCCESS) {
    const ExitCode code = call_failed(driver, call_symbol::module_load, loaded);
    log.back() = '\0';
    if (log[0] != '\0') {
      complain({"the driver's PTX compiler refused the kernel",
                "report it with the driver's version"},
               "%s", log.data());
    }
    return code;
  }
  CUDA_TRY(driver, module_function, &holdings->kernel, holdings->module,
           kernel_name());
  return ExitCode::kPassed;
}

ExitCode copy_in(const Driver& driver, const Vectors& vectors,
                 Holdings* holdings) {
  const std::size_t bytes = vectors.a.bytes();
  CUDA_TRY(driver, memory_allocate, &holdings->a, bytes);
  CUDA_TRY(driver, memory_allocate, &holdings->b, bytes);
  CUDA_TRY(driver, memory_allocate, &holdings->sum, bytes);
  // Another run's sum may still lie there, and would be right.
  CUDA_TRY(driver, memory_set, holdings->sum, kPoison, bytes);
  say("Copy input data from the host memory to the CUDA device");
  CUDA_TRY(driver, copy_to_device, holdings->a, vectors.a.data(), bytes);
  CUDA_TRY(driver, copy_to_device, holdings->b, vectors.b.data(), bytes);
  return ExitCode::kPassed;
}

ExitCode launch_kernel(const Driver& driver, std::uint32_t elements,
                       Holdings* holdings) {
  const unsigned blocks = (elements + kThreadsPerBlock - 1) / kThreadsPerBlock;
  say("CUDA kernel launch with %u blocks of %u threads", blocks,
      kThreadsPerBlock);
  std::array<void*, 4> parameters = {&holdings->a, &holdings->b, &holdings->sum,
                                     &elements};
  CUDA_TRY(driver, launch, holdings->kernel, blocks, 1, 1, kThreadsPerBlock, 1,
           1, 0, nullptr, parameters.data(), nullptr);
  CUDA_TRY(driver, context_synchronize);
  return ExitCode::kPassed;
}

ExitCode verify(const Vectors& vectors, std::uint32_t elements) {
  for (std::uint32_t i = 0; i < elements; ++i) {
    const float difference =
        vectors.a.data()[i] + vectors.b.data()[i] - vectors.sum.data()[i];
    // Written so that a NaN fails.
    if (difference <= kTolerance && difference >= -kTolerance) continue;
    complain({"the GPU computed or copied wrongly",
              "take the node out of service (kubectl cordon) and look at "
              "nvidia-smi -q -d ECC and at \"NVRM: Xid\" in dmesg"},
             "Result verification failed at element %u!", i);
    return ExitCode::kWrongResult;
  }
  return ExitCode::kPassed;
}

// Returns from the calling function unless the step passed.
#define STEP_TRY(expr)                                             \
  do {                                                             \
    if (const ExitCode step_ = (expr); step_ != ExitCode::kPassed) \
      return step_;                                                \
  } while (false)

ExitCode add_on(const Driver& driver, abi::CUdevice device,
                const Options& options, const Vectors& vectors) {
  Holdings holdings(driver);
  CUDA_TRY(driver, context_create, &holdings.context, 0, device);
  STEP_TRY(load_kernel(driver, &holdings));
  STEP_TRY(copy_in(driver, vectors, &holdings));
  STEP_TRY(launch_kernel(driver, options.elements, &holdings));
  say("Copy output data from the CUDA device to the host memory");
  CUDA_TRY(driver, copy_to_host, vectors.sum.data(), holdings.sum,
           vectors.sum.bytes());
  return verify(vectors, options.elements);
}

}  // namespace

ExitCode run_addition(const Driver& driver, const Options& options) {
  say("[Vector addition of %u elements]", options.elements);
  Vectors vectors;
  STEP_TRY(make_vectors(options.elements, &vectors));
  abi::CUdevice device = 0;
  STEP_TRY(find_device(driver, options.device, &device));
  STEP_TRY(add_on(driver, device, options, vectors));
  say("Test PASSED");
  say("Done");
  return ExitCode::kPassed;
}

}  // namespace gpunode::vectoradd
