// Graphs with memory nodes, as deeds of cuda_taker.
#pragma once

#include <cstddef>
#include <string>

namespace gpunode::share {

/// graph N M       one that takes M times N bytes, all at once
/// chain N M       one that takes and frees N bytes M times in turn
/// nested N M      the first inside another
/// launch, upload  the last one
/// uploaded N M    one that is uploaded as it is instantiated
/// end             destroys the last one's instance
/// graphtrim       returns what graphs don't use
/// False: it is none of these.
bool do_graph(const std::string& deed, std::size_t bytes, std::size_t count);
bool is_graph_with_size(const std::string& deed);

}  // namespace gpunode::share
