// What graphs take for their memory nodes.
//
// Nothing when a node is added, nor when the graph is instantiated; when it is
// first launched or uploaded the driver takes memory for all of it, in steps of
// 32 MiB a device, and keeps it for graphs until it is trimmed (H200, driver
// 580). What is needed is reserved before, and settled to what the driver says.
#pragma once

#include <array>
#include <cstdint>

#include "gpu/abi/cuda_memory.h"

namespace gpunode::share {

/// Notes which memory the graph's nodes will want.
void note_instantiated(abi::CUgraphExec exec, abi::CUgraph graph);
/// Before the driver is asked to destroy it, and if it refused that.
struct GraphNeeds {
  static constexpr std::size_t kMostDevices = 16;  ///< As the limits have.
  /// By the driver's own number: which one of the limits' it is may not be
  /// known yet.
  struct Of {
    std::uint64_t bytes;   ///< 0: it is none, and none follows.
    std::uint64_t backed;  ///< Since which trim; 0: it has no memory yet.
    abi::CUdevice device;
  };
  std::array<Of, kMostDevices> of;
};
bool begin_graph_destroy(abi::CUgraphExec exec, GraphNeeds* needs);
void undo_graph_destroy(abi::CUgraphExec exec, const GraphNeeds& needs);

/// One launch or upload.
class GraphTaking {
 public:
  /// False if a limit has no room.
  bool begin(abi::CUgraphExec exec);
  void end(bool is_launched);

 private:
  enum class Answer : std::uint8_t { kGranted, kRefused, kLater };
  Answer begin_once(abi::CUgraphExec exec, std::uint32_t* refused);

  std::uint64_t exec_ = 0;  ///< 0: it has no memory nodes.
  std::array<std::uint64_t, GraphNeeds::kMostDevices> reserved_ = {};
  std::array<std::uint64_t, GraphNeeds::kMostDevices> promised_ = {};
  std::array<std::uint64_t, GraphNeeds::kMostDevices> trims_ = {};
};

/// Makes the charge of every device's graphs what they hold.
void settle_graphs();
/// Has the driver return what graphs of the device, by its number in the
/// limits, don't use; true if that was anything.
bool trim_graphs(std::uint32_t device);
/// The program had it done.
void note_graphs_trimmed(abi::CUdevice device);

void forget_graphs();

}  // namespace gpunode::share
