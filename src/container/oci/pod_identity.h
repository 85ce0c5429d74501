// Which container of which Pod a config.json is for, in the engine's words.
#pragma once

#include <string>

#include "container/oci/container_config.h"

namespace gpunode::oci {

/// Names from annotations that containerd and CRI-O write themselves, after
/// those a Pod may bring; and the Pod's UID, which the cgroup's path, made by
/// the kubelet, confirms. Fields are empty where the engine says nothing, or
/// where a Pod brought the other engine's annotation with another value.
struct PodIdentity {
  std::string pod_uid;
  std::string pod_namespace;
  std::string pod_name;
  std::string container_name;
  std::string image;

  /// Enough to find what the kubelet granted.
  bool is_known() const { return !pod_uid.empty() && !container_name.empty(); }
};

/// An identity without a UID if annotation and cgroup name different Pods.
PodIdentity read_pod_identity(const ContainerConfig& config);

/// The UID in "kubepods-besteffort-pod<uid>.slice:cri-containerd:<id>" or
/// "/kubepods/burstable/pod<uid>/<id>"; empty if there is none.
std::string pod_uid_of_cgroup(std::string_view cgroups_path);

}  // namespace gpunode::oci
