// A runtime in CRI-O's configuration. Pure: texts in, texts out.
//
// CRI-O reads crio.conf.d by itself and merges runtimes by name, so the change
// is a small drop-in; or the file itself is edited when none is wanted.
#pragma once

#include <optional>
#include <string>

#include "base/core/result.h"
#include "container/engines/plan.h"
#include "container/engines/request.h"

namespace gpunode::engines {

struct CrioFiles {
  std::string config_path;
  std::optional<std::string> config;
  std::string drop_in_path;  ///< Empty: the file itself is edited.
  std::optional<std::string> drop_in_text;
  /// Effective configuration, if it is to be the source and not the file.
  std::optional<std::string> source;
};

/// Plans the change; an existing drop-in is replaced. Fails as the TOML editor
/// does.
Result<EnginePlan> plan_crio(const CrioFiles& files,
                             const RuntimeRequest& request);

}  // namespace gpunode::engines
