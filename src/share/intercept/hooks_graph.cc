// Graphs, as far as their memory goes. Those without memory nodes are not
// known here, and cost a look into a table at each launch.
#include "share/intercept/graph_memory.h"
#include "share/intercept/passage.h"
#include "share/intercept/taking.h"

namespace gpunode::abi {

using share::account;
using share::driver;
using share::Null;
using share::real_of;

namespace {

/// `ask` instantiates `graph` to `*exec`.
template <typename Ask>
CUresult instantiate(CUgraphExec* exec, CUgraph graph, Ask ask) {
  const CUresult result = ask();
  if (result == CUDA_SUCCESS && account().is_limited()) {
    share::note_instantiated(*exec, graph);
  }
  return result;
}

template <typename Ask>
CUresult upload(Ask ask, CUgraphExec exec, CUstream stream) {
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  if (!account().is_limited()) return ask(exec, stream);
  share::GraphTaking taking;
  if (!taking.begin(exec)) return CUDA_ERROR_OUT_OF_MEMORY;
  const CUresult result = ask(exec, stream);
  taking.end(result == CUDA_SUCCESS);
  return result;
}

template <typename Ask>
CUresult launch(Ask ask, CUgraphExec exec, CUstream stream, Null null) {
  return share::pass(share::stream_of(stream, null), share::MayHold::kYes,
                     [&] { return upload(ask, exec, stream); });
}

/// One that is uploaded at once takes its memory at once: it is instantiated
/// without, and then uploaded as if the program asked for it.
template <typename Ask, typename Upload>
CUresult instantiate_with(Ask ask, Upload upload_it, CUgraphExec* exec,
                          CUgraph graph,
                          CUDA_GRAPH_INSTANTIATE_PARAMS* parameters) {
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  const bool is_uploaded =
      exec != nullptr && parameters != nullptr && upload_it != nullptr &&
      account().is_limited() &&
      (parameters->flags & CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD) != 0;
  if (is_uploaded) parameters->flags &= ~CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD;
  CUresult result =
      instantiate(exec, graph, [&] { return ask(exec, graph, parameters); });
  if (!is_uploaded) return result;
  parameters->flags |= CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD;
  if (result != CUDA_SUCCESS) return result;
  result = upload(upload_it, *exec, parameters->hUploadStream);
  if (result != CUDA_SUCCESS) cuGraphExecDestroy(*exec);
  return result;
}

}  // namespace

GPUNODE_EXPORT CUresult cuGraphInstantiate(CUgraphExec* exec, CUgraph graph,
                                           CUgraphNode* error_node, char* log,
                                           std::size_t log_bytes) {
  const auto ask = real_of(driver().cuGraphInstantiate);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  return instantiate(exec, graph, [&] {
    return ask(exec, graph, error_node, log, log_bytes);
  });
}

GPUNODE_EXPORT CUresult cuGraphInstantiate_v2(CUgraphExec* exec, CUgraph graph,
                                              CUgraphNode* error_node,
                                              char* log,
                                              std::size_t log_bytes) {
  const auto ask = real_of(driver().cuGraphInstantiate_v2);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  return instantiate(exec, graph, [&] {
    return ask(exec, graph, error_node, log, log_bytes);
  });
}

GPUNODE_EXPORT CUresult cuGraphInstantiateWithFlags(CUgraphExec* exec,
                                                    CUgraph graph,
                                                    std::uint64_t flags) {
  const auto ask = real_of(driver().cuGraphInstantiateWithFlags);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  return instantiate(exec, graph, [&] { return ask(exec, graph, flags); });
}

GPUNODE_EXPORT CUresult
cuGraphInstantiateWithParams(CUgraphExec* exec, CUgraph graph,
                             CUDA_GRAPH_INSTANTIATE_PARAMS* parameters) {
  return instantiate_with(real_of(driver().cuGraphInstantiateWithParams),
                          real_of(driver().cuGraphUpload), exec, graph,
                          parameters);
}

GPUNODE_EXPORT CUresult
cuGraphInstantiateWithParams_ptsz(CUgraphExec* exec, CUgraph graph,
                                  CUDA_GRAPH_INSTANTIATE_PARAMS* parameters) {
  return instantiate_with(real_of(driver().cuGraphInstantiateWithParams_ptsz),
                          real_of(driver().cuGraphUpload_ptsz), exec, graph,
                          parameters);
}

GPUNODE_EXPORT CUresult cuGraphExecDestroy(CUgraphExec exec) {
  const auto ask = real_of(driver().cuGraphExecDestroy);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  if (!account().is_limited()) return ask(exec);
  share::GraphNeeds needs;
  const bool was_known = share::begin_graph_destroy(exec, &needs);
  const CUresult result = ask(exec);
  if (was_known && result != CUDA_SUCCESS) {
    share::undo_graph_destroy(exec, needs);
  }
  return result;
}

GPUNODE_EXPORT CUresult cuGraphUpload(CUgraphExec exec, CUstream stream) {
  return upload(real_of(driver().cuGraphUpload), exec, stream);
}

GPUNODE_EXPORT CUresult cuGraphUpload_ptsz(CUgraphExec exec, CUstream stream) {
  return upload(real_of(driver().cuGraphUpload_ptsz), exec, stream);
}

GPUNODE_EXPORT CUresult cuGraphLaunch(CUgraphExec exec, CUstream stream) {
  return launch(real_of(driver().cuGraphLaunch), exec, stream, Null::kLegacy);
}

GPUNODE_EXPORT CUresult cuGraphLaunch_ptsz(CUgraphExec exec, CUstream stream) {
  return launch(real_of(driver().cuGraphLaunch_ptsz), exec, stream,
                Null::kOfThread);
}

GPUNODE_EXPORT CUresult cuDeviceGraphMemTrim(CUdevice device) {
  const auto ask = real_of(driver().cuDeviceGraphMemTrim);
  if (ask == nullptr) return CUDA_ERROR_NOT_INITIALIZED;
  const CUresult result = ask(device);
  if (result == CUDA_SUCCESS && account().is_limited()) {
    share::note_graphs_trimmed(device);
  }
  return result;
}

}  // namespace gpunode::abi
