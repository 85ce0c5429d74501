// Reading `kind: GPUNode` and its drop-ins, strictly.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/host/host_root.h"
#include "node/provision/node_spec.h"

namespace gpunode::provision {

/// One file as read.
struct SpecText {
  std::string file_name;  ///< As shown in messages.
  std::string text;
};

/// What is wrong, where, and what would be right, in one line:
/// `node.yaml:7:5: unknown key "storge" (did you mean "storage"?)`.
using SpecProblem = std::string;

struct SpecReading {
  NodeSpec spec;                      ///< Means nothing if there are problems.
  std::vector<SpecProblem> problems;  ///< In the order of files and lines.
};

/// The first text is the file, the others are drop-ins merged into it in their
/// order (RFC 7386: mappings merge, everything else replaces, null removes).
/// Two drop-ins that give one key different values contradict each other: that
/// is a problem, since only their names would decide.
SpecReading read_spec(const std::vector<SpecText>& texts);

/// The file at `path` below `host` and conf.d/*.yaml beside it, in the order of
/// their names.
Result<std::vector<SpecText>> find_spec_files(const host::HostRoot& host,
                                              const std::string& path);

/// Where it is looked for unless told otherwise.
inline constexpr std::string_view kDefaultSpecPath = "/etc/gpunode/node.yaml";

}  // namespace gpunode::provision
