#include "bench/gpu_work.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "bench/cuda_driver.h"

namespace gpunode::bench {

namespace {

using Clock = std::chrono::steady_clock;

constexpr unsigned kBlockThreads = 128;
constexpr int kGraphKernels = 20;
constexpr double kMillisecond = 1e3;  // Microseconds.

// spin: so many rounds, in every thread. persist: until so many nanoseconds
// have passed since its first thread began, which it keeps in out[0]; each
// block adds the rounds of its first thread to out[1].
constexpr const char* kKernels = R"(.version 6.0
.target sm_70
.address_size 64
.visible .entry spin(.param .u64 loops, .param .u64 out) {
  .reg .pred %p<3>;
  .reg .f32 %f<2>;
  .reg .b64 %r<4>;
  ld.param.u64 %r1, [loops];
  ld.param.u64 %r2, [out];
  mov.u64 %r3, 0;
  mov.f32 %f1, 0f3F800000;
again:
  fma.rn.f32 %f1, %f1, %f1, %f1;
  add.u64 %r3, %r3, 1;
  setp.lt.u64 %p1, %r3, %r1;
  @%p1 bra again;
  setp.eq.f32 %p2, %f1, 0f00000000;
  @%p2 st.global.f32 [%r2], %f1;
  ret;
}
.visible .entry persist(.param .u64 nanoseconds, .param .u64 out) {
  .reg .pred %p<3>;
  .reg .b32 %t<2>;
  .reg .b64 %r<10>;
  ld.param.u64 %r1, [nanoseconds];
  ld.param.u64 %r2, [out];
  mov.u64 %r3, %globaltimer;
  mov.u64 %r5, 0;
  atom.global.cas.b64 %r4, [%r2], %r5, %r3;
  setp.ne.u64 %p1, %r4, 0;
  @%p1 mov.u64 %r3, %r4;
again:
  add.u64 %r5, %r5, 1;
  mov.u64 %r6, %globaltimer;
  sub.u64 %r7, %r6, %r3;
  setp.lt.s64 %p1, %r7, %r1;
  @%p1 bra again;
  mov.u32 %t1, %tid.x;
  setp.ne.u32 %p2, %t1, 0;
  @%p2 bra end;
  add.u64 %r8, %r2, 8;
  atom.global.add.u64 %r9, [%r8], %r5;
end:
  ret;
}
)";

template <typename Call>
void timed(CallTimes* times, const char* what, Call call) {
  const auto begin = Clock::now();
  check(what, call());
  times->note(
      std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
}

}  // namespace

double quantile(std::vector<float> times, double fraction) {
  if (times.empty()) return 0;
  const auto rank = static_cast<std::ptrdiff_t>(
      fraction * static_cast<double>(times.size() - 1));
  std::nth_element(times.begin(), times.begin() + rank, times.end());
  return static_cast<double>(times[static_cast<std::size_t>(rank)]);
}

void CallTimes::note(double microseconds) {
  ++count_;
  sum_ += microseconds;
  if (times_.size() < kMost) times_.push_back(static_cast<float>(microseconds));
}

void CallTimes::add(const CallTimes& other) {
  count_ += other.count_;
  sum_ += other.sum_;
  times_.insert(times_.end(), other.times_.begin(), other.times_.end());
}

void CallTimes::print() const {
  std::vector<float> stalls;
  std::copy_if(times_.begin(), times_.end(), std::back_inserter(stalls),
               [](float time) { return time >= kStall; });
  const double mean = count_ == 0 ? 0 : sum_ / static_cast<double>(count_);
  std::printf("launches %llu\nlaunch_us_mean %.3f\n",
              static_cast<unsigned long long>(count_), mean);
  std::printf("wait_p50_us %.2f\nwait_p99_us %.2f\nwait_max_us %.2f\n",
              quantile(times_, 0.5), quantile(times_, 0.99),
              quantile(times_, 1));
  std::printf("stalls %zu\nstall_p50_us %.1f\nstall_p99_us %.1f\n",
              stalls.size(), quantile(stalls, 0.5), quantile(stalls, 0.99));
  std::printf("stalled_ms %.3f\n",
              std::accumulate(stalls.begin(), stalls.end(), 0.0) / 1e3);
}

GpuWork::GpuWork(const WorkShape& shape) : shape_(shape) {
  check("cuInit", DRIVER(cuInit)(0));
  check("cuDevicePrimaryCtxRetain",
        DRIVER(cuDevicePrimaryCtxRetain)(&context_, 0));
  enter();
  int processors = 0;
  check("cuDeviceGetAttribute",
        DRIVER(cuDeviceGetAttribute)(
            &processors, abi::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 0));
  processors_ = static_cast<unsigned>(processors);
  blocks_ =
      shape.blocks != 0 ? shape.blocks : shape.blocks_a_processor * processors_;
  abi::CUmodule module = nullptr;
  check("cuModuleLoadData", DRIVER(cuModuleLoadData)(&module, kKernels));
  check("cuModuleGetFunction",
        DRIVER(cuModuleGetFunction)(&spin_, module, "spin"));
  check("cuModuleGetFunction",
        DRIVER(cuModuleGetFunction)(&persist_, module, "persist"));
  check("cuMemAlloc", DRIVER(cuMemAlloc_v2)(&out_, 4096));
}

void GpuWork::enter() const {
  check("cuCtxSetCurrent", DRIVER(cuCtxSetCurrent)(context_));
}

void GpuWork::launch_spin(std::uint64_t loops, abi::CUstream stream) const {
  static auto* const kLaunch = DRIVER(cuLaunchKernel);
  abi::CUdeviceptr out = out_;
  std::array<void*, 2> parameters = {&loops, &out};
  check("cuLaunchKernel", kLaunch(spin_, blocks_, 1, 1, kBlockThreads, 1, 1, 0,
                                  stream, parameters.data(), nullptr));
}

std::uint64_t GpuWork::persist(double seconds, abi::CUstream stream) const {
  std::array<std::uint64_t, 2> out = {};
  check("cuMemcpyHtoD", DRIVER(cuMemcpyHtoD_v2)(out_, out.data(), sizeof(out)));
  auto nanoseconds = static_cast<std::uint64_t>(seconds * 1e9);
  abi::CUdeviceptr address = out_;
  std::array<void*, 2> parameters = {&nanoseconds, &address};
  check("cuLaunchKernel",
        DRIVER(cuLaunchKernel)(persist_, blocks_, 1, 1, kBlockThreads, 1, 1, 0,
                               stream, parameters.data(), nullptr));
  check("cuStreamSynchronize", DRIVER(cuStreamSynchronize)(stream));
  check("cuMemcpyDtoH", DRIVER(cuMemcpyDtoH_v2)(out.data(), out_, sizeof(out)));
  return out[1];
}

double GpuWork::kernel_us(std::uint64_t loops, int count,
                          abi::CUstream stream) const {
  static auto* const kRecord = DRIVER(cuEventRecord);
  static abi::CUevent first = nullptr;
  static abi::CUevent last = nullptr;
  if (first == nullptr) {
    check("cuEventCreate", DRIVER(cuEventCreate)(&first, 0));
    check("cuEventCreate", DRIVER(cuEventCreate)(&last, 0));
  }
  check("cuEventRecord", kRecord(first, stream));
  for (int i = 0; i < count; ++i) launch_spin(loops, stream);
  check("cuEventRecord", kRecord(last, stream));
  check("cuStreamSynchronize", DRIVER(cuStreamSynchronize)(stream));
  float milliseconds = 0;
  check("cuEventElapsedTime",
        DRIVER(cuEventElapsedTime)(&milliseconds, first, last));
  return static_cast<double>(milliseconds) * 1e3 / count;
}

/// Loops are as long as the difference of two lengths says; what a launch takes
/// beside them is a part of the kernel.
void GpuWork::find_loops(abi::CUstream stream) {
  constexpr double kLongEnough = 200;
  std::uint64_t loops = 16;
  while (kernel_us(loops, 4, stream) < kLongEnough) loops *= 2;
  double once = kernel_us(loops, 8, stream);
  double twice = kernel_us(2 * loops, 8, stream);
  for (int i = 0; i < 4; ++i) {
    once = std::min(once, kernel_us(loops, 8, stream));
    twice = std::min(twice, kernel_us(2 * loops, 8, stream));
  }
  const auto whole = static_cast<double>(loops);
  double loop_us = (twice - once) / whole;
  if (loop_us <= 0) loop_us = twice / (2 * whole);  // Something came between.
  const double beside = std::max(0.0, once - loop_us * whole);
  shape_.loops = static_cast<std::uint64_t>(
      std::max(1.0, std::round((shape_.kernel_us - beside) / loop_us)));
}

/// Median of three measurements.
double GpuWork::measured_unit_us() const {
  constexpr double kAbout = 10e3;  // Microseconds, each.
  const WorkStream stream(*this);
  CallTimes unused;
  const Mark begin(true);
  const Mark end(true);
  const double unit =
      shape_.kernel_us * (shape_.kind == WorkKind::kGraph ? kGraphKernels : 1);
  const int count = static_cast<int>(std::clamp(kAbout / unit, 1.0, 2000.0));
  stream.submit(&unused);
  std::array<double, 3> times = {};
  for (double& time : times) {
    begin.set(stream);
    for (int i = 0; i < count; ++i) stream.submit(&unused);
    end.set(stream);
    end.wait();
    time = end.since(begin) / count;
  }
  std::sort(times.begin(), times.end());
  return times[1];
}

void GpuWork::calibrate() {
  abi::CUstream const stream = nullptr;
  launch_spin(1, stream);  // The driver loads a kernel when it first runs.
  const bool is_persistent = shape_.kind == WorkKind::kPersistent;
  if (is_persistent) shape_.unit_us = kMillisecond;
  if (shape_.kind == WorkKind::kCopies) shape_.loops = 1;
  if (shape_.loops == 0 || shape_.unit_us <= 0) warm_up(stream);
  if (shape_.loops == 0) {
    is_persistent ? find_persistent_loops(stream) : find_loops(stream);
  }
  if (shape_.unit_us <= 0) shape_.unit_us = measured_unit_us();
  check("cuStreamSynchronize", DRIVER(cuStreamSynchronize)(stream));
}

/// Until clocks have risen.
void GpuWork::warm_up(abi::CUstream stream) const {
  constexpr std::chrono::milliseconds kLongEnough{50};
  const auto end = Clock::now() + kLongEnough;
  while (Clock::now() < end) kernel_us(64, 4, stream);
}

void GpuWork::find_persistent_loops(abi::CUstream stream) {
  constexpr double kTrial = 0.05;  // Seconds.
  const auto rounds = static_cast<double>(persist(kTrial, stream));
  shape_.loops = static_cast<std::uint64_t>(
      std::max(1.0, rounds / (kTrial * kMillisecond)));
}

WorkStream::WorkStream(const GpuWork& work) : work_(work) {
  constexpr unsigned kNonBlocking = 1;
  check("cuStreamCreate", DRIVER(cuStreamCreate)(&stream_, kNonBlocking));
  const WorkKind kind = work.shape().kind;
  if (kind == WorkKind::kCopies || kind == WorkKind::kMixed) {
    check("cuMemAlloc", DRIVER(cuMemAlloc_v2)(&from_, work.shape().copy_bytes));
    check("cuMemAlloc", DRIVER(cuMemAlloc_v2)(&to_, work.shape().copy_bytes));
  }
  if (kind == WorkKind::kGraph) capture();
}

void WorkStream::capture() {
  check("cuStreamBeginCapture",
        DRIVER(cuStreamBeginCapture_v2)(
            stream_, abi::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
  for (int i = 0; i < kGraphKernels; ++i) {
    work_.launch_spin(work_.loops(), stream_);
  }
  abi::CUgraph graph = nullptr;
  check("cuStreamEndCapture", DRIVER(cuStreamEndCapture)(stream_, &graph));
  check("cuGraphInstantiateWithFlags",
        DRIVER(cuGraphInstantiateWithFlags)(&graph_, graph, 0));
  check("cuGraphDestroy", DRIVER(cuGraphDestroy)(graph));
}

void WorkStream::launch(CallTimes* times) const {
  timed(times, "cuLaunchKernel", [&] {
    work_.launch_spin(work_.loops(), stream_);
    return abi::CUDA_SUCCESS;
  });
}

void WorkStream::copy(CallTimes* times) const {
  static auto* const kCopy = DRIVER(cuMemcpyDtoDAsync_v2);
  timed(times, "cuMemcpyDtoDAsync",
        [&] { return kCopy(to_, from_, work_.shape().copy_bytes, stream_); });
}

void WorkStream::clear(CallTimes* times) const {
  static auto* const kSet = DRIVER(cuMemsetD32Async);
  timed(times, "cuMemsetD32Async",
        [&] { return kSet(from_, 0, work_.shape().copy_bytes / 4, stream_); });
}

void WorkStream::submit(CallTimes* times) const {
  static auto* const kLaunchGraph = DRIVER(cuGraphLaunch);
  switch (work_.shape().kind) {
    case WorkKind::kGraph:
      timed(times, "cuGraphLaunch",
            [&] { return kLaunchGraph(graph_, stream_); });
      break;
    case WorkKind::kMixed:
      launch(times);
      copy(times);
      clear(times);
      break;
    case WorkKind::kCopies:
      copy(times);
      break;
    case WorkKind::kKernels:
    case WorkKind::kInference:
    case WorkKind::kPersistent:
      launch(times);
      break;
  }
}

void WorkStream::synchronize() const {
  check("cuStreamSynchronize", DRIVER(cuStreamSynchronize)(stream_));
}

Mark::Mark(bool is_timed) {
  constexpr unsigned kBlockingSync = 1;
  const unsigned flags =
      is_timed ? 0U : kBlockingSync | abi::CU_EVENT_DISABLE_TIMING;
  check("cuEventCreate", DRIVER(cuEventCreate)(&event_, flags));
}

void Mark::set(const WorkStream& stream) const {
  static auto* const kRecord = DRIVER(cuEventRecord);
  check("cuEventRecord", kRecord(event_, stream.handle()));
}

bool Mark::is_passed() const {
  static auto* const kQuery = DRIVER(cuEventQuery);
  const abi::CUresult result = kQuery(event_);
  if (result == abi::CUDA_ERROR_NOT_READY) return false;
  check("cuEventQuery", result);
  return true;
}

void Mark::wait() const {
  static auto* const kWait = DRIVER(cuEventSynchronize);
  check("cuEventSynchronize", kWait(event_));
}

double Mark::since(const Mark& earlier) const {
  float milliseconds = 0;
  check("cuEventElapsedTime",
        DRIVER(cuEventElapsedTime)(&milliseconds, earlier.event_, event_));
  return static_cast<double>(milliseconds) * 1e3;
}

}  // namespace gpunode::bench
