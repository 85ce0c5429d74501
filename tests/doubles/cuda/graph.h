// Graphs of memory nodes, and what they take when they are launched.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace gpunode::fake_cuda {

struct Graph;

/// Its address is the CUgraphNode.
struct GraphNode {
  int type = 0;
  std::uint64_t bytes = 0;  ///< Of memory that it takes.
  std::uint64_t address = 0;
  Graph* child = nullptr;
};

/// Its address is the CUgraph.
struct Graph {
  std::size_t device = 0;
  std::vector<std::unique_ptr<GraphNode>> nodes;
  std::uint64_t next_address = 0x48ea000000;
};

/// Its address is the CUgraphExec.
struct GraphExec {
  std::size_t device = 0;
  std::uint64_t bytes = 0;  ///< In steps of 32 MiB.
  bool has_memory = false;
};

struct Graphs {
  std::vector<std::unique_ptr<Graph>> all;
  std::vector<std::unique_ptr<GraphExec>> execs;
  std::map<std::size_t, std::uint64_t> reserved;  ///< By device.
};

}  // namespace gpunode::fake_cuda
