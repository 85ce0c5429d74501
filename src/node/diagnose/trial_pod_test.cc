#include "node/diagnose/trial_pod.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text/node.h"
#include "base/text/yaml.h"

namespace gpunode::diagnose {
namespace {

using testing::HasSubstr;
using testing::Not;

/// JSON is YAML, so one reader tells whether both say the same.
std::string meaning_of(const std::string& yaml) {
  const auto document = text::parse_yaml(yaml, "pod");
  EXPECT_TRUE(document) << yaml << document.error().message();
  return document ? text::to_json(document->root) : "";
}

TEST(TrialPod, SaysTheSameToPeopleAndToTheServer) {
  for (const TrialPod& pod : {TrialPod{.image = "vectoradd"},
                              TrialPod{.name = "trial",
                              .space = "gpu",
                              .node = "worker-1",
                              .image = "registry:5000/a: b#c@sha256:ab",
                              .resource = "nvidia.com/mig-1g.5gb",
                              .runtime_class = "nvidia"}}) {
    EXPECT_EQ(meaning_of(pod_yaml(pod)), meaning_of(pod_json(pod)));
  }
}

TEST(TrialPod, ReadsAsPeopleWriteThem) {
  EXPECT_EQ(pod_yaml({.node = "worker-1", .image = "vectoradd"}),
            R"(apiVersion: v1
kind: Pod
metadata:
  name: gpunode-verify
  namespace: default
  labels:
    app.kubernetes.io/managed-by: gpunode
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  containers:
    - name: vectoradd
      image: vectoradd
      resources:
        limits:
          nvidia.com/gpu: "1"
      securityContext:
        allowPrivilegeEscalation: false
  tolerations:
    - key: nvidia.com/gpu
      operator: Exists
      effect: NoSchedule
  affinity:
    nodeAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
        nodeSelectorTerms:
          - matchFields:
              - key: metadata.name
                operator: In
                values:
                  - worker-1
)");
}

TEST(TrialPod, NamesNoRuntimeClassUnlessTold) {
  EXPECT_THAT(pod_json({}), Not(HasSubstr("runtimeClassName")));
  EXPECT_THAT(pod_json({.runtime_class = "nvidia"}),
              HasSubstr(R"("runtimeClassName":"nvidia")"));
}

}  // namespace
}  // namespace gpunode::diagnose
