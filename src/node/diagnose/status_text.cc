#include "node/diagnose/status_text.h"

#include <algorithm>
#include <set>
#include <string_view>

#include <fmt/format.h>

#include "node/diagnose/holder_text.h"

namespace gpunode::diagnose {
namespace {

using console::Page;
using console::Style;

constexpr std::size_t kMostElsewhere = 8;

std::string duration(std::uint64_t seconds) {
  if (seconds < 120) return fmt::format("{} s", seconds);
  if (seconds < 7200) return fmt::format("{} min", seconds / 60);
  return fmt::format("{} h", seconds / 3600);
}

/// ", 24576 MiB"; nothing where nobody knows.
std::string memory(std::uint64_t bytes) {
  return bytes == 0 ? std::string() : fmt::format(", {} MiB", bytes >> 20);
}

/// The GPUs' part of a page.
class GpuLines {
 public:
  GpuLines(const AgentStatus& status, Detail detail, Page& page)
      : status_(status), holders_(status), detail_(detail), page_(page) {}

  void describe() {
    std::set<std::string> here;
    for (const AgentStatus::Gpu& gpu : status_.gpus) {
      page_.line(2, fmt::format("{}  {}{}{}", gpu.index, gpu.name,
                                memory(gpu.memory_bytes),
                                gpu.mig_enabled ? ", MIG" : ""));
      device(gpu.uuid);
      here.insert(gpu.uuid);
      for (const AgentStatus::Mig& mig : gpu.mig) {
        page_.line(4, fmt::format("{}:{}  {}{}", gpu.index, mig.index,
                                  mig.profile, memory(mig.memory_bytes)));
        device(mig.uuid);
        here.insert(mig.uuid);
      }
    }
    elsewhere(here);
  }

 private:
  void device(const std::string& uuid) {
    if (!uuid.empty()) page_.line(6, uuid, Style::kDim);
    for (const AgentStatus::Unhealthy& one : status_.unhealthy) {
      if (one.uuid != uuid) continue;
      page_.line(6,
                 fmt::format("UNHEALTHY for {}: {}", duration(one.seconds),
                             one.reason),
                 Style::kBad);
    }
    bool is_shared = false;
    for (const AgentStatus::Resource& resource : status_.resources) {
      for (const AgentStatus::Device& one : resource.devices) {
        if (one.uuid != uuid) continue;
        is_shared = one.replicas > 0;
        if (resource.free) free(resource, one);
      }
    }
    holders_.describe(uuid, is_shared, detail_, page_);
  }

  void free(const AgentStatus::Resource& resource,
            const AgentStatus::Device& one) {
    const Style style = one.free > 0 ? Style::kGood : Style::kWarning;
    if (one.replicas > 0) {
      page_.line(6,
                 fmt::format("{} of {} shares of {} free", one.free,
                             one.replicas, resource.name),
                 style);
    } else if (one.free > 0) {
      page_.line(6, "free", style);
    }
  }

  /// Of GPUs that are gone, of MIG devices that are no more.
  void elsewhere(const std::set<std::string>& here) {
    const auto found = holders_.elsewhere(here);
    if (found.empty()) return;
    page_.line(2, "of devices that are not here now", Style::kWarning);
    const std::size_t shown = detail_ == Detail::kAll
                                  ? found.size()
                                  : std::min(found.size(), kMostElsewhere);
    for (std::size_t i = 0; i < shown; ++i) {
      const AgentStatus::Holder& one = *found[i];
      page_.line(6, fmt::format("{}, container {}: {} of {}", pod_of(one),
                                one.container, one.ids.size(), one.resource));
      if (detail_ != Detail::kAll) continue;
      for (const std::string& id : one.ids) page_.line(8, id, Style::kDim);
    }
    if (shown < found.size()) {
      page_.line(6, fmt::format("and {} more; --all names them",
                                found.size() - shown));
    }
  }

