// Several files of one node as one tree.
#pragma once

#include <string>
#include <vector>

#include "base/text/node.h"
#include "node/provision/spec_section.h"

namespace gpunode::provision {

struct SpecTree {
  std::string file_name;
  text::Node root;
};

struct MergedSpec {
  text::Node root;
  SpecOrigins origins;
};

/// The first tree with the others merged into it (RFC 7386). Where two of the
/// others give one key different values a problem is added for it.
MergedSpec merge_specs(const std::vector<SpecTree>& trees,
                       std::vector<std::string>& problems);

}  // namespace gpunode::provision
