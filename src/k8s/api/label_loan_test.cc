#include "k8s/api/label_loan.h"

#include <map>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gpunode::kube {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

using Texts = std::map<std::string, std::string>;

NodeMeta node(const Texts& labels, const std::string& memory = "") {
  NodeMeta meta;
  meta.name = "gpu-1";
  meta.uid = "u-1";
  meta.resource_version = "7";
  for (const auto& [key, value] : labels) meta.labels[key].value = value;
  if (!memory.empty()) meta.annotations["m"].value = memory;
  return meta;
}

LabelLoan loan(bool is_giving_back = false) {
  return {{"a", "b"}, "false", "m", "paused-for-", is_giving_back};
}

/// A patch of this Node, as far as it differs between cases.
std::string patch(const std::string& annotation, const std::string& labels) {
  return R"({"metadata":{"annotations":{"m":)" + annotation + "}" +
         (labels.empty() ? "" : R"(,"labels":)" + labels) +
         R"(,"resourceVersion":"7","uid":"u-1"}})";
}

struct Case {
  const char* name;
  Texts labels;
  std::string memory;
  std::string patch;  ///< Empty: none.
  std::size_t waiting = 0;
  bool is_busy = false;
};

TEST(LabelLoan, Takes) {
  const std::string both = R"({"a":"false","b":"false"})";
  const std::vector<Case> cases = {
      {"no switch, nothing is made", {{"x", "true"}}, "", ""},
      {"both on",
       {{"a", "true"}, {"b", "true"}},
       "",
       patch(R"("{\"a\":\"true\",\"b\":\"true\"}")", both)},
      {"one is off already and not ours to give back",
       {{"a", "false"}, {"b", "true"}},
       "",
       patch(R"("{\"b\":\"true\"}")", R"({"b":"false"})")},
      {"all off already", {{"a", "false"}}, "", ""},
      {"taken before", {{"a", "false"}}, R"({"a":"true"})", ""},
      {"the operator has put it back: taken again, the other's kept",
       {{"a", "true"}, {"b", "false"}},
       R"({"a":"true","b":"true"})",
       patch(R"("{\"a\":\"true\",\"b\":\"true\"}")", R"({"a":"false"})")},
      {"another value is remembered as it is",
       {{"a", "maybe"}},
       "",
       patch(R"("{\"a\":\"maybe\"}")", R"({"a":"false"})")},
      {"an empty value is one",
       {{"a", ""}},
       "",
       patch(R"("{\"a\":\"\"}")", R"({"a":"false"})")},
      {"a driver upgrade is waited for",
       {{"a", "paused-for-driver-upgrade"}, {"b", "paused-for-mig-change"}},
       "",
       "",
       2,
       true},
      {"the other is taken meanwhile",
       {{"a", "paused-for-driver-upgrade"}, {"b", "true"}},
       "",
       patch(R"("{\"b\":\"true\"}")", R"({"b":"false"})"),
       1,
       true},
      {"taken, then the label went: remembered still",
       {},
       R"({"a":"true"})",
       ""},
  };
  for (const Case& one : cases) {
    const LoanPlan plan = plan_loan(node(one.labels, one.memory), loan());
    EXPECT_EQ(plan.patch.value_or(""), one.patch) << one.name;
    EXPECT_EQ(plan.waiting.size(), one.waiting) << one.name;
    EXPECT_EQ(plan.is_busy, one.is_busy) << one.name;
  }
}

TEST(LabelLoan, GivesBack) {
  const std::vector<Case> cases = {
      {"nothing was taken", {{"a", "false"}}, "", ""},
      {"as it was",
       {{"a", "false"}, {"b", "false"}},
       R"({"a":"true"})",
       patch("null", R"({"a":"true"})")},
      {"also a label that this version does not take",
       {{"c", "false"}},
       R"({"c":"true"})",
       patch("null", R"({"c":"true"})")},
      {"what somebody has set since stays",
       {{"a", "true"}, {"b", "paused-for-mig-change"}},
       R"({"a":"maybe","b":"true"})",
       patch("null", ""),
       2},
      {"what is gone stays gone", {}, R"({"a":"true"})", patch("null", ""), 1},
  };
  for (const Case& one : cases) {
    const LoanPlan plan = plan_loan(node(one.labels, one.memory), loan(true));
    EXPECT_EQ(plan.patch.value_or(""), one.patch) << one.name;
    EXPECT_EQ(plan.waiting.size(), one.waiting) << one.name;
    EXPECT_FALSE(plan.is_busy) << one.name;
  }
}

TEST(LabelLoan, SaysWhatItDoes) {
  const LoanPlan taken = plan_loan(node({{"a", "true"}}), loan());
  EXPECT_THAT(taken.changes,
              ElementsAre("label a is \"false\" now, was \"true\""));
  EXPECT_THAT(taken.waiting, IsEmpty());
  EXPECT_TRUE(taken.has_switches);
  EXPECT_FALSE(plan_loan(node({}), loan()).has_switches);
  const LoanPlan given =
      plan_loan(node({{"a", "false"}}, R"({"a":"true"})"), loan(true));
  EXPECT_THAT(given.changes,
              ElementsAre("label a is \"true\" again, was \"false\""));
  const LoanPlan left = plan_loan(node({}, R"({"a":"true"})"), loan(true));
  EXPECT_THAT(left.waiting, ElementsAre(HasSubstr("label a is gone")));
}

TEST(LabelLoan, AMemoryThatCannotBeReadIsNotWrittenOver) {
  for (const bool is_giving_back : {false, true}) {
    const LoanPlan plan =
        plan_loan(node({{"a", "true"}}, "mine"), loan(is_giving_back));
    EXPECT_FALSE(plan.patch);
    EXPECT_THAT(plan.waiting, ElementsAre(HasSubstr("set them by hand")));
  }
}

TEST(LabelLoan, ASwitchThatIsNoLongerWishedForGoesBack) {
  LabelLoan fewer = loan();
  fewer.labels = {"a"};
  const LoanPlan plan = plan_loan(
      node({{"a", "false"}, {"b", "false"}}, R"({"a":"true","b":"true"})"),
      fewer);
  ASSERT_TRUE(plan.patch);
  EXPECT_THAT(*plan.patch, HasSubstr(R"("labels":{"b":"true"})"));
  EXPECT_THAT(*plan.patch, HasSubstr(R"({\"a\":\"true\"})"));
}

TEST(LabelLoan, RemembersOnlyTexts) {
  EXPECT_THAT(*remembered_labels(R"({"a":"true","b":""})"),
              ElementsAre(Pair("a", "true"), Pair("b", "")));
  for (const char* text : {"", "{", "[]", "7", R"({"a":1})", R"({"a":{}})"}) {
    EXPECT_FALSE(remembered_labels(text)) << text;
  }
}

}  // namespace
}  // namespace gpunode::kube
