// Levels 4 to 7: containers, the cluster, NVIDIA's diagnostics.
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/diagnose/verify_levels.h"

namespace gpunode::diagnose {
namespace {

using testing::HasSubstr;

VerifyCheck container(host::Completed end) {
  return verify_container({.end = std::move(end)}).front();
}

TEST(VerifyContainer, ASumThatIsRightPasses) {
  const VerifyCheck check =
      container({0, "[Vector addition of 50000 elements]\nTest PASSED\n", ""});
  EXPECT_EQ(check.verdict, Verdict::kPass);
  EXPECT_EQ(check.hint, "");
}

TEST(VerifyContainer, AnEndWithoutTheWordsIsNoPass) {
  EXPECT_EQ(container({0, "", ""}).verdict, Verdict::kFail);
}

TEST(VerifyContainer, EachFailureHasItsNextStep) {
  struct Case {
    const char* said;
    const char* hint;
  };
  for (const Case& one :
       {Case{"gpunode-vectoradd: the container has no NVIDIA driver library "
             "that loads",
             "gpunode cdi list"},
        Case{"CUDA_ERROR_NO_DEVICE (100)", "/dev/nvidia*"},
        Case{"ctr: failed to create shim task: unresolvable CDI devices "
             "nvidia.com/gpu=all",
             "gpunode cdi refresh"},
        Case{"ctr: failed to create shim task: error locating runtime: no "
             "runtime binary found from candidate list: [runc crun]",
             "install one"},
        Case{"ctr: failed to dial \"/run/containerd/containerd.sock\": context "
             "deadline exceeded",
             "systemctl status containerd"},
        Case{"something new", "gpunode doctor"}}) {
    const VerifyCheck check =
        container({1, "", std::string(one.said) + "\n\n"});
    EXPECT_EQ(check.verdict, Verdict::kFail);
    EXPECT_THAT(check.evidence, HasSubstr(one.said));
    EXPECT_THAT(check.hint, HasSubstr(one.hint));
  }
}

TEST(VerifyContainer, OneThatHungOrWasNotTriedSaysSo) {
  const VerifyCheck hung =
      verify_container({.end = Error(ErrorCode::kUnavailable,
                                     "/usr/bin/ctr: not done after 60 s")})
          .front();
  EXPECT_EQ(hung.verdict, Verdict::kFail);
  EXPECT_THAT(hung.evidence, HasSubstr("60 s"));
  const VerifyCheck skipped =
      verify_container({.skipped = "it needs root"}).front();
  EXPECT_EQ(skipped.verdict, Verdict::kSkip);
  EXPECT_EQ(skipped.evidence, "it needs root");
}

std::string node(const std::string& ready, const std::string& allocatable,
                 const std::string& spec = "{}") {
  return R"({"metadata":{"name":"worker"},"spec":)" + spec +
         R"(,"status":{"conditions":[{"type":"Ready","status":")" + ready +
         R"(","message":"container runtime network not ready"}],"allocatable":)" +
         allocatable + "}}";
}

TEST(VerifyKubelet, AReadyNodeWithItsGpusPasses) {
  const auto checks =
      verify_kubelet(node("True", R"({"cpu":"4","nvidia.com/gpu":"20"})"), 1);
  ASSERT_EQ(checks.size(), 2U);
  EXPECT_EQ(checks[0].verdict, Verdict::kPass);
  EXPECT_EQ(checks[1].verdict, Verdict::kPass);
  EXPECT_EQ(checks[1].evidence, "20 nvidia.com/gpu");
}

TEST(VerifyKubelet, PartsOfGpusCount) {
  const auto checks = verify_kubelet(
      node("True", R"({"nvidia.com/gpu":"0","nvidia.com/mig-1g.5gb":"7"})"), 1);
  EXPECT_EQ(checks[1].verdict, Verdict::kPass);
}

TEST(VerifyKubelet, NoneOrTooFewAreToldApart) {
  const auto none = verify_kubelet(node("True", R"({"cpu":"4"})"), 2);
  EXPECT_EQ(none[1].verdict, Verdict::kFail);
  EXPECT_THAT(none[1].hint, HasSubstr("gpunode status"));
  const auto few = verify_kubelet(node("True", R"({"nvidia.com/gpu":"1"})"), 2);
  EXPECT_EQ(few[1].verdict, Verdict::kWarn);
  EXPECT_THAT(few[1].evidence, HasSubstr("the bus has 2"));
}

TEST(VerifyKubelet, ANodeThatIsNotReadyOrCordonedSaysSo) {
  const auto away = verify_kubelet(node("False", "{}"), 1);
  EXPECT_EQ(away[0].verdict, Verdict::kFail);
  EXPECT_THAT(away[0].evidence, HasSubstr("network not ready"));
  const auto cordoned = verify_kubelet(
      node("True", R"({"nvidia.com/gpu":"1"})", R"({"unschedulable":true})"),
      1);
  EXPECT_EQ(cordoned[0].verdict, Verdict::kWarn);
  EXPECT_THAT(cordoned[0].hint, HasSubstr("kubectl uncordon worker"));
}

TEST(VerifyKubelet, AnswersThatAreNoNodeFail) {
  for (const Result<std::string>& answer :
       {Result<std::string>(Error(ErrorCode::kNotFound, "no such node")),
        Result<std::string>(std::string("<html>")),
        Result<std::string>(std::string("[]")), Result<std::string>("")}) {
    const auto checks = verify_kubelet(answer, 1);
    ASSERT_EQ(checks.size(), 2U);
    EXPECT_EQ(checks[0].verdict, Verdict::kFail);
    EXPECT_EQ(checks[1].verdict, Verdict::kSkip);
  }
  // Members of other kinds are as if they were not there.
  EXPECT_EQ(verify_kubelet(
                std::string(R"({"metadata":3,"status":[],"spec":""})"), 1)[1]
                .verdict,
            Verdict::kFail);
}

