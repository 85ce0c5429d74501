#include "container/oci/pod_identity.h"

#include <gtest/gtest.h>

namespace gpunode::oci {
namespace {

constexpr const char* kUid = "0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0";

TEST(PodIdentity, OfContainerd) {
  ContainerConfig config;
  config.annotations = {{"io.kubernetes.cri.container-type", "container"},
                        {"io.kubernetes.cri.container-name", "main"},
                        {"io.kubernetes.cri.sandbox-name", "pod-1"},
                        {"io.kubernetes.cri.sandbox-namespace", "team"},
                        {"io.kubernetes.cri.image-name", "cuda:12"},
                        {"io.kubernetes.cri.sandbox-uid", kUid}};
  config.cgroups_path =
      "kubepods-besteffort-pod0b1c2d3e_4f50_6172_8394_a5b6c7d8e9f0.slice:"
      "cri-containerd:abc";
  const PodIdentity identity = read_pod_identity(config);
  EXPECT_TRUE(identity.is_known());
  EXPECT_EQ(identity.pod_uid, kUid);
  EXPECT_EQ(identity.pod_namespace, "team");
  EXPECT_EQ(identity.pod_name, "pod-1");
  EXPECT_EQ(identity.container_name, "main");
  EXPECT_EQ(identity.image, "cuda:12");
}

TEST(PodIdentity, OfCrioWithTheUidOfTheCgroupAlone) {
  ContainerConfig config;
  config.annotations = {{"io.kubernetes.container.name", "main"},
                        {"io.kubernetes.cri-o.ContainerType", "container"}};
  config.cgroups_path = std::string("/kubepods/burstable/pod") + kUid + "/abc";
  EXPECT_EQ(read_pod_identity(config).pod_uid, kUid);
}

// CRI-O copies a Pod's annotations, containerd's keys among them.
TEST(PodIdentity, APodCannotCallItselfAnotherWithTheOtherEnginesKeys) {
  ContainerConfig config;
  config.annotations = {{"io.kubernetes.pod.uid", kUid},
                        {"io.kubernetes.pod.namespace", "team"},
                        {"io.kubernetes.pod.name", "pod-1"},
                        {"io.kubernetes.container.name", "main"},
                        {"io.kubernetes.cri.sandbox-namespace", "monitoring"},
                        {"io.kubernetes.cri.sandbox-name", "exporter"}};
  config.cgroups_path = std::string("/kubepods/pod") + kUid + "/abc";
  const PodIdentity identity = read_pod_identity(config);
  EXPECT_EQ(identity.pod_namespace, "");
  EXPECT_EQ(identity.pod_name, "");
  EXPECT_TRUE(identity.is_known());
  config.annotations["io.kubernetes.cri.container-name"] = "sibling";
  EXPECT_FALSE(read_pod_identity(config).is_known());
}

TEST(PodIdentity, WhenAnnotationAndCgroupDisagreeNobodyIsKnown) {
  ContainerConfig config;
  config.annotations = {{"io.kubernetes.cri.container-name", "main"},
                        {"io.kubernetes.cri.sandbox-uid",
                         "99999999-4f50-6172-8394-a5b6c7d8e9f0"}};
  config.cgroups_path = std::string("/kubepods/pod") + kUid + "/abc";
  EXPECT_FALSE(read_pod_identity(config).is_known());
}

TEST(PodIdentity, UidsOfCgroups) {
  EXPECT_EQ(
      pod_uid_of_cgroup("/kubepods/pod0123456789abcdef0123456789abcdef/x"),
      "0123456789abcdef0123456789abcdef")
      << "a static Pod";
  EXPECT_EQ(pod_uid_of_cgroup("/system.slice/docker-abc.scope"), "");
  EXPECT_EQ(pod_uid_of_cgroup("kubepods-podxyz.slice:cri-containerd:a"), "");
  EXPECT_EQ(pod_uid_of_cgroup(""), "");
  EXPECT_EQ(pod_uid_of_cgroup("pod"), "");
}

TEST(PodIdentity, OutsideKubernetesThereIsNone) {
  EXPECT_FALSE(read_pod_identity(ContainerConfig()).is_known());
}

}  // namespace
}  // namespace gpunode::oci
