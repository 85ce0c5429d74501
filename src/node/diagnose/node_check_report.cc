#include "node/diagnose/node_check_report.h"

#include <fmt/format.h>

#include "base/core/rfc3339.h"
#include "base/metrics/registry.h"
#include "base/text/json_splice.h"
#include "base/text/node.h"
#include "node/diagnose/plan_look_text.h"

namespace gpunode::diagnose {
namespace {

using console::Page;
using console::Style;
using facts::CertificateFacts;
using facts::KernelModules;
using text::json_array;
using text::json_object;
using text::json_string;
using End = ConditionReport::End;

const char* gravity_name(CheckFinding::Gravity gravity) {
  return gravity == CheckFinding::Gravity::kBad ? "bad" : "warning";
}

const char* end_name(End end) {
  switch (end) {
    case End::kNotJoined:
      return "not-joined";
    case End::kNotAsked:
      return "not-asked";
    case End::kWritten:
      return "written";
    case End::kFailed:
      break;
  }
  return "failed";
}

const char* has_module(const std::string& module) {
  return module.empty() ? "without an nvidia module" : "with an nvidia module";
}

void kernel_lines(const KernelModules& kernels, Page& page) {
  page.line(0, "Kernel", Style::kHeading);
  if (!kernels.running.empty()) {
    page.line(
        2, fmt::format("{} runs, {}", kernels.running,
                       kernels.is_loaded ? "with nvidia loaded"
                                         : has_module(kernels.running_module)));
  }
  if (kernels.next.release.empty()) {
    page.line(2, "which is next is not known: " + kernels.next.why,
              Style::kDim);
  } else if (kernels.next.release != kernels.running) {
    page.line(2,
              fmt::format("{} is next ({}), {}", kernels.next.release,
                          kernels.next.why, has_module(kernels.next_module)));
  }
}

void certificate_lines(const CheckReport& report, Page& page) {
  if (report.look.certificates.empty()) return;
  page.line(0, "Certificates", Style::kHeading);
  for (const CertificateFacts& one : report.look.certificates) {
    const std::string whose = one.user.empty() ? "" : " of " + one.user;
    if (!one.error.empty()) {
      page.line(2, fmt::format("{}{}: {}", one.path, whose, one.error),
                Style::kWarning);
      continue;
    }
    const auto left = days_left(one, report.now);
    page.line(2,
              fmt::format("{}{}: until {}, {} days", one.path, whose,
                          rfc3339(one.not_after), left),
              left < 0 ? Style::kBad : Style::kPlain);
  }
}

void condition_line(const ConditionReport& condition, Page& page) {
  switch (condition.end) {
    case End::kNotJoined:
      page.line(0, "No condition is written: " + condition.words, Style::kDim);
      return;
    case End::kNotAsked:
      return;
    case End::kWritten:
      page.line(0, fmt::format("Condition {} is written to Node {}",
                               kConditionType, condition.node));
      return;
    case End::kFailed:
      page.line(0,
                fmt::format("Condition {} is NOT written: {}", kConditionType,
                            condition.words),
                Style::kWarning);
      return;
  }
}

void finding_lines(const std::vector<CheckFinding>& findings, Page& page) {
  if (findings.empty()) {
    page.line(0, "Nothing to tell.", Style::kGood);
    return;
  }
  page.line(0, "To tell", Style::kHeading);
  for (const CheckFinding& one : findings) {
    page.line(2, one.finding.what,
              one.gravity == CheckFinding::Gravity::kBad ? Style::kBad
                                                         : Style::kWarning);
    page.line(4, "next: " + one.finding.next);
  }
}

std::string findings_json(const std::vector<CheckFinding>& findings) {
  std::vector<std::string> items;
  for (const CheckFinding& one : findings) {
    items.push_back(
        json_object({{"check", json_string(one.finding.check)},
                     {"reason", json_string(one.reason)},
                     {"gravity", json_string(gravity_name(one.gravity))},
                     {"what", json_string(one.finding.what)},
                     {"next", json_string(one.finding.next)}}));
  }
  return json_array(items);
}

std::string kernels_json(const KernelModules& kernels) {
  return json_object({{"running", json_string(kernels.running)},
                      {"runningModule", json_string(kernels.running_module)},
                      {"loaded", kernels.is_loaded ? "true" : "false"},
                      {"next", json_string(kernels.next.release)},
                      {"nextWhy", json_string(kernels.next.why)},
                      {"nextModule", json_string(kernels.next_module)}});
}

std::string certificates_json(const CheckReport& report) {
  std::vector<std::string> items;
  for (const CertificateFacts& one : report.look.certificates) {
    const bool is_read = one.error.empty();
    items.push_back(json_object(
        {{"path", json_string(one.path)},
         {"user", json_string(one.user)},
         {"commonName", json_string(one.common_name)},
         {"notAfter", is_read ? json_string(rfc3339(one.not_after)) : "null"},
         {"daysLeft",
          is_read ? std::to_string(days_left(one, report.now)) : "null"},
         {"error", json_string(one.error)}}));
  }
  return json_array(items);
}

std::string condition_json(const ConditionReport& condition) {
  return json_object({{"type", json_string(kConditionType)},
                      {"end", json_string(end_name(condition.end))},
                      {"node", json_string(condition.node)},
                      {"words", json_string(condition.words)}});
}

double number(std::chrono::sys_seconds time) {
  return static_cast<double>(time.time_since_epoch().count());
}

double number(bool value) {
  return value ? 1.0 : 0.0;
}

void step_metrics(const PlanLook& plan, metrics::Registry& registry) {
  for (const StepLook& step : plan.steps) {
    if (step.stand == StepStand::kNotWanted) continue;
    registry
        .gauge("gpunode_step_as_declared",
               "Whether a Step of the node's plan is as its file says.",
               {{"step", step.id}})
        .set(number(step.stand == StepStand::kAsDeclared));
  }
}

void certificate_metrics(const std::vector<CertificateFacts>& certificates,
                         metrics::Registry& registry) {
  for (const CertificateFacts& one : certificates) {
    const metrics::Labels labels = {{"path", one.path}, {"user", one.user}};
    registry
        .gauge("gpunode_certificate_readable",
               "Whether a certificate of the node could be read.", labels)
        .set(number(one.error.empty()));
    if (!one.error.empty()) continue;
    registry
        .gauge("gpunode_certificate_not_after_seconds",
               "Unix time at which a certificate of the node ends.", labels)
        .set(number(one.not_after));
  }
}

}  // namespace

Page check_page(const CheckReport& report, bool all) {
  Page page;
  describe_plan(report.look.plan, all, page);
  kernel_lines(report.look.kernels, page);
  certificate_lines(report, page);
  condition_line(report.condition, page);
  finding_lines(report.findings, page);
  return page;
}

std::string check_json(const CheckReport& report) {
  return json_object({{"version", "1"},
                      {"time", json_string(rfc3339(report.now))},
                      {"findings", findings_json(report.findings)},
                      {"node", plan_look_json(report.look.plan)},
                      {"kernel", kernels_json(report.look.kernels)},
                      {"certificates", certificates_json(report)},
                      {"condition", condition_json(report.condition)}}) +
         "\n";
}

std::string check_metrics(const CheckReport& report) {
  metrics::Registry registry;
  registry
      .gauge("gpunode_check_timestamp_seconds",
             "Unix time of the last `gpunode check`.")
      .set(number(report.now));
  for (const char* gravity : {"warning", "bad"}) {
    registry.gauge("gpunode_check_findings",
                   "What the last `gpunode check` had to tell.",
                   {{"gravity", gravity}});
  }
  for (const CheckFinding& one : report.findings) {
    registry
        .gauge("gpunode_check_findings", "",
               {{"gravity", gravity_name(one.gravity)}})
        .add(1);
  }
  step_metrics(report.look.plan, registry);
  const KernelModules& kernels = report.look.kernels;
  if (!kernels.next.release.empty()) {
    registry
        .gauge("gpunode_next_kernel_has_module",
               "Whether the kernel that is started next has an nvidia module.",
               {{"release", kernels.next.release}})
        .set(number(!kernels.next_module.empty()));
  }
  certificate_metrics(report.look.certificates, registry);
  const End end = report.condition.end;
  if (end == End::kWritten || end == End::kFailed) {
    registry
        .gauge("gpunode_node_condition_written",
               "Whether the Node's condition could be written.")
        .set(number(end == End::kWritten));
  }
  return registry.expose();
}

}  // namespace gpunode::diagnose