PodEnd ended(const std::string& status, const std::string& log = "") {
  const std::string pod = R"({"status":)" + status + "}";
  return {pod, log, has_pod_ended(pod)};
}

TEST(VerifyPod, SucceededWithTheWordsPasses) {
  EXPECT_EQ(verify_pod(ended(R"({"phase":"Succeeded"})", "Test PASSED\nDone\n"))
                .front()
                .verdict,
            Verdict::kPass);
  EXPECT_EQ(
      verify_pod(ended(R"({"phase":"Succeeded"})", "hello\n")).front().verdict,
      Verdict::kFail);
}

TEST(VerifyPod, EachFailureIsTold) {
  struct Case {
    const char* status;
    const char* log;
    const char* evidence;
    const char* hint;
  };
  for (const Case& one :
       {Case{R"({"phase":"Pending","conditions":[{"type":"PodScheduled",)"
             R"("status":"False","message":"0/1 nodes: 1 Insufficient )"
             R"(nvidia.com/gpu"}]})",
             "", "Insufficient nvidia.com/gpu", "gpunode status"},
        Case{R"({"phase":"Pending","containerStatuses":[{"state":{"waiting":)"
             R"({"reason":"ImagePullBackOff","message":"no such host"}}}]})",
             "", "ImagePullBackOff: no such host", "--image"},
        Case{R"({"phase":"Failed","reason":"UnexpectedAdmissionError",)"
             R"("message":"Allocate failed"})",
             "", "Allocate failed", "kubelet"},
        Case{R"({"phase":"Running"})", "", "not done in time", "--pod-timeout"},
        Case{R"({"phase":"Failed"})", "CUDA_ERROR_NO_DEVICE\n",
             "CUDA_ERROR_NO_DEVICE", "level 4"}}) {
    const VerifyCheck check = verify_pod(ended(one.status, one.log)).front();
    EXPECT_EQ(check.verdict, Verdict::kFail);
    EXPECT_THAT(check.evidence, HasSubstr(one.evidence));
    EXPECT_THAT(check.hint, HasSubstr(one.hint));
  }
}

TEST(VerifyPod, WhoMayNotMakeOneIsToldOfPrinting) {
  const VerifyCheck check =
      verify_pod(Error(ErrorCode::kPermissionDenied, "pods is forbidden"))
          .front();
  EXPECT_EQ(check.verdict, Verdict::kFail);
  EXPECT_THAT(check.hint, HasSubstr("--print-pod"));
}

std::string report(const std::string& whole, const std::string& results) {
  return "some words\n{\"" + whole +
         R"(":{"version":"4.2.3","test_categories":[{"category":"Deployment",)"
         R"("tests":[{"name":"Denylist","results":)" +
         results + "}]}]}}\nmore\n";
}

VerifyCheck diagnosed(const std::string& out, int status = 0) {
  return verify_diagnostics(host::Completed{status, out, ""}).front();
}

TEST(VerifyDiagnostics, BothGenerationsOfDcgmAreRead) {
  for (const char* whole : {"DCGM GPU Diagnostic", "DCGM Diagnostic"}) {
    const VerifyCheck check = diagnosed(
        report(whole, R"([{"gpu_id":"0","status":"Pass"},{"status":"Skip"}])"));
    EXPECT_EQ(check.verdict, Verdict::kPass) << check.evidence;
    EXPECT_EQ(check.evidence, "1 tests passed, 1 skipped");
  }
}

TEST(VerifyDiagnostics, AFailureNamesTestAndGpu) {
  const VerifyCheck check = diagnosed(report(
      "DCGM Diagnostic",
      R"([{"entity_id":2,"status":"Fail","warnings":[{"warning":"ECC","error_id":5}]},)"
      R"({"gpu_ids":"0,1","status":"FAIL","warnings":["page retired"]}])"));
  EXPECT_EQ(check.verdict, Verdict::kFail);
  EXPECT_EQ(check.evidence,
            "Denylist (GPU 2): ECC; Denylist (GPU 0,1): page retired");
}

TEST(VerifyDiagnostics, AWarningIsToLookAt) {
  EXPECT_EQ(
      diagnosed(report("DCGM Diagnostic", R"([{"status":"Warn"}])")).verdict,
      Verdict::kWarn);
}

TEST(VerifyDiagnostics, NothingTestedIsNoPass) {
  for (const std::string& out :
       {std::string("Error: unable to establish a connection"),
        std::string("{"), std::string("}{"),
        std::string(R"({"DCGM Diagnostic":[]})"),
        std::string(R"({"DCGM Diagnostic":{"test_categories":7}})"),
        report("DCGM Diagnostic", R"([{"status":"Skip"}])")}) {
    EXPECT_EQ(diagnosed(out, 1).verdict, Verdict::kFail) << out;
  }
  EXPECT_EQ(verify_diagnostics(Error(ErrorCode::kUnavailable, "hung"))
                .front()
                .verdict,
            Verdict::kFail);
}

TEST(VerifyLevels, EachHasItsNames) {
  for (int level = 0; level <= kHighestLevel; ++level) {
    for (const VerifyCheck& check : skipped_level(level, "no")) {
      EXPECT_EQ(check.level, level);
      EXPECT_EQ(check.verdict, Verdict::kSkip);
    }
  }
}

}  // namespace
}  // namespace gpunode::diagnose
