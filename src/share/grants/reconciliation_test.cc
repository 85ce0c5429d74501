#include "share/grants/reconciliation.h"

#include <gtest/gtest.h>

namespace gpunode::share {
namespace {

TEST(Reconciliation, IsWhatTheDriverSaysBeyondTheLedger) {
  EXPECT_EQ(unaccounted_bytes({}, {{1, 100}}, {{1, 130}}), 30u);
  EXPECT_EQ(unaccounted_bytes({}, {{1, 100}}, {{1, 90}}), 0u)
      << "charged is more than taken: managed memory that nobody has touched";
  EXPECT_EQ(unaccounted_bytes({}, {{1, 100}, {2, 5}}, {{2, 7}, {1, 130}}), 32u);
}

TEST(Reconciliation, WhatCameOrWentMeanwhileIsNotUnaccounted) {
  // 50 were given back after the driver was asked.
  EXPECT_EQ(unaccounted_bytes({{1, 100}}, {{1, 50}}, {{1, 100}}), 0u);
  // 50 were taken before it was.
  EXPECT_EQ(unaccounted_bytes({{1, 100}}, {{1, 150}}, {{1, 150}}), 0u);
}

TEST(Reconciliation, ProcessesOfOthersAreNotTheGrants) {
  EXPECT_EQ(unaccounted_bytes({}, {{1, 100}}, {{9, 500}}), 0u);
  EXPECT_EQ(unaccounted_bytes({{9, 1}}, {}, {{9, 500}}), 0u);
}

TEST(PodOfCgroup, IsTheUidOfEveryDriversForm) {
  const std::string uid = "0f1a2b3c-1111-2222-3333-444455556666";
  const std::string slice = "0f1a2b3c_1111_2222_3333_444455556666";
  for (const std::string& cgroup :
       {"0::/kubepods/burstable/pod" + uid + "/abc\n",
        "0::/kubepods.slice/kubepods-besteffort.slice/"
        "kubepods-besteffort-pod" +
            slice + ".slice/cri-containerd-ab.scope\n",
        "12:devices:/kubepods/pod" + uid + "/abc\n11:cpu:/kubepods/pod" + uid,
        "0::/kubelet/kubepods/pod" + uid + "/abc",
        "0::/../../pod" + uid + "/abc"}) {
    EXPECT_EQ(pod_of_cgroup(cgroup), uid) << cgroup;
  }
  for (const std::string& cgroup :
       {std::string("0::/user.slice/session-1.scope"), "0::/pod" + uid,
        std::string("0::/kubepods/podless"), std::string()}) {
    EXPECT_EQ(pod_of_cgroup(cgroup), "") << cgroup;
  }
}

}  // namespace
}  // namespace gpunode::share
