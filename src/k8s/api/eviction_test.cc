#include "k8s/api/eviction.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::kube {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const ObjectKey kPod{"default", "web-1"};

TEST(Eviction, IsWrittenInTheVersionThatTheServerSays) {
  const auto of = [](const char* json) { return eviction_version(json); };
  EXPECT_EQ(*of(R"({"resources":[{"name":"pods","kind":"Pod"},
                   {"name":"pods/eviction","group":"policy","version":"v1",
                    "kind":"Eviction"}]})"),
            "v1");
  EXPECT_EQ(*of(R"({"resources":[{"name":"pods/eviction","group":"policy",
                   "version":"v1beta1"}]})"),
            "v1beta1");
  EXPECT_EQ(*of(R"({"resources":[{"name":"pods/eviction"}]})"), "v1beta1");
  const auto none = of(R"({"resources":[{"name":"pods"}]})");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), ErrorCode::kUnsupported);
  EXPECT_FALSE(of("{}"));
  EXPECT_FALSE(of("no json"));
}

TEST(Eviction, MeansOnePodAndNoNamesake) {
  const std::string json = eviction_json(kPod, "v1", "u-7");
  EXPECT_THAT(json, AllOf(HasSubstr(R"("apiVersion":"policy/v1")"),
                          HasSubstr(R"("name":"web-1")"),
                          HasSubstr(R"("preconditions":{"uid":"u-7"})")));
  EXPECT_THAT(eviction_json(kPod, "v1beta1", ""),
              AllOf(HasSubstr("policy/v1beta1"), Not(HasSubstr("uid"))));
}

TEST(Eviction, ThatABudgetHoldsSaysItsNumbers) {
  const auto held = judge_eviction(
      kPod,
      {429,
       R"({"kind":"Status","status":"Failure","message":"Cannot evict pod as)"
       R"( it would violate the pod's disruption budget.","reason":)"
       R"("TooManyRequests","details":{"causes":[{"reason":)"
       R"("DisruptionBudget","message":"The disruption budget web needs 2)"
       R"( healthy pods and has 2 currently"}]},"code":429})",
       std::nullopt});
  ASSERT_TRUE(held) << held.error().message();
  EXPECT_EQ(held->end, Eviction::End::kHeld);
  EXPECT_EQ(held->words,
            "Cannot evict pod as it would violate the pod's disruption budget. "
            "The disruption budget web needs 2 healthy pods and has 2 "
            "currently");
  EXPECT_EQ(judge_eviction(kPod, {429, "busy", std::nullopt})->end,
            Eviction::End::kHeld);
}

TEST(Eviction, OfAPodOfSeveralBudgetsOrOfANamespaceThatGoesIsHeldInWords) {
  // By the answer's own status, or by that of the Status in it.
  for (const int status : {500, 201}) {
    const auto several = judge_eviction(
        kPod,
        {status,
         R"({"kind":"Status","status":"Failure","message":"This pod has more )"
         R"(than one PodDisruptionBudget, which the eviction subresource does )"
         R"(not support.","code":500})",
         std::nullopt});
    ASSERT_TRUE(several) << several.error().message();
    EXPECT_EQ(several->end, Eviction::End::kHeld);
    EXPECT_THAT(several->words, AllOf(HasSubstr("more than one PodDisruption"),
                                      HasSubstr("kubectl -n default get pdb")));
  }
  const std::string body =
      R"({"kind":"Status","status":"Failure","message":"unable to create new )"
      R"(content in namespace default because it is being terminated",)"
      R"("reason":"Forbidden","details":{"causes":[{"reason":)"
      R"("NamespaceTerminating","message":"namespace default is being )"
      R"(terminated","field":"metadata.namespace"}]},"code":403})";
  const auto going = judge_eviction(kPod, {403, body, std::nullopt});
  ASSERT_TRUE(going) << going.error().message();
  EXPECT_EQ(going->end, Eviction::End::kHeld);
  EXPECT_THAT(going->words,
              AllOf(HasSubstr("namespace default is being deleted"),
                    HasSubstr("kubectl get namespace default")));
  // By another status it is no such thing.
  EXPECT_FALSE(judge_eviction(kPod, {422, body, std::nullopt}));
}

TEST(Eviction, OtherAnswersAreToldApart) {
  EXPECT_EQ(judge_eviction(kPod, {201, "{}", std::nullopt})->end,
            Eviction::End::kAccepted);
  for (const int status : {404, 409}) {
    EXPECT_EQ(judge_eviction(kPod, {status, "", std::nullopt})->end,
              Eviction::End::kGone);
  }
  const auto refused = judge_eviction(kPod, {403, "", std::nullopt});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_THAT(refused.error().message(), HasSubstr("evict default/web-1"));
  EXPECT_EQ(judge_eviction(kPod, {500, "", std::nullopt}).error().code(),
            ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace gpunode::kube
