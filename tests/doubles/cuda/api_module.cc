// Modules from PTX text, their functions, and launches.
#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>

#include "tests/doubles/cuda/ptx_machine.h"
#include "tests/doubles/cuda/ptx_parser.h"
#include "tests/doubles/cuda/runtime.h"
#include "tests/doubles/cuda/stream.h"

namespace gpunode::abi {

using fake_cuda::Context;
using fake_cuda::Device;
using fake_cuda::enter_context;
using fake_cuda::Function;
using fake_cuda::is_stream;
using fake_cuda::LoadedModule;
using fake_cuda::Runtime;

namespace {

constexpr unsigned kMostBlockThreads = 1024;
constexpr unsigned kMostBlockZ = 64;
constexpr unsigned kMostGridX = 2147483647;
constexpr unsigned kMostGridYz = 65535;
constexpr std::uint64_t kMostSharedBytes = 49152;

/// Where the caller of cuModuleLoadDataEx wants the compiler's complaint. The
/// option's value is the number or the pointer itself, in a void*.
struct ErrorLog {
  char* text = nullptr;
  std::size_t room = 0;
  void** written = nullptr;

  void write(const std::string& message) const {
    if (text == nullptr || room == 0) return;
    std::snprintf(text, room, "%s", message.c_str());
    const std::size_t length = std::min(message.size() + 1, room);
    if (written != nullptr) *written = std::bit_cast<void*>(length);
  }
};

ErrorLog error_log(unsigned count, const CUjit_option* options, void** values) {
  ErrorLog log;
  if (options == nullptr || values == nullptr) return log;
  for (unsigned i = 0; i < count; ++i) {
    if (options[i] == CU_JIT_ERROR_LOG_BUFFER) {
      log.text = static_cast<char*>(values[i]);
    } else if (options[i] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES) {
      log.room = std::bit_cast<std::uintptr_t>(values[i]) & UINT32_MAX;
      log.written = &values[i];
    }
  }
  if (log.text != nullptr && log.room > 0) log.text[0] = '\0';
  return log;
}

/// What a broken GPU would make of the code: GPUNODE_FAKE_CUDA_MUTATE.
std::string mutated(const Runtime& runtime, std::string text) {
  for (const auto& [from, to] : runtime.environment.mutations) {
    for (std::size_t at = text.find(from); at != std::string::npos;
         at = text.find(from, at + to.size())) {
      text.replace(at, from.size(), to);
    }
  }
  return text;
}

/// Compiled code starts with one of these; the double only reads text.
bool is_binary(const char* image) {
  return std::memcmp(image,
                     "\x7f"
                     "ELF",
                     4) == 0 ||
         std::memcmp(image, "\x50\xed\x55\xba", 4) == 0;
}

CUresult result_for(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return CUDA_ERROR_INVALID_IMAGE;
    case ErrorCode::kUnsupported:
      return CUDA_ERROR_UNSUPPORTED_PTX_VERSION;
    default:
      return CUDA_ERROR_INVALID_PTX;
  }
}

CUresult load_module(Runtime& runtime, Context& context, CUmodule* module,
                     const void* image, const ErrorLog& log) {
  if (module == nullptr || image == nullptr) return CUDA_ERROR_INVALID_VALUE;
  const auto* text = static_cast<const char*>(image);
  if (std::strlen(text) >= 4 && is_binary(text)) {
    return CUDA_ERROR_NO_BINARY_FOR_GPU;
  }
  auto parsed = fake_cuda::ptx::parse(mutated(runtime, text));
  if (!parsed) {
    log.write(parsed.error().message() +
              "\nptxas fatal   : Ptx assembly aborted due to errors");
    return result_for(parsed.error().code());
  }
  const Device& device = runtime.devices[context.device];
  if (parsed->target >
      static_cast<unsigned>(device.compute_major * 10 + device.compute_minor)) {
    log.write(
        "ptxas fatal   : SM version specified by .target is higher than "
        "default SM version assumed");
    return CUDA_ERROR_INVALID_PTX;
  }
  auto loaded = std::make_unique<LoadedModule>();
  loaded->module = *std::move(parsed);
  *module = std::bit_cast<CUmodule>(loaded.get());
  context.modules.push_back(std::move(loaded));
  return CUDA_SUCCESS;
}

auto find_module(const Context& context, CUmodule module) {
  return std::find_if(context.modules.begin(), context.modules.end(),
                      [&](const auto& loaded) {
                        return std::bit_cast<CUmodule>(loaded.get()) == module;
                      });
}

const Function* find_function(const Context& context, CUfunction function) {
  for (const auto& loaded : context.modules) {
    for (const auto& known : loaded->functions) {
      if (std::bit_cast<CUfunction>(known.get()) == function) {
        return known.get();
      }
    }
  }
  return nullptr;
}

bool is_launchable(const fake_cuda::ptx::Launch& launch) {
  const auto& [grid, block] = std::pair(launch.grid, launch.block);
  return grid.count() > 0 && block.count() > 0 && grid.x <= kMostGridX &&
         grid.y <= kMostGridYz && grid.z <= kMostGridYz &&
         block.x <= kMostBlockThreads && block.y <= kMostBlockThreads &&
         block.z <= kMostBlockZ && block.count() <= kMostBlockThreads &&
         std::uint64_t{launch.kernel->shared_bytes} +
                 launch.dynamic_shared_bytes <=
             kMostSharedBytes;
}

/// cuLaunchKernel's `extra`: pairs of a key and a pointer, ended by null.
std::optional<std::vector<std::byte>> packed_parameters(void** extra) {
  constexpr std::uintptr_t kPointer = 1;
  constexpr std::uintptr_t kSize = 2;
  const void* buffer = nullptr;
  std::size_t size = 0;
  for (; *extra != nullptr; extra += 2) {
    const auto key = std::bit_cast<std::uintptr_t>(extra[0]);
    if (key == kPointer) {
      buffer = extra[1];
    } else if (key == kSize) {
      size = *static_cast<const std::size_t*>(extra[1]);
    } else {
      return std::nullopt;
    }
  }
  if (buffer == nullptr) return std::nullopt;
  const auto* bytes = static_cast<const std::byte*>(buffer);
  return std::vector<std::byte>(bytes, bytes + size);
}

/// The kernel's parameter block; nothing if the caller's do not fill it.
std::optional<std::vector<std::byte>> gather_parameters(
    const fake_cuda::ptx::Kernel& kernel, void** parameters, void** extra) {
  if (extra != nullptr) {
    auto packed = packed_parameters(extra);
    if (parameters != nullptr || !packed ||
        packed->size() < kernel.parameter_bytes) {
      return std::nullopt;
    }
    return packed;
  }
  std::vector<std::byte> block(kernel.parameter_bytes);
  for (std::size_t i = 0; i < kernel.parameters.size(); ++i) {
    if (parameters == nullptr || parameters[i] == nullptr) return std::nullopt;
    const fake_cuda::ptx::Parameter& parameter = kernel.parameters[i];
    std::memcpy(block.data() + parameter.offset, parameters[i],
                parameter.bytes);
  }
  return block;
}

}  // namespace

