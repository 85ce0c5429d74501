// engine.check: a timer looks after the node once it is made.

#include <fmt/format.h>

#include "node/provision/file_plan.h"
#include "node/provision/steps/steps.h"
#include "node/provision/unit_name.h"

namespace gpunode::provision {
namespace {

constexpr const char* kTimer = "gpunode-check.timer";
constexpr const char* kTimerPath = "/etc/systemd/system/gpunode-check.timer";
constexpr const char* kServicePath =
    "/etc/systemd/system/gpunode-check.service";

/// When, and how far thousands of nodes are spread: not all of them may ask the
/// API server in the same second.
struct Schedule {
  const char* calendar;
  const char* spread;
};

Schedule schedule_of(CheckInterval interval) {
  switch (interval) {
    case CheckInterval::kDaily:
      return {"daily", "6h"};
    case CheckInterval::kWeekly:
      return {"weekly", "1d"};
    case CheckInterval::kHourly:
    case CheckInterval::kOff:
      break;
  }
  return {"hourly", "30min"};
}

std::string timer_text(CheckInterval interval) {
  const Schedule schedule = schedule_of(interval);
  return fmt::format(R"([Unit]
Description=Look after this GPU node
Documentation=man:gpunode(8)

[Timer]
OnCalendar={}
RandomizedDelaySec={}
Persistent=true
OnBootSec=10min

[Install]
WantedBy=timers.target
)",
                     schedule.calendar, schedule.spread);
}

// It reads everything and writes one directory. rpm must be let write the locks
// and logs beside its database to read it: with SQLite's gone it would know no
// package. /usr/lib/modules must be seen, which ProtectKernelModules hides, and
// disks, which PrivateDevices hides; ProtectClock would hide them, too, on
// systemd 245 to 247. Exit code 2 says that there is something to tell, which
// is no failure of the check.
std::string service_text(const NodeSpec& spec) {
  return fmt::format(R"([Unit]
Description=Look for drift, a kernel without its module and old certificates
Documentation=man:gpunode(8)
After=network-online.target

[Service]
Type=oneshot
ExecStart={} check --metrics-file /run/gpunode-check/gpunode.prom {}
SuccessExitStatus=2
TimeoutStartSec=5min
Nice=10
IOSchedulingClass=idle
RuntimeDirectory=gpunode-check
RuntimeDirectoryMode=0755
RuntimeDirectoryPreserve=yes
CapabilityBoundingSet=CAP_DAC_READ_SEARCH
NoNewPrivileges=yes
ProtectSystem=strict
ReadWritePaths=-/var/lib/rpm -/usr/lib/sysimage/rpm
ProtectHome=read-only
PrivateTmp=yes
ProtectKernelTunables=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectHostname=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=~@clock @debug @module @mount @obsolete @raw-io @reboot @swap
)",
                     spec.program, exec_word(spec.path));
}

class Check final : public Step {
 public:
  std::string_view id() const override { return "engine.check"; }
  std::string_view title() const override {
    return "the node is looked after by a timer";
  }
  std::string_view reason() const override {
    return "drift, a new kernel without the module and certificates that end "
           "are found before they take the GPUs away";
  }

  facts::Wanted wants(const NodeSpec& /*spec*/) const override {
    facts::Wanted wanted;
    wanted.files = {kTimerPath, kServicePath};
    wanted.units = {kTimer};
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override {
    if (input.spec.check.interval == CheckInterval::kOff) return taken(input);
    // Nobody asked for it by name: no reason to keep all else from being done.
    if (input.spec.program.empty()) {
      return StepPlan::not_wanted(
          "this gpunode lies where a timer must not start it; install it, as "
          "/usr/bin/gpunode, to have one");
    }
    StepPlan plan;
    plan_managed_file(input, kServicePath, service_text(input.spec), plan);
    const std::size_t before = plan.actions.size();
    plan_managed_file(input, kTimerPath, timer_text(input.spec.check.interval),
                      plan);
    const bool is_other = plan.actions.size() != before ||
                          input.history.unsettled.contains(kTimerPath);
    if (plan.state != StepState::kBlocked) start(input, is_other, plan);
    return plan;
  }

 private:
  /// The timer runs where systemd does; elsewhere it is enabled alone.
  static void start(const PlanInput& input, bool is_other, StepPlan& plan) {
    const auto found = input.facts.units.find(kTimer);
    const facts::UnitFacts unit =
        found == input.facts.units.end() ? facts::UnitFacts() : found->second;
    const bool is_enabled = unit.unit_file_state == "enabled";
    const bool must_run = input.facts.machine.systemd;
    const bool runs = !must_run || unit.active_state == "active";
    if (is_enabled && runs && !is_other) return;
    plan.actions.emplace_back(
        SetUnit{.unit = kTimer,
                .enabled = Wish::kYes,
                .active = must_run ? Wish::kYes : Wish::kAsIs,
                .restart = is_other && must_run});
    if (plan.state != StepState::kOk) return;
    plan.state = StepState::kChange;
    plan.why = !is_enabled ? fmt::format("{} is not enabled", kTimer)
               : !runs     ? fmt::format("{} is not active", kTimer)
                           : fmt::format("{} may run as its file was", kTimer);
  }

  /// What we installed once goes, when it is no longer asked for.
  static StepPlan taken(const PlanInput& input) {
    StepPlan plan;
    plan_no_managed_file(input, kTimerPath, plan);
    plan_no_managed_file(input, kServicePath, plan);
    if (plan.actions.empty()) {
      return StepPlan::not_wanted("spec.check.interval is off");
    }
    plan.actions.insert(
        plan.actions.begin(),
        SetUnit{.unit = kTimer, .enabled = Wish::kNo, .active = Wish::kNo});
    return plan;
  }
};

}  // namespace

std::unique_ptr<Step> make_engine_check() {
  return std::make_unique<Check>();
}

}  // namespace gpunode::provision
