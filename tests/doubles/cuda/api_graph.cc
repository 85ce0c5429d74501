// Graphs: their memory nodes alone. Nothing is taken before the first launch or
// upload; then in steps of 32 MiB, and kept for graphs until it is trimmed.
#include <algorithm>
#include <bit>

#include "gpu/abi/cuda_memory.h"
#include "tests/doubles/cuda/runtime.h"

namespace gpunode::abi {

using fake_cuda::enter_context;
using fake_cuda::enter_initialised;
using fake_cuda::Graph;
using fake_cuda::GraphExec;
using fake_cuda::GraphNode;
using fake_cuda::Runtime;

namespace {

constexpr std::uint64_t kStep = 32U << 20;

template <class Object, class Handle>
Object* find(const std::vector<std::unique_ptr<Object>>& objects,
             Handle handle) {
  for (const auto& object : objects) {
    if (std::bit_cast<Handle>(object.get()) == handle) return object.get();
  }
  return nullptr;
}

GraphNode* find_node(const Runtime& runtime, CUgraphNode handle) {
  for (const auto& graph : runtime.graphs.all) {
    GraphNode* node = find(graph->nodes, handle);
    if (node != nullptr) return node;
  }
  return nullptr;
}

/// As far as its addresses reach.
std::uint64_t bytes_of(const Graph& graph) {
  std::uint64_t bytes =
      (graph.next_address - Graph().next_address + kStep - 1) / kStep * kStep;
  for (const auto& node : graph.nodes) {
    if (node->child != nullptr) bytes += bytes_of(*node->child);
  }
  return bytes;
}

/// The exec has memory after it, or there was none.
CUresult back(Runtime& runtime, GraphExec* exec) {
  if (exec->has_memory) return CUDA_SUCCESS;
  if (exec->bytes != 0 &&
      !runtime.memory.take(exec->device, exec->bytes,
                           runtime.devices[exec->device].memory_bytes)) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  runtime.graphs.reserved[exec->device] += exec->bytes;
  exec->has_memory = true;
  return CUDA_SUCCESS;
}

CUresult instantiate(const char* call, CUgraphExec* exec, CUgraph graph,
                     bool is_uploaded) {
  return enter_context(call,
                       [&](Runtime& runtime, fake_cuda::Context& context) {
                         const Graph* found = find(runtime.graphs.all, graph);
                         if (exec == nullptr || found == nullptr) {
                           return CUDA_ERROR_INVALID_VALUE;
                         }
                         auto made = std::make_unique<GraphExec>();
                         made->device = context.device;
                         made->bytes = bytes_of(*found);
                         if (is_uploaded) {
                           const CUresult result = back(runtime, made.get());
                           if (result != CUDA_SUCCESS) return result;
                         }
                         *exec = std::bit_cast<CUgraphExec>(made.get());
                         runtime.graphs.execs.push_back(std::move(made));
                         return CUDA_SUCCESS;
                       });
}

CUresult launch(const char* call, CUgraphExec exec) {
  return enter_context(call, [&](Runtime& runtime, fake_cuda::Context&) {
    GraphExec* found = find(runtime.graphs.execs, exec);
    return found == nullptr ? CUDA_ERROR_INVALID_VALUE : back(runtime, found);
  });
}

template <class Object, class Handle>
CUresult erase(std::vector<std::unique_ptr<Object>>* objects, Handle handle) {
  const auto found =
      std::find_if(objects->begin(), objects->end(), [&](const auto& object) {
        return std::bit_cast<Handle>(object.get()) == handle;
      });
  if (found == objects->end()) return CUDA_ERROR_INVALID_VALUE;
  objects->erase(found);
  return CUDA_SUCCESS;
}

}  // namespace

CUresult cuGraphCreate(CUgraph* graph, unsigned /*flags*/) {
  return enter_initialised("cuGraphCreate", [&](Runtime& runtime) {
    if (graph == nullptr) return CUDA_ERROR_INVALID_VALUE;
    runtime.graphs.all.push_back(std::make_unique<Graph>());
    *graph = std::bit_cast<CUgraph>(runtime.graphs.all.back().get());
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphDestroy(CUgraph graph) {
  return enter_initialised("cuGraphDestroy", [&](Runtime& runtime) {
    return erase(&runtime.graphs.all, graph);
  });
}

CUresult cuGraphAddMemAllocNode(CUgraphNode* node, CUgraph graph,
                                const CUgraphNode* /*dependencies*/,
                                std::size_t /*count*/,
                                CUDA_MEM_ALLOC_NODE_PARAMS* parameters) {
  return enter_initialised("cuGraphAddMemAllocNode", [&](Runtime& runtime) {
    Graph* found = find(runtime.graphs.all, graph);
    if (node == nullptr || found == nullptr || parameters == nullptr ||
        parameters->bytesize == 0) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    auto made = std::make_unique<GraphNode>();
    made->type = CU_GRAPH_NODE_TYPE_MEM_ALLOC;
    made->bytes = parameters->bytesize;
    // What a node before it took and freed is used again, if it is as large.
    for (const auto& before : found->nodes) {
      if (before->type != CU_GRAPH_NODE_TYPE_MEM_FREE ||
          before->bytes != made->bytes) {
        continue;
      }
      made->address = before->address;
      before->bytes = 0;
      break;
    }
    if (made->address == 0) {
      made->address = found->next_address;
      found->next_address += (made->bytes + kStep - 1) / kStep * kStep;
    }
    parameters->dptr = made->address;
    *node = std::bit_cast<CUgraphNode>(made.get());
    found->nodes.push_back(std::move(made));
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphAddMemFreeNode(CUgraphNode* node, CUgraph graph,
                               const CUgraphNode* /*dependencies*/,
                               std::size_t /*count*/, CUdeviceptr address) {
  return enter_initialised("cuGraphAddMemFreeNode", [&](Runtime& runtime) {
    Graph* found = find(runtime.graphs.all, graph);
    if (node == nullptr || found == nullptr) return CUDA_ERROR_INVALID_VALUE;
    auto made = std::make_unique<GraphNode>();
    made->type = CU_GRAPH_NODE_TYPE_MEM_FREE;
    made->address = address;
    for (const auto& before : found->nodes) {
      if (before->address == address) made->bytes = before->bytes;
    }
    *node = std::bit_cast<CUgraphNode>(made.get());
    found->nodes.push_back(std::move(made));
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphAddChildGraphNode(CUgraphNode* node, CUgraph graph,
                                  const CUgraphNode* /*dependencies*/,
                                  std::size_t /*count*/, CUgraph child) {
  return enter_initialised("cuGraphAddChildGraphNode", [&](Runtime& runtime) {
    Graph* found = find(runtime.graphs.all, graph);
    Graph* inner = find(runtime.graphs.all, child);
    if (node == nullptr || found == nullptr || inner == nullptr) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    auto made = std::make_unique<GraphNode>();
    made->type = CU_GRAPH_NODE_TYPE_GRAPH;
    made->child = inner;
    *node = std::bit_cast<CUgraphNode>(made.get());
    found->nodes.push_back(std::move(made));
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphGetNodes(CUgraph graph, CUgraphNode* nodes,
                         std::size_t* count) {
  return enter_initialised("cuGraphGetNodes", [&](Runtime& runtime) {
    const Graph* found = find(runtime.graphs.all, graph);
    if (found == nullptr || count == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (nodes != nullptr) {
      *count = std::min(*count, found->nodes.size());
      for (std::size_t at = 0; at < *count; ++at) {
        nodes[at] = std::bit_cast<CUgraphNode>(found->nodes[at].get());
      }
    }
    *count = found->nodes.size();
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphNodeGetType(CUgraphNode node, CUgraphNodeType* type) {
  return enter_initialised("cuGraphNodeGetType", [&](Runtime& runtime) {
    const GraphNode* found = find_node(runtime, node);
    if (found == nullptr || type == nullptr) return CUDA_ERROR_INVALID_VALUE;
    *type = static_cast<CUgraphNodeType>(found->type);
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphMemAllocNodeGetParams(CUgraphNode node,
                                      CUDA_MEM_ALLOC_NODE_PARAMS* parameters) {
  return enter_initialised(
      "cuGraphMemAllocNodeGetParams", [&](Runtime& runtime) {
        const GraphNode* found = find_node(runtime, node);
        if (found == nullptr || parameters == nullptr ||
            found->type != CU_GRAPH_NODE_TYPE_MEM_ALLOC) {
          return CUDA_ERROR_INVALID_VALUE;
        }
        *parameters = {};
        parameters->poolProps.location = {CU_MEM_LOCATION_TYPE_DEVICE, 0};
        parameters->bytesize = found->bytes;
        parameters->dptr = found->address;
        return CUDA_SUCCESS;
      });
}

CUresult cuGraphChildGraphNodeGetGraph(CUgraphNode node, CUgraph* graph) {
  return enter_initialised(
      "cuGraphChildGraphNodeGetGraph", [&](Runtime& runtime) {
        const GraphNode* found = find_node(runtime, node);
        if (found == nullptr || graph == nullptr || found->child == nullptr) {
          return CUDA_ERROR_INVALID_VALUE;
        }
        *graph = std::bit_cast<CUgraph>(found->child);
        return CUDA_SUCCESS;
      });
}

CUresult cuGraphInstantiate(CUgraphExec* exec, CUgraph graph,
                            CUgraphNode* /*error_node*/, char* /*log*/,
                            std::size_t /*log_bytes*/) {
  return instantiate("cuGraphInstantiate", exec, graph, false);
}

CUresult cuGraphInstantiate_v2(CUgraphExec* exec, CUgraph graph,
                               CUgraphNode* /*error_node*/, char* /*log*/,
                               std::size_t /*log_bytes*/) {
  return instantiate("cuGraphInstantiate_v2", exec, graph, false);
}

CUresult cuGraphInstantiateWithFlags(CUgraphExec* exec, CUgraph graph,
                                     std::uint64_t /*flags*/) {
  return instantiate("cuGraphInstantiateWithFlags", exec, graph, false);
}

CUresult cuGraphInstantiateWithParams(
    CUgraphExec* exec, CUgraph graph,
    CUDA_GRAPH_INSTANTIATE_PARAMS* parameters) {
  if (parameters == nullptr) return CUDA_ERROR_INVALID_VALUE;
  return instantiate(
      "cuGraphInstantiateWithParams", exec, graph,
      (parameters->flags & CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD) != 0);
}

CUresult cuGraphInstantiateWithParams_ptsz(
    CUgraphExec* exec, CUgraph graph,
    CUDA_GRAPH_INSTANTIATE_PARAMS* parameters) {
  return cuGraphInstantiateWithParams(exec, graph, parameters);
}

CUresult cuGraphExecDestroy(CUgraphExec exec) {
  return enter_initialised("cuGraphExecDestroy", [&](Runtime& runtime) {
    return erase(&runtime.graphs.execs, exec);
  });
}

CUresult cuGraphUpload(CUgraphExec exec, CUstream /*stream*/) {
  return launch("cuGraphUpload", exec);
}

CUresult cuGraphUpload_ptsz(CUgraphExec exec, CUstream /*stream*/) {
  return launch("cuGraphUpload_ptsz", exec);
}

CUresult cuGraphLaunch(CUgraphExec exec, CUstream /*stream*/) {
  return launch("cuGraphLaunch", exec);
}

CUresult cuGraphLaunch_ptsz(CUgraphExec exec, CUstream /*stream*/) {
  return launch("cuGraphLaunch_ptsz", exec);
}

/// All that is reserved counts as used: what is free of it is not shared.
CUresult cuDeviceGetGraphMemAttribute(CUdevice device,
                                      CUgraphMem_attribute /*attribute*/,
                                      void* value) {
  return enter_initialised(
      "cuDeviceGetGraphMemAttribute", [&](Runtime& runtime) {
        if (value == nullptr || !runtime.has_device(device)) {
          return CUDA_ERROR_INVALID_VALUE;
        }
        *static_cast<std::uint64_t*>(value) =
            runtime.graphs.reserved[static_cast<std::size_t>(device)];
        return CUDA_SUCCESS;
      });
}

CUresult cuDeviceGraphMemTrim(CUdevice device) {
  return enter_initialised("cuDeviceGraphMemTrim", [&](Runtime& runtime) {
    if (!runtime.has_device(device)) return CUDA_ERROR_INVALID_DEVICE;
    const auto index = static_cast<std::size_t>(device);
    runtime.memory.give(index, runtime.graphs.reserved[index]);
    runtime.graphs.reserved[index] = 0;
    for (const auto& exec : runtime.graphs.execs) {
      if (exec->device == index) exec->has_memory = false;
    }
    return CUDA_SUCCESS;
  });
}

}  // namespace gpunode::abi
