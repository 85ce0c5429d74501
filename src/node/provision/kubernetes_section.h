// The section of a GPUNode file that is about the cluster.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "node/provision/kubernetes_spec.h"
#include "node/provision/spec_section.h"

namespace gpunode::provision {

/// Takes the whole section; what is wrong goes to its problems. A token that
/// stands in the file is refused, and no message quotes it.
void read_kubernetes(SpecSection section, KubernetesSpec& kubernetes);

/// What must be there, and what can't be together, of the whole file with its
/// drop-ins.
void check_kubernetes(const KubernetesSpec& kubernetes,
                      const std::string& file_name,
                      std::vector<std::string>& problems);

/// "abcdef.0123456789abcdef": a bootstrap token by its looks.
bool is_bootstrap_token(std::string_view text);

/// The minor version of "1.25" or "1.25.16"; -1 for what is neither.
int kubernetes_minor(std::string_view version);

}  // namespace gpunode::provision
