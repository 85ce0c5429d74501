// Any text as PTX: it is refused, or its kernels run to an answer.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "tests/doubles/cuda/context.h"
#include "tests/doubles/cuda/memory.h"
#include "tests/doubles/cuda/ptx_machine.h"
#include "tests/doubles/cuda/ptx_parser.h"

namespace {

using namespace gpunode::fake_cuda;  // NOLINT(google-build-using-namespace)

/// What an instruction stream may do at most; a fuzzer wants many short runs.
constexpr std::uint64_t kMostInstructions = 2000;
/// Kernels that ask for more than a GPU has are refused before a launch.
constexpr std::uint64_t kMostBytes = 1U << 16;

void run(const ptx::Kernel& kernel) {
  Memory memory;
  Context context;
  const Allocation* buffer =
      memory.allocate({64, Allocation::Kind::kDevice, &context, 0});
  if (buffer == nullptr || kernel.parameter_bytes > kMostBytes ||
      kernel.shared_bytes > kMostBytes) {
    return;
  }
  ptx::Launch launch;
  launch.kernel = &kernel;
  launch.block = {2, 1, 1};
  launch.memory = &memory;
  launch.context = &context;
  launch.most_instructions = kMostInstructions;
  launch.parameters.resize(kernel.parameter_bytes);
  for (std::size_t at = 0;
       at + sizeof buffer->address <= kernel.parameter_bytes;
       at += sizeof buffer->address) {
    for (std::size_t byte = 0; byte < sizeof buffer->address; ++byte) {
      launch.parameters[at + byte] =
          static_cast<std::byte>(buffer->address >> (8 * byte));
    }
  }
  (void)ptx::execute(launch);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const auto module = gpunode::fake_cuda::ptx::parse(
      std::string_view(reinterpret_cast<const char*>(data), size));
  if (!module) {
    if (module.error().message().empty()) std::abort();
    return 0;
  }
  for (const auto& [name, kernel] : module->kernels) run(kernel);
  return 0;
}