  const AgentStatus& status_;
  const HolderIndex holders_;
  const Detail detail_;
  Page& page_;
};

/// Ids that Pods hold under a resource's name beyond those that are listed.
std::uint64_t no_longer_offered(const AgentStatus& status,
                                const AgentStatus::Resource& resource) {
  std::uint64_t held = 0;
  for (const AgentStatus::Holder& one : status.holders) {
    if (one.resource == resource.name) held += one.ids.size();
  }
  return held > resource.held ? held - resource.held : 0;
}

void resource_lines(const AgentStatus& status, Page& page) {
  page.line(0, "Resources", Style::kHeading);
  for (const AgentStatus::Resource& one : status.resources) {
    const std::string healthy =
        fmt::format("{} of {} healthy", one.allocatable, one.capacity);
    std::string text = one.name + "  ";
    text += one.free ? fmt::format("{} of {} free", *one.free, one.capacity)
                     : healthy;
    if (one.free && one.allocatable < one.capacity) text += ", " + healthy;
    if (!one.sharing.empty() && one.sharing != "none") {
      text += ", shared by " + one.sharing;
    }
    if (!one.is_registered) text += ", NOT registered with the kubelet";
    Style style = one.free && *one.free == 0 ? Style::kWarning : Style::kPlain;
    if (!one.is_registered) style = Style::kBad;
    page.line(2, text, style);
    if (const std::uint64_t old = no_longer_offered(status, one); old > 0) {
      page.line(4, fmt::format("and {} that Pods still hold but that are no "
                               "longer offered",
                               old));
    }
  }
  if (status.resources.empty()) page.line(2, "none");
}

void source_line(const AgentStatus& status, Page& page) {
  if (status.holder_source == "checkpoint") {
    page.line(2,
              fmt::format("who holds what: from the kubelet's own file, in "
                          "which Pods that have ended may still be ({})",
                          status.holder_problem),
              Style::kDim);
  } else if (status.holder_source == "none") {
    page.line(
        2,
        fmt::format("who holds what is not known: {}", status.holder_problem),
        Style::kWarning);
  }
}

std::string config_line(const AgentStatus& status) {
  std::string what = "flags, environment and defaults";
  if (!status.config_file.empty()) {
    what = "file " + status.config_file;
  } else if (!status.config_name.empty()) {
    what = fmt::format("{}, chosen by {}", status.config_name,
                       status.config_origin);
  }
  return fmt::format("{}, MIG strategy {}", what, status.mig_strategy);
}

void finding_lines(const Findings& findings, Page& page) {
  if (findings.empty()) {
    page.line(0, "Nothing is wrong.", Style::kGood);
    return;
  }
  page.line(0, "What is wrong", Style::kHeading);
  for (const Finding& one : findings) {
    page.line(2, one.what, Style::kBad);
    page.line(4, "next: " + one.next);
  }
}

}  // namespace

Findings check_status(const AgentStatus& status) {
  Findings findings;
  for (const std::string& reason : status.not_ready) {
    const bool is_driver = reason.starts_with("driver: ");
    findings.push_back(
        {"agent", reason,
         is_driver ? "look at nvidia-smi and dmesg; the agent goes on by itself"
                   : "look at the agent's log"});
  }
  const HolderIndex holders(status);
  for (const AgentStatus::Unhealthy& one : status.unhealthy) {
    const std::string pods = holders.names(one.uuid);
    findings.push_back(
        {"health",
         fmt::format("{} is unhealthy for {}: {}{}", one.uuid,
                     duration(one.seconds), one.reason,
                     pods.empty() ? "" : "; held by " + pods),
         pods.empty() ? "see dmesg; it is offered again when it answers, else "
                        "reset the GPU or reboot"
                      : "see dmesg; it is offered again when it answers, else "
                        "kubectl delete its Pods and reset the GPU or reboot"});
  }
  for (const AgentStatus::LeftOut& one : status.left_out) {
    findings.push_back(
        {"resource",
         fmt::format("{}{}{}", one.resource, one.resource.empty() ? "" : ": ",
                     one.reason),
         "mend the configuration; gpunode-agent --config-check tells"});
  }
  if (!status.reload_problem.empty()) {
    findings.push_back(
        {"config",
         "what is configured is not in force: " + status.reload_problem,
         "mend the file; the configuration before it holds"});
  }
  if (!status.label_problem.empty()) {
    findings.push_back({"labels",
                        "the node's labels are not where they should be: " +
                            status.label_problem,
                        "look at the agent's log"});
  }
  if (status.config_warnings > 0) {
    findings.push_back(
        {"config",
         fmt::format("{} warnings about the configuration in force",
                     status.config_warnings),
         "gpunode-agent --config-check names them"});
  }
  return findings;
}

Page describe(const AgentStatus& status, const Findings& findings,
              Detail detail) {
  Page page;
  page.line(0, "Driver", Style::kHeading);
  page.line(
      2,
      (status.driver_version.empty() ? "unknown" : status.driver_version) +
          (status.driver_answers ? "" : ", DOES NOT ANSWER"),
      status.driver_answers ? Style::kPlain : Style::kBad);
  page.line(0, "GPUs", Style::kHeading);
  if (status.gpus.empty()) page.line(2, "none");
  GpuLines(status, detail, page).describe();
  resource_lines(status, page);
  source_line(status, page);
  page.line(0, "Configuration", Style::kHeading);
  page.line(2, config_line(status));
  finding_lines(findings, page);
  return page;
}

Absence judge_absence(const Error& why, const HostLook& look,
                      const PlanLook& plan) {
  const bool is_early = plan.exists && !look.has_plugin_directory &&
                        why.code() == ErrorCode::kNotFound;
  return is_early ? Absence::kExpected : Absence::kTold;
}

Page describe(const HostLook& look, const Findings& findings, Detail detail,
              Absence absence) {
  const AgentStatus& known = look.known;
  Page page;
  if (absence == Absence::kExpected) {
    page.line(0,
              "No agent, as no kubelet has been here. The host's files tell:",
              Style::kDim);
  } else {
    page.line(
        0, "No answer from an agent. What the host's files tell:", Style::kBad);
  }
  page.line(0, "Driver", Style::kHeading);
  page.line(2, known.driver_version.empty() ? "none is loaded"
                                            : known.driver_version);
  page.line(0, "GPUs", Style::kHeading);
  if (known.gpus.empty()) page.line(2, "none: " + look.gpu_problem);
  GpuLines(known, detail, page).describe();
  page.line(0, "Resources, as the kubelet has noted them", Style::kHeading);
  for (const AgentStatus::Resource& one : known.resources) {
    page.line(2, fmt::format("{}  {} of {} free", one.name,
                             one.free.value_or(0), one.capacity));
  }
  if (known.resources.empty()) page.line(2, "none");
  source_line(known, page);
  if (!look.last_choice.empty()) {
    page.line(0, "Configuration", Style::kHeading);
    page.line(2, "last chosen by the node's label: " + look.last_choice);
  }
  finding_lines(findings, page);
  return page;
}

}  // namespace gpunode::diagnose
