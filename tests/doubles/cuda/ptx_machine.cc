#include "tests/doubles/cuda/ptx_machine.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>

#include "tests/doubles/cuda/ptx_arithmetic.h"

namespace gpunode::fake_cuda::ptx {

namespace {

using abi::CUresult;

constexpr std::uint32_t kWarpThreads = 32;

std::uint64_t nanoseconds() {
  return static_cast<std::uint64_t>(
      std::chrono::steady_clock::now().time_since_epoch().count());
}

/// The last few allocations that were hit: kernels stay in theirs.
class Translator {
 public:
  Translator(const Memory& memory, const Context* context)
      : memory_(memory), context_(context) {}

  /// The bytes behind a device address, or null.
  std::byte* find(std::uint64_t address, std::uint32_t bytes) {
    for (const Allocation* recent : recent_) {
      if (recent == nullptr) break;
      const std::uint64_t offset = address - recent->address;
      if (offset < recent->bytes && bytes <= recent->bytes - offset) {
        return recent->data + offset;
      }
    }
    const Allocation* found = memory_.find(address, bytes);
    if (found == nullptr || !found->is_visible_to(context_)) return nullptr;
    std::move_backward(recent_.begin(), recent_.end() - 1, recent_.end());
    recent_[0] = found;
    return found->data + (address - found->address);
  }

 private:
  const Memory& memory_;
  const Context* context_;
  std::array<const Allocation*, 4> recent_{};
};

/// One thread between two barriers.
struct Thread {
  std::vector<std::uint64_t> registers;
  std::array<std::uint32_t, static_cast<std::size_t>(Special::kCount)>
      special{};
  std::size_t next = 0;  ///< Index of the next instruction.
  bool is_done = false;
};

class Machine {
 public:
  explicit Machine(const Launch& launch)
      : launch_(launch),
        kernel_(*launch.kernel),
        translator_(*launch.memory, launch.context),
        shared_(std::size_t{kernel_.shared_bytes} +
                launch.dynamic_shared_bytes),
        instructions_left_(launch.most_instructions) {}

  CUresult run() {
    Extent block;
    for (block.z = 0; block.z < launch_.grid.z; ++block.z) {
      for (block.y = 0; block.y < launch_.grid.y; ++block.y) {
        for (block.x = 0; block.x < launch_.grid.x; ++block.x) {
          const CUresult result =
              kernel_.has_barrier ? run_together(block) : run_apart(block);
          if (result != abi::CUDA_SUCCESS) return result;
        }
      }
    }
    return abi::CUDA_SUCCESS;
  }

 private:
  /// Without barriers no thread waits for another: one register file does.
  CUresult run_apart(const Extent& block) {
    std::fill(shared_.begin(), shared_.end(), std::byte{0});
    for (std::uint64_t i = 0; i < launch_.block.count(); ++i) {
      start(&thread_, block, static_cast<std::uint32_t>(i));
      const CUresult result = advance(&thread_);
      if (result != abi::CUDA_SUCCESS) return result;
    }
    return abi::CUDA_SUCCESS;
  }

  CUresult run_together(const Extent& block) {
    std::fill(shared_.begin(), shared_.end(), std::byte{0});
    threads_.resize(launch_.block.count());
    for (std::size_t i = 0; i < threads_.size(); ++i) {
      start(&threads_[i], block, static_cast<std::uint32_t>(i));
    }
    bool is_running = true;
    while (is_running) {
      is_running = false;
      for (Thread& thread : threads_) {
        if (thread.is_done) continue;
        const CUresult result = advance(&thread);
        if (result != abi::CUDA_SUCCESS) return result;
        is_running = is_running || !thread.is_done;
      }
    }
    return abi::CUDA_SUCCESS;
  }

  void start(Thread* thread, const Extent& block, std::uint32_t number) {
    thread->registers.assign(kernel_.register_count, 0);
    thread->next = 0;
    thread->is_done = false;
    const Extent& size = launch_.block;
    thread->special = {number % size.x,
                       number / size.x % size.y,
                       number / size.x / size.y,
                       size.x,
                       size.y,
                       size.z,
                       block.x,
                       block.y,
                       block.z,
                       launch_.grid.x,
                       launch_.grid.y,
                       launch_.grid.z,
                       number % kWarpThreads,
                       number / kWarpThreads};
  }

