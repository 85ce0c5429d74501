#include "tests/doubles/cuda/runtime.h"

#include <sched.h>

#include <algorithm>
#include <bit>
#include <iterator>

#include <pthread.h>

namespace gpunode::fake_cuda {

std::vector<Context*>& thread_contexts() {
  thread_local std::vector<Context*> contexts;
  return contexts;
}

Runtime& Runtime::of_process() {
  static Runtime& runtime = *[] {
    // A child of a process with threads finds it whole, and may go on with it:
    // more than a driver allows.
    pthread_atfork([] { of_process().mutex.lock(); },
                   [] { of_process().mutex.unlock(); },
                   [] { of_process().mutex.unlock(); });
    return new Runtime;
  }();
  return runtime;
}

abi::CUresult Runtime::record(std::string_view call) {
  auto found = calls.find(call);
  if (found == calls.end()) found = calls.emplace(call, 0).first;
  const std::uint64_t count = ++found->second;
  // The first call of a process may be planned to fail, cuInit included.
  if (!is_initialised && count == 1) environment = Environment::of_process();
  for (const PlannedFailure& failure : environment.failures) {
    if (failure.call == call && (failure.nth == 0 || failure.nth == count)) {
      return failure.result;
    }
  }
  return abi::CUDA_SUCCESS;
}

void Runtime::await(abi::CUstream stream, bool is_any) {
  for (;; sched_yield()) {
    const std::lock_guard lock(mutex);
    work.settle();
    if (!work.waits(stream, is_any)) return;
  }
}

bool Runtime::has_device(abi::CUdevice device) const {
  return device >= 0 && static_cast<std::size_t>(device) < devices.size();
}

Context* Runtime::make_context(std::size_t device, unsigned flags) {
  auto context = std::make_unique<Context>();
  context->device = device;
  context->flags = flags;
  return contexts.emplace_back(std::move(context)).get();
}

void Runtime::destroy_context(Context* context) {
  for (auto it = pools.in_use.begin(); it != pools.in_use.end();) {
    const auto next = std::next(it);
    if (it->second.owner == context) free_of_pool(it->first);
    it = next;
  }
  return_unused();
  work.forget(context);
  memory.release_all(context);
  context->modules.clear();
  context->streams.clear();
  context->events.clear();
  context->is_destroyed = true;
  context->uses = 1;
  context->limits = Context().limits;
  context->stacks = 0;
}

void Runtime::fail(Context* context, abi::CUresult error) {
  context->error = error;
  if (error != abi::CUDA_SUCCESS) work.drop(context);
}

Context* Runtime::find_context(abi::CUcontext handle) const {
  const auto found =
      std::find_if(contexts.begin(), contexts.end(), [&](const auto& context) {
        return std::bit_cast<abi::CUcontext>(context.get()) == handle &&
               !context->is_destroyed;
      });
  return found == contexts.end() ? nullptr : found->get();
}

namespace {

std::string called_back;
void (*deed_of_call)() = nullptr;

}  // namespace

void call_back(std::string_view call) {
  thread_local bool is_amid = false;
  if (deed_of_call == nullptr || is_amid || call != called_back) return;
  is_amid = true;
  deed_of_call();
  is_amid = false;
}

}  // namespace gpunode::fake_cuda

void gpunode_fake_cuda_fault() {
  using gpunode::fake_cuda::Runtime;
  Runtime& runtime = Runtime::of_process();
  const std::lock_guard lock(runtime.mutex);
  runtime.fail(gpunode::fake_cuda::thread_contexts().back(),
               gpunode::abi::CUDA_ERROR_ILLEGAL_ADDRESS);
}

void gpunode_fake_cuda_call_back(const char* call, void (*deed)()) {
  gpunode::fake_cuda::called_back = call;
  gpunode::fake_cuda::deed_of_call = deed;
}

std::uint64_t gpunode_fake_cuda_calls(const char* call) {
  gpunode::fake_cuda::Runtime& runtime =
      gpunode::fake_cuda::Runtime::of_process();
  const std::lock_guard lock(runtime.mutex);
  const auto found = runtime.calls.find(std::string_view(call));
  return found == runtime.calls.end() ? 0 : found->second;
}
