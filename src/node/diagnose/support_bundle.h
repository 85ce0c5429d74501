// What `gpunode support-bundle` sends along: docs/formats/support-bundle.md.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/host/host_root.h"
#include "node/facts/scrub.h"

namespace gpunode::diagnose {

/// A program whose answer goes in.
struct SupportProgram {
  std::string name;  ///< "nvidia-smi"; its answer is programs/<name>.txt.
  /// argv[0] is looked for where distributions have it.
  std::vector<std::string> argv;
};

/// Programs of the host that tell of kernel, driver, runtime and kubelet. All
/// only look.
std::vector<SupportProgram> support_programs();

/// Verbs of this program: "doctor", with `level` the last of verify.
std::vector<SupportProgram> support_reports(int level);

/// Files of the host by their paths, those of directories listed. No keys, no
/// kubeconfigs, no tokens: what is a secret as a whole is not in the list.
std::vector<std::string> support_files(const host::HostRoot& host);

/// Teaches `scrubber` what this machine is by: serials that facts do not ask
/// for.
void learn_machine(const host::HostRoot& host, facts::Scrubber& scrubber);

/// The same, of the GPUs' serials in what `nvidia-smi -q` says.
void learn_gpu_serials(std::string_view nvidia_smi, facts::Scrubber& scrubber);

/// One part of the bundle.
struct SupportPart {
  std::string name;    ///< "programs/nvidia-smi.txt".
  std::string source;  ///< "nvidia-smi -q", "/etc/containerd/config.toml".
  std::string content;
  std::string problem = {};  ///< Why it is not there, or not whole.
  bool is_there = true;      ///< It was read, or the program ran to its end.
};

/// At most this much of a part is kept: its end.
inline constexpr std::size_t kSupportPartLimitBytes = std::size_t{2} << 20U;

/// A tar archive of the parts and manifest.json, each text scrubbed. `facts` is
/// the recorded host as gpunode facts --export writes it, or "".
Result<std::string> support_archive(std::vector<SupportPart> parts,
                                    const std::string& facts,
                                    std::string_view version,
                                    const facts::Scrubber& scrubber);

}  // namespace gpunode::diagnose
