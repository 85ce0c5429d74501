// A runtime in containerd's configuration, for its versions 1 to 4.
//
// Pure: texts in, texts out. Where the change goes depends on what the daemon
// does with several files. It reads what `imports` names, but before 2.1 the
// last file with a plugin's table wins whole (containerd issue 5837): a drop-in
// must then repeat the whole CRI section and freezes it. So from 2.1 on the
// drop-in is small, and before that the file itself is edited.
#pragma once

#include <optional>
#include <string>

#include "base/core/result.h"
#include "base/text/tree.h"
#include "container/engines/plan.h"
#include "container/engines/request.h"

namespace gpunode::engines {

struct ContainerdFiles {
  enum class DropIn {
    kNone,          ///< The file itself is edited.
    kSmall,         ///< Only what is ours; the daemon must merge tables.
    kWholeSection,  ///< With a copy of the CRI section.
  };

  std::string config_path;
  std::optional<std::string> config;  ///< Nothing: there is no such file.
  std::string drop_in_path;
  std::optional<std::string> drop_in_text;  ///< What is there now.
  DropIn drop_in = DropIn::kNone;
  /// What the daemon runs with now, if known, imported files included; its
  /// version may be newer than the file's. It has the entry to copy from. A
  /// file that names runtimes makes containerd forget its built-in ones: where
  /// the first is named, those are named with it.
  std::optional<text::Node> effective;
  /// What it would run with without any file; goes with `effective`.
  std::optional<text::Node> built_in;
  /// Where the CRI section is copied from, if not from the file.
  std::optional<text::Node> section_source;
};

/// The configuration's version: 2 for an empty one, 1 for one that does not
/// say. Fails with kCorrupt if it is no whole number.
Result<long long> containerd_schema(const text::Node& config);

/// {"plugins", the name of the CRI plugin in that version}.
text::KeyPath containerd_cri(long long schema);

/// Plans the change. A configuration of version 1 is edited in place, whatever
/// was asked: it has no imports. Fails as the TOML editor does.
Result<EnginePlan> plan_containerd(const ContainerdFiles& files,
                                   const RuntimeRequest& request);

}  // namespace gpunode::engines