CUresult cuModuleLoadData(CUmodule* module, const void* image) {
  return enter_context(
      "cuModuleLoadData", [&](Runtime& runtime, Context& context) {
        return load_module(runtime, context, module, image, ErrorLog());
      });
}

CUresult cuModuleLoadDataEx(CUmodule* module, const void* image,
                            unsigned option_count, CUjit_option* options,
                            void** option_values) {
  return enter_context(
      "cuModuleLoadDataEx", [&](Runtime& runtime, Context& context) {
        return load_module(runtime, context, module, image,
                           error_log(option_count, options, option_values));
      });
}

CUresult cuModuleUnload(CUmodule module) {
  return enter_context("cuModuleUnload", [&](Runtime&, Context& context) {
    const auto found = find_module(context, module);
    if (found == context.modules.end()) return CUDA_ERROR_INVALID_HANDLE;
    context.modules.erase(found);
    return CUDA_SUCCESS;
  });
}

CUresult cuModuleGetFunction(CUfunction* function, CUmodule module,
                             const char* name) {
  return enter_context("cuModuleGetFunction", [&](Runtime&, Context& context) {
    if (function == nullptr || name == nullptr) return CUDA_ERROR_INVALID_VALUE;
    const auto found = find_module(context, module);
    if (found == context.modules.end()) return CUDA_ERROR_INVALID_HANDLE;
    const auto kernel = (*found)->module.kernels.find(name);
    if (kernel == (*found)->module.kernels.end()) return CUDA_ERROR_NOT_FOUND;
    auto made = std::make_unique<Function>();
    made->kernel = &kernel->second;
    made->context = &context;
    *function = std::bit_cast<CUfunction>(made.get());
    (*found)->functions.push_back(std::move(made));
    return CUDA_SUCCESS;
  });
}

CUresult cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y,
                        unsigned grid_z, unsigned block_x, unsigned block_y,
                        unsigned block_z, unsigned shared_bytes,
                        CUstream stream, void** parameters, void** extra) {
  return enter_context(
      "cuLaunchKernel", [&](Runtime& runtime, Context& context) {
        const Function* found = find_function(context, function);
        if (found == nullptr || !is_stream(context, stream)) {
          return CUDA_ERROR_INVALID_HANDLE;
        }
        if (runtime.work.captured.contains(stream)) return CUDA_SUCCESS;
        fake_cuda::ptx::Launch launch;
        launch.kernel = found->kernel;
        launch.grid = {grid_x, grid_y, grid_z};
        launch.block = {block_x, block_y, block_z};
        launch.dynamic_shared_bytes = shared_bytes;
        launch.memory = &runtime.memory;
        launch.context = &context;
        auto block = gather_parameters(*found->kernel, parameters, extra);
        if (!block || !is_launchable(launch)) return CUDA_ERROR_INVALID_VALUE;
        launch.parameters = *std::move(block);
        // As on a GPU, the launch itself succeeds; what went wrong in the
        // kernel is the answer to every later call.
        runtime.fail(&context, fake_cuda::ptx::execute(launch));
        return CUDA_SUCCESS;
      });
}

}  // namespace gpunode::abi
