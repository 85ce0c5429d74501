// Whether a host may leave its cluster, and what is to be known of it. Pure but
// for joined_to() and look_at_membership().
#pragma once

#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/host/host_root.h"
#include "node/provision/journal.h"
#include "node/provision/steps/kubernetes/node_identity.h"

namespace gpunode::provision {

/// What a host is of a cluster, by kubeadm's files.
struct Membership {
  bool has_traces = false;        ///< A node, or half of one.
  bool is_node = false;           ///< There is a kubelet.conf.
  bool is_control_plane = false;  ///< Leaving would end the cluster.
  std::string server = {};        ///< "https://10.0.0.10:6443"; may be empty.
  std::string node = {};          ///< Its name, as the kubelet has it.
};

Membership look_at_membership(const host::HostRoot& host);

/// The cluster that the kubelet of `host` is of. kNotFound: it is no node, or
/// its kubelet.conf cannot be read.
Result<JoinedCluster> joined_to(const host::HostRoot& host);

/// Whether the last join that the journal has did something, did not fail, and
/// is not undone and not left since: the host is a node by us.
bool is_joined_by_us(const std::vector<JournalLine>& lines);

/// What kubeadm's reset does not take away, one a line, for people.
std::vector<std::string> left_behind();

}  // namespace gpunode::provision
