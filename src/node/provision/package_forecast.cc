#include "node/provision/package_forecast.h"

#include <algorithm>
#include <type_traits>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "node/provision/package_actions.h"
#include "node/provision/packages/repository.h"
#include "node/provision/packages/transaction_policy.h"

namespace gpunode::provision {
namespace {

using std::chrono::milliseconds;

/// Every program together ends in time.
class BoundedRunner final : public host::CommandRunner {
 public:
  BoundedRunner(host::CommandRunner& inner, const Clock& clock)
      : inner_(inner), clock_(clock), end_(clock.now() + kForecastTime) {}

  Result<host::Completed> run(const host::Command& command) override {
    const auto left =
        std::chrono::duration_cast<milliseconds>(end_ - clock_.now());
    if (left <= milliseconds(0)) {
      return Error(ErrorCode::kUnavailable,
                   fmt::format("the package manager was asked for {} s already",
                               kForecastTime.count()));
    }
    host::Command bounded = command;
    bounded.timeout = std::min(bounded.timeout, left);
    return inner_.run(bounded);
  }

 private:
  host::CommandRunner& inner_;
  const Clock& clock_;
  TimePoint end_;
};

/// As an action spells them: "name=version" or a name alone.
packages::Transaction transaction_of(const InstallPackages& action) {
  packages::Transaction wanted;
  for (const std::string& words : action.packages) {
    const std::size_t equals = words.find('=');
    wanted.install.push_back(equals == std::string::npos
                                 ? packages::Wanted{words}
                                 : packages::Wanted{words.substr(0, equals),
                                                    words.substr(equals + 1)});
  }
  return wanted;
}

/// "epel-release", "oracle-epel-release-el9": such a package is repository
/// files.
bool brings_repositories(const std::string& package) {
  return package.find("-release") != std::string::npos;
}

/// After it the manager may find other packages. What a program does nobody
/// knows; those of our Steps register with vendors (subscription-manager,
/// SUSEConnect, amazon-linux-extras).
bool changes_repositories(const Action& action) {
  return std::visit(
      [](const auto& one) {
        using One = std::decay_t<decltype(one)>;
        if constexpr (std::is_same_v<One, WriteFile> ||
                      std::is_same_v<One, RemoveFile> ||
                      std::is_same_v<One, RestoreFile>) {
          return packages::is_repository_file(one.path);
        } else if constexpr (std::is_same_v<One, InstallPackages>) {
          return std::ranges::any_of(one.packages, brings_repositories);
        } else {
          return std::is_same_v<One, RunProgram> ||
                 std::is_same_v<One, SetModuleStream> ||
                 std::is_same_v<One, FetchKey>;
        }
      },
      action);
}

bool installs_anything(const Plan& plan) {
  return std::ranges::any_of(plan.steps, [](const PlannedStep& step) {
    return std::ranges::any_of(step.plan.actions, [](const Action& action) {
      return std::holds_alternative<InstallPackages>(action);
    });
  });
}

/// Calls `forecast` with each InstallPackages action and if a repository came
/// before it.
template <class Forecast>
PackageForecasts each_installation(const Plan& plan, Forecast&& forecast) {
  PackageForecasts forecasts;
  bool is_after_repository = false;
  for (const PlannedStep& step : plan.steps) {
    for (std::size_t i = 0; i < step.plan.actions.size(); ++i) {
      const Action& action = step.plan.actions[i];
      if (const auto* install = std::get_if<InstallPackages>(&action)) {
        forecasts.all.push_back(
            {step.id, i, forecast(*install, is_after_repository)});
      }
      is_after_repository |= changes_repositories(action);
    }
  }
  return forecasts;
}

}  // namespace

const PackageForecast* PackageForecasts::find(std::string_view step,
                                              std::size_t action) const {
  const auto found = std::ranges::find_if(all, [&](const PackageForecast& one) {
    return one.step == step && one.action == action;
  });
  return found == all.end() ? nullptr : &*found;
}

bool PackageForecasts::has_refusal() const {
  return std::ranges::any_of(
      all, [](const PackageForecast& one) { return !one.refusal.empty(); });
}

PackageForecasts forecast_packages(const Plan& plan,
                                   packages::PackageManager& manager) {
  PackageForecasts forecasts = each_installation(
      plan,
      [&](const InstallPackages& install,
          bool is_after_repository) -> Result<packages::TransactionPlan> {
        if (is_after_repository) {
          return Error(ErrorCode::kUnavailable,
                       "a repository is changed earlier in this plan");
        }
        auto transaction = manager.simulate(transaction_of(install));
        if (!transaction &&
            transaction.error().code() == ErrorCode::kNotFound) {
          return Error(transaction.error().code(),
                       transaction.error().message() +
                           " (by the indexes that are here; apply fetches "
                           "new ones)");
        }
        return transaction;
      });
  for (PackageForecast& one : forecasts.all) {
    if (!one.transaction) continue;
    const auto allowed = packages::check_transaction(*one.transaction, {});
    if (!allowed) one.refusal = allowed.error().message();
  }
  return forecasts;
}

PackageForecasts forecast_packages(const Plan& plan, const facts::OsRelease& os,
                                   host::CommandRunner& runner,
                                   packages::Settings settings,
                                   const Clock& clock) {
  if (!installs_anything(plan)) return {};
  const auto tool = package_tool(os);
  if (!tool) {
    return each_installation(
        plan,
        [&](const InstallPackages& /*install*/,
            bool /*is_after_repository*/) -> Result<packages::TransactionPlan> {
          return Error(tool.error());
        });
  }
  settings.is_offline = true;
  settings.lock_wait = milliseconds(0);
  settings.mirror_attempts = 1;
  BoundedRunner bounded(runner, clock);
  const auto manager =
      packages::make_package_manager(*tool, bounded, std::move(settings));
  return forecast_packages(plan, *manager);
}

}  // namespace gpunode::provision
