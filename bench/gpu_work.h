// Work for a GPU in units whose time is known, so that what a process got done
// of them says how much of the GPU it had.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "gpu/abi/cuda.h"
#include "gpu/abi/cuda_memory.h"

namespace gpunode::bench {

enum class WorkKind : std::uint8_t {
  kKernels,     ///< A unit is a kernel.
  kGraph,       ///< A CUDA graph of 20 kernels, captured from a stream.
  kCopies,      ///< A copy from device memory to device memory.
  kMixed,       ///< A kernel, a copy and a memset.
  kPersistent,  ///< A millisecond of a kernel that runs all the time.
  kInference,   ///< A kernel; requests of several of them come in a rhythm.
};

struct WorkShape {
  WorkKind kind = WorkKind::kKernels;
  double kernel_us = 200;
  unsigned blocks = 0;  ///< Of 128 threads. 0: blocks_a_processor for each.
  /// Half of what may be at work at once; a GPU has to be full of many times as
  /// many before a part of it does less.
  unsigned blocks_a_processor = 8;
  std::size_t copy_bytes = std::size_t{64} << 20U;
  /// Of a kernel; of the persistent one, in a millisecond. 0: to be found out.
  std::uint64_t loops = 0;
  double unit_us = 0;  ///< What a unit takes alone; 0: to be found out.
};

/// What calls have taken that hand work to the driver, microseconds.
class CallTimes {
 public:
  void note(double microseconds);
  void add(const CallTimes& other);
  void print() const;

 private:
  /// From here on a call has waited: no launch of a free GPU takes so long.
  static constexpr float kStall = 100;
  static constexpr std::size_t kMost = std::size_t{1} << 22U;

  std::vector<float> times_;
  double sum_ = 0;
  std::uint64_t count_ = 0;
};

/// The `fraction` quantile, nearest rank; 0 of nothing.
double quantile(std::vector<float> times, double fraction);

/// The primary context of device 0, with the kernels. Any number of threads
/// after calibrate(), each of which calls enter() first.
class GpuWork {
 public:
  explicit GpuWork(const WorkShape& shape);

  void enter() const;
  /// Finds loops() and unit_us() out, where the shape does not say them.
  void calibrate();

  const WorkShape& shape() const { return shape_; }
  /// That this process sees: under MPS it may be some of them.
  unsigned processors() const { return processors_; }
  unsigned blocks() const { return blocks_; }
  std::uint64_t loops() const { return shape_.loops; }
  double unit_us() const { return shape_.unit_us; }

  void launch_spin(std::uint64_t loops, abi::CUstream stream) const;
  /// Runs the persistent kernel and waits for it; how often it went round.
  std::uint64_t persist(double seconds, abi::CUstream stream) const;

 private:
  double kernel_us(std::uint64_t loops, int count, abi::CUstream stream) const;
  void warm_up(abi::CUstream stream) const;
  void find_loops(abi::CUstream stream);
  void find_persistent_loops(abi::CUstream stream);
  double measured_unit_us() const;

  WorkShape shape_;
  unsigned processors_ = 0;
  unsigned blocks_ = 0;
  abi::CUcontext context_ = nullptr;
  abi::CUfunction spin_ = nullptr;
  abi::CUfunction persist_ = nullptr;
  abi::CUdeviceptr out_ = 0;
};

/// A stream and what is done in it. Of one thread, which has entered. As all
/// here, what it has of the driver's ends with the process.
class WorkStream {
 public:
  explicit WorkStream(const GpuWork& work);

  /// Hands a unit to the driver.
  void submit(CallTimes* times) const;
  void synchronize() const;
  abi::CUstream handle() const { return stream_; }

 private:
  void launch(CallTimes* times) const;
  void copy(CallTimes* times) const;
  void clear(CallTimes* times) const;
  void capture();

  const GpuWork& work_;
  abi::CUstream stream_ = nullptr;
  abi::CUdeviceptr from_ = 0;
  abi::CUdeviceptr to_ = 0;
  abi::CUgraphExec graph_ = nullptr;
};

/// A point in a stream's work. Who waits for it sleeps: several processes that
/// spin would be in each other's way.
class Mark {
 public:
  explicit Mark(bool is_timed = false);
  void set(const WorkStream& stream) const;
  bool is_passed() const;
  void wait() const;
  /// Microseconds from that point to this, if both have a time.
  double since(const Mark& earlier) const;

 private:
  abi::CUevent event_ = nullptr;
};

}  // namespace gpunode::bench