  /// Runs until a barrier, the end or an error.
  CUresult advance(Thread* thread) {
    while (true) {
      if (instructions_left_ == 0) return abi::CUDA_ERROR_LAUNCH_TIMEOUT;
      --instructions_left_;
      const Instruction& i = kernel_.code[thread->next++];
      if (i.guard != Instruction::kUnguarded &&
          ((thread->registers[i.guard] & 1) != 0) == i.is_guard_negated) {
        continue;
      }
      switch (i.opcode) {
        case Opcode::kBra:
          thread->next = i.target;
          break;
        case Opcode::kRet:
          thread->is_done = true;
          return abi::CUDA_SUCCESS;
        case Opcode::kBar:
          return abi::CUDA_SUCCESS;
        case Opcode::kTrap:
          return abi::CUDA_ERROR_LAUNCH_FAILED;
        case Opcode::kFence:
          break;
        case Opcode::kLd:
        case Opcode::kSt:
        case Opcode::kAtom:
          if (const CUresult result = access(i, thread);
              result != abi::CUDA_SUCCESS) {
            return result;
          }
          break;
        default:
          thread->registers[i.destination.index] = compute(
              i, {read(i.a, *thread), read(i.b, *thread), read(i.c, *thread)});
      }
    }
  }

  static std::uint64_t read(const Operand& operand, const Thread& thread) {
    switch (operand.kind) {
      case Operand::Kind::kRegister:
        return thread.registers[operand.index];
      case Operand::Kind::kImmediate:
        return operand.bits;
      case Operand::Kind::kSpecial:
        return read_special(operand.index, thread);
      case Operand::Kind::kNone:
        break;
    }
    return 0;
  }

  static std::uint64_t read_special(std::uint32_t index, const Thread& thread) {
    if (index < thread.special.size()) return thread.special[index];
    const std::uint64_t now = nanoseconds();
    return static_cast<Special>(index) == Special::kClock
               ? static_cast<std::uint32_t>(now)
               : now;
  }

  /// Registers hold zeros above their declared width.
  static void write(const Instruction& i, Thread* thread, std::uint64_t value) {
    const unsigned unused = 64U - i.destination_bits;
    thread->registers[i.destination.index] = value << unused >> unused;
  }

  CUresult access(const Instruction& i, Thread* thread) {
    const std::uint64_t address =
        read(i.address, *thread) + static_cast<std::uint64_t>(i.address.offset);
    const std::uint32_t bytes = i.type.bytes();
    if (address % bytes != 0) return abi::CUDA_ERROR_MISALIGNED_ADDRESS;
    if (i.space == Space::kParam) return load_parameter(i, address, thread);
    std::byte* memory = locate(i.space, address, bytes);
    if (memory == nullptr) return abi::CUDA_ERROR_ILLEGAL_ADDRESS;
    std::uint64_t value = 0;
    if (i.opcode == Opcode::kSt) {
      value = read(i.a, *thread);
      std::memcpy(memory, &value, bytes);
      return abi::CUDA_SUCCESS;
    }
    std::memcpy(&value, memory, bytes);
    write(i, thread, widen(i.type, value));
    if (i.opcode == Opcode::kAtom) {
      const std::uint64_t stored =
          compute_atomic(i, value, {0, read(i.b, *thread), read(i.c, *thread)});
      std::memcpy(memory, &stored, bytes);
    }
    return abi::CUDA_SUCCESS;
  }

  CUresult load_parameter(const Instruction& i, std::uint64_t offset,
                          Thread* thread) const {
    const std::uint32_t bytes = i.type.bytes();
    if (offset > launch_.parameters.size() ||
        bytes > launch_.parameters.size() - offset) {
      return abi::CUDA_ERROR_ILLEGAL_ADDRESS;
    }
    std::uint64_t value = 0;
    std::memcpy(&value, launch_.parameters.data() + offset, bytes);
    write(i, thread, widen(i.type, value));
    return abi::CUDA_SUCCESS;
  }

  std::byte* locate(Space space, std::uint64_t address, std::uint32_t bytes) {
    if (space != Space::kShared) return translator_.find(address, bytes);
    if (address > shared_.size() || bytes > shared_.size() - address) {
      return nullptr;
    }
    return shared_.data() + address;
  }

  const Launch& launch_;
  const Kernel& kernel_;
  Translator translator_;
  std::vector<std::byte> shared_;
  Thread thread_;                ///< For blocks without barriers.
  std::vector<Thread> threads_;  ///< For blocks with.
  std::uint64_t instructions_left_;
};

}  // namespace

CUresult execute(const Launch& launch) {
  return Machine(launch).run();
}

}  // namespace gpunode::fake_cuda::ptx
