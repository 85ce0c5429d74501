// prep.proxy: container runtime and kubelet fetch through spec.proxy as well.

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

#include "node/provision/file_plan.h"
#include "node/provision/packages/redaction.h"
#include "node/provision/steps/steps.h"

namespace gpunode::provision {
namespace {

// A file, not lines of the unit: systemd tells every user what stands there.
constexpr const char* kEnvironmentPath = "/etc/gpunode/proxy.env";
constexpr std::uint32_t kSecretMode = 0600;
constexpr std::uint32_t kOthersBits = 0077;

struct Service {
  const char* unit;
  bool is_usual;  ///< Prepared for before it is installed.
};
constexpr std::array<Service, 4> kServices = {{{"containerd.service", true},
                                               {"kubelet.service", true},
                                               {"crio.service", false},
                                               {"docker.service", false}}};

// Never through a proxy: the node itself, its cloud's metadata (of which the
// kubelet's credential plugins ask), and names that only a cluster has.
constexpr std::string_view kNearby =
    "localhost,127.0.0.0/8,::1,169.254.169.254,.svc,.cluster.local";

std::string drop_in_path(std::string_view unit) {
  return fmt::format("/etc/systemd/system/{}.d/10-gpunode-proxy.conf", unit);
}

/// NAME="value" as systemd reads it in a file of variables.
std::string line_of(std::string_view name, std::string_view value) {
  if (value.empty()) return {};
  std::string quoted;
  for (const char c : value) {
    if (std::string_view("\"\\`$").find(c) != std::string_view::npos) {
      quoted += '\\';
    }
    quoted += c;
  }
  return fmt::format("{}=\"{}\"\n", name, quoted);
}

std::string environment_of(const ProxySpec& proxy) {
  std::string none(kNearby);
  if (!proxy.none.empty()) none += "," + proxy.none;
  return line_of("HTTP_PROXY", proxy.http) +
         line_of("HTTPS_PROXY", proxy.https) + line_of("NO_PROXY", none);
}

/// User or password stand in one of the addresses.
bool has_secret(const ProxySpec& proxy) {
  return packages::redacted(proxy.http) != proxy.http ||
         packages::redacted(proxy.https) != proxy.https;
}

facts::UnitFacts unit_of(const PlanInput& input, const char* name) {
  const auto found = input.facts.units.find(name);
  return found == input.facts.units.end() ? facts::UnitFacts() : found->second;
}

class Proxy final : public Step {
 public:
  std::string_view id() const override { return "prep.proxy"; }
  std::string_view title() const override {
    return "container runtime and kubelet know the proxy";
  }
  std::string_view reason() const override {
    return "images are fetched by the runtime, which knows no proxy of package "
           "managers or shells";
  }

  facts::Wanted wants(const NodeSpec& /*spec*/) const override {
    facts::Wanted wanted;
    wanted.files = {kEnvironmentPath};
    for (const Service& service : kServices) {
      wanted.files.insert(drop_in_path(service.unit));
      wanted.units.insert(service.unit);
    }
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override {
    const ProxySpec& proxy = input.spec.proxy;
    if (proxy.http.empty() && proxy.https.empty()) return taken(input);
    StepPlan plan;
    plan_environment(input, plan);
    const bool is_other = !plan.actions.empty();
    for (const Service& service : kServices) {
      const facts::UnitFacts unit = unit_of(input, service.unit);
      const std::string path = drop_in_path(service.unit);
      const std::size_t before = plan.actions.size();
      if (service.is_usual || unit.load_state == "loaded") {
        plan_managed_file(
            input, path,
            // Without the file the service starts all the same: a node
            // without its proxy is better than none, and drift is told.
            fmt::format("[Service]\nEnvironmentFile=-{}\n", kEnvironmentPath),
            plan);
      }
      if (plan.state == StepState::kBlocked) return plan;
      if (is_other || plan.actions.size() != before ||
          input.history.unsettled.contains(path) ||
          input.history.unsettled.contains(kEnvironmentPath)) {
        restart(input, service.unit, plan);
      }
    }
    return plan;
  }

 private:
  static void plan_environment(const PlanInput& input, StepPlan& plan) {
    const std::string body = environment_of(input.spec.proxy);
    const bool is_secret = has_secret(input.spec.proxy);
    plan_managed_file(input, kEnvironmentPath, body, plan);
    if (!plan.actions.empty()) {
      if (is_secret) {
        std::get<WriteFile>(plan.actions.back()).mode = kSecretMode;
      }
      return;
    }
    if (!is_secret || plan.state != StepState::kOk) return;
    const facts::FileFacts& file = input.facts.files.at(kEnvironmentPath);
    if ((file.mode & kOthersBits) == 0) return;
    plan.state = StepState::kChange;
    plan.why = fmt::format("{} has a password, and others may read it",
                           kEnvironmentPath);
    plan.before[kEnvironmentPath] = *file.content;
    plan.actions.emplace_back(WriteFile{.path = kEnvironmentPath,
                                        .content = *file.content,
                                        .mode = kSecretMode});
  }

  /// One that runs has the environment that it was started with. Containers
  /// outlive a restart of either.
  static void restart(const PlanInput& input, const char* name,
                      StepPlan& plan) {
    if (!input.facts.machine.systemd) return;
    if (unit_of(input, name).active_state != "active") return;
    plan.actions.emplace_back(
        SetUnit{.unit = name, .active = Wish::kYes, .restart = true});
    if (plan.state == StepState::kOk) {
      plan.state = StepState::kChange;
      plan.why = fmt::format("{} runs as it was", name);
    }
  }

  /// What we wrote once goes, when it is no longer asked for.
  static StepPlan taken(const PlanInput& input) {
    StepPlan plan;
    std::vector<const char*> freed;
    for (const Service& service : kServices) {
      const std::string path = drop_in_path(service.unit);
      const std::size_t before = plan.actions.size();
      plan_no_managed_file(input, path, plan);
      // Gone already, in a run that was cut off before its restart.
      const bool is_owed = input.history.unsettled.contains(path);
      if (plan.actions.size() != before || is_owed) {
        freed.push_back(service.unit);
      }
    }
    plan_no_managed_file(input, kEnvironmentPath, plan);
    for (const char* unit : freed) restart(input, unit, plan);
    if (plan.actions.empty()) {
      return StepPlan::not_wanted("spec.proxy names none");
    }
    return plan;
  }
};

}  // namespace

std::unique_ptr<Step> make_prep_proxy() {
  return std::make_unique<Proxy>();
}

}  // namespace gpunode::provision
