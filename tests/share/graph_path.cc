#include "tests/share/graph_path.h"

#include <cstdio>

#include "gpu/abi/cuda_memory.h"
#include "tests/share/driver_way.h"

namespace gpunode::share {
namespace {

abi::CUgraphExec last = nullptr;

void say(const std::string& deed, int result) {
  std::printf("%s %d\n", deed.c_str(), result);
}

abi::CUgraph make(std::size_t bytes, std::size_t count, bool is_chain) {
  abi::CUgraph graph = nullptr;
  GET(cuGraphCreate, cuGraphCreate)(&graph, 0);
  abi::CUgraphNode node = nullptr;
  for (std::size_t at = 0; at < count; ++at) {
    abi::CUDA_MEM_ALLOC_NODE_PARAMS taken = {};
    taken.poolProps.allocType = abi::CU_MEM_ALLOCATION_TYPE_PINNED;
    taken.poolProps.location = {abi::CU_MEM_LOCATION_TYPE_DEVICE, 0};
    taken.bytesize = bytes;
    const abi::CUgraphNode before = node;
    GET(cuGraphAddMemAllocNode, cuGraphAddMemAllocNode)
    (&node, graph, &before, at == 0 ? 0 : 1, &taken);
    if (!is_chain) continue;
    const abi::CUgraphNode taker = node;
    GET(cuGraphAddMemFreeNode, cuGraphAddMemFreeNode)
    (&node, graph, &taker, 1, taken.dptr);
  }
  return graph;
}

void instantiate(const std::string& deed, std::size_t bytes,
                 std::size_t count) {
  abi::CUgraph graph = make(bytes, count, deed == "chain");
  if (deed == "nested") {
    abi::CUgraph outer = make(bytes, 0, false);
    abi::CUgraphNode node = nullptr;
    GET(cuGraphAddChildGraphNode, cuGraphAddChildGraphNode)
    (&node, outer, nullptr, 0, graph);
    graph = outer;
  }
  if (deed == "uploaded") {
    abi::CUDA_GRAPH_INSTANTIATE_PARAMS parameters = {};
    parameters.flags = abi::CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD;
    say(deed, GET(cuGraphInstantiateWithParams, cuGraphInstantiateWithParams)(
                  &last, graph, &parameters));
    return;
  }
  say(deed, GET(cuGraphInstantiateWithFlags, cuGraphInstantiateWithFlags)(
                &last, graph, 0));
}

}  // namespace

bool is_graph_with_size(const std::string& deed) {
  return deed == "graph" || deed == "chain" || deed == "nested" ||
         deed == "uploaded";
}

bool do_graph(const std::string& deed, std::size_t bytes, std::size_t count) {
  if (is_graph_with_size(deed)) {
    instantiate(deed, bytes, count);
  } else if (deed == "launch") {
    say(deed, GET(cuGraphLaunch, cuGraphLaunch)(last, nullptr));
  } else if (deed == "upload") {
    say(deed, GET(cuGraphUpload, cuGraphUpload)(last, nullptr));
  } else if (deed == "end") {
    say(deed, GET(cuGraphExecDestroy, cuGraphExecDestroy)(last));
  } else if (deed == "graphtrim") {
    say(deed, GET(cuDeviceGraphMemTrim, cuDeviceGraphMemTrim)(0));
  } else {
    return false;
  }
  return true;
}

}  // namespace gpunode::share
