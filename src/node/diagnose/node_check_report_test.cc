#include "node/diagnose/node_check_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text/json_edit.h"
#include "base/text/tree.h"

namespace gpunode::diagnose {
namespace {

using std::chrono::days;
using std::chrono::seconds;
using std::chrono::sys_seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr sys_seconds kNow{seconds(1'800'000'000)};

CheckReport report() {
  CheckReport made;
  made.now = kNow;
  NodeLook& look = made.look;
  look.plan.file = "/etc/gpunode/node.yaml";
  look.plan.exists = true;
  look.plan.steps = {
      {"prep.swap", "swap is off"},
      {"prep.sysctl", "settings", StepStand::kDrift, "a file was changed"},
      {"prep.time", "time", StepStand::kNotWanted, "timeSync is keep"}};
  look.plan.last_run = {"r1", "apply", "2026-11-28T10:00:00Z",
                        "2026-11-28T10:01:00Z", "done"};
  look.kernels.running = "6.1.0-9";
  look.kernels.is_loaded = true;
  look.kernels.next = {"6.1.0-18", "the newest"};
  look.certificates = {
      {"/etc/kubernetes/admin.conf", "admin", "admin", kNow - days(360),
       kNow + days(5) + seconds(7), ""},
      {"/var/lib/kubelet/pki/kubelet.crt", "", "", {}, {}, "no permission"}};
  made.findings = check_node(look, {kNow, days(30)});
  made.condition = {ConditionReport::End::kFailed, "gpu-1", "no answer"};
  return made;
}

std::string text_of(const CheckReport& made, bool all = false) {
  return check_page(made, all).render({});
}

TEST(NodeCheckReport, APersonSeesAllOfIt) {
  const std::string text = text_of(report());
  EXPECT_THAT(
      text,
      AllOf(HasSubstr("  = prep.swap"), HasSubstr("  ! prep.sysctl"),
            HasSubstr("a file was changed"), HasSubstr("1 not asked for"),
            HasSubstr("last run: apply of 2026-11-28T10:00:00Z: done"),
            HasSubstr("6.1.0-9 runs, with nvidia loaded"),
            HasSubstr("6.1.0-18 is next (the newest), without an nvidia"),
            HasSubstr("/etc/kubernetes/admin.conf of admin: until"),
            HasSubstr(", 5 days"), HasSubstr("kubelet.crt: no permission"),
            HasSubstr("is NOT written: no answer"), HasSubstr("next: ")));
  EXPECT_THAT(text, Not(HasSubstr("prep.time")));
  EXPECT_THAT(text_of(report(), true), HasSubstr("prep.time"));
}

TEST(NodeCheckReport, AHostWithoutAFileSaysSoInALine) {
  CheckReport bare;
  bare.look.plan.file = "/etc/gpunode/node.yaml";
  bare.look.kernels.next.why = "no kernel is seen in /boot";
  bare.condition.words = "no kubelet.conf";
  EXPECT_EQ(text_of(bare),
            "Node, as of /etc/gpunode/node.yaml\n"
            "  no such file: nothing is declared of this host\n"
            "Kernel\n"
            "  which is next is not known: no kernel is seen in /boot\n"
            "No condition is written: no kubelet.conf\n"
            "Nothing to tell.\n");
}

TEST(NodeCheckReport, JsonHasEveryWord) {
  const std::string line = check_json(report());
  ASSERT_EQ(line.find('\n'), line.size() - 1);
  const auto read = text::read_json(line, "report");
  ASSERT_TRUE(read) << read.error().message();
  const text::Node root = text::tree_of(*read);
  EXPECT_EQ(text::string_at(root, {"time"}), "2027-01-15T08:00:00Z");
  EXPECT_EQ(text::find_at(root, {"findings"})->items.size(),
            report().findings.size());
  EXPECT_EQ(text::string_at(root.find("findings")->value.items[0], {"gravity"}),
            "bad");
  EXPECT_EQ(text::find_at(root, {"node", "steps"})->items.size(), 3U);
  EXPECT_EQ(text::string_at(text::find_at(root, {"node", "steps"})->items[1],
                            {"stand"}),
            "drift");
  EXPECT_EQ(text::string_at(root, {"kernel", "next"}), "6.1.0-18");
  const auto& certificates = text::find_at(root, {"certificates"})->items;
  ASSERT_EQ(certificates.size(), 2U);
  EXPECT_EQ(certificates[0].find("daysLeft")->value.scalar, "5");
  EXPECT_TRUE(
      certificates[1].find("daysLeft")->value.is(text::Node::Kind::kNull));
  EXPECT_EQ(text::string_at(root, {"condition", "end"}), "failed");
}

TEST(NodeCheckReport, MetricsAreNumbersWithNames) {
  const std::string text = check_metrics(report());
  EXPECT_THAT(
      text,
      AllOf(
          HasSubstr("\ngpunode_check_timestamp_seconds 1800000000\n"),
          HasSubstr("gpunode_check_findings{gravity=\"bad\"} 1\n"),
          HasSubstr("gpunode_check_findings{gravity=\"warning\"} 3\n"),
          HasSubstr("gpunode_step_as_declared{step=\"prep.swap\"} 1\n"),
          HasSubstr("gpunode_step_as_declared{step=\"prep.sysctl\"} 0\n"),
          HasSubstr("gpunode_next_kernel_has_module{release=\"6.1.0-18\"} 0\n"),
          HasSubstr("gpunode_certificate_not_after_seconds{path=\"/etc/"
                    "kubernetes/admin.conf\",user=\"admin\"} 1800432007\n"),
          HasSubstr("gpunode_certificate_readable{path=\"/var/lib/kubelet/"
                    "pki/kubelet.crt\",user=\"\"} 0\n"),
          HasSubstr("gpunode_node_condition_written 0\n")));
  EXPECT_THAT(text, Not(HasSubstr("prep.time")));
}

TEST(NodeCheckReport, WhatIsNotKnownIsNoMetric) {
  CheckReport bare;
  bare.now = kNow;
  const std::string text = check_metrics(bare);
  EXPECT_THAT(text, HasSubstr("gpunode_check_findings{gravity=\"bad\"} 0\n"));
  for (const char* name : {"gpunode_next_kernel", "gpunode_certificate",
                           "gpunode_node_condition", "gpunode_step"}) {
    EXPECT_THAT(text, Not(HasSubstr(name)));
  }
}

// Names of files and users are anybody's.
TEST(NodeCheckReport, HostileNamesStayWhereTheyAre) {
  CheckReport made = report();
  made.look.certificates[0].user = "a\"\n\x1b[2Jgpunode_up 1\n";
  made.look.certificates[0].path = "/etc/kubernetes/\xff.conf";
  EXPECT_THAT(text_of(made), Not(HasSubstr("\x1b")));
  EXPECT_THAT(check_metrics(made), Not(HasSubstr("\ngpunode_up")));
  const std::string line = check_json(made);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  EXPECT_TRUE(text::read_json(line, "report"));
}

}  // namespace
}  // namespace gpunode::diagnose
