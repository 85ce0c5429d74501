// For tests: a host that does all that it is told, and remembers the words.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/host/command_runner.h"
#include "base/host/host_tree.h"
#include "node/provision/host_performer.h"
#include "node/provision/steps/driver/willing_packages.h"
#include "node/provision/steps/trial_host.h"

namespace gpunode::provision {

/// Programs beside package managers: those that the Steps of kernel and driver
/// run. Another one fails the test.
class WillingPrograms final : public host::CommandRunner {
 public:
  WillingPrograms(const host::HostTree& tree, WillingPackages& packages)
      : tree_(tree), packages_(packages) {}

  Result<host::Completed> run(const host::Command& command) override;

  /// What was run since the last call.
  std::vector<host::Command> taken() { return std::exchange(commands_, {}); }

 private:
  Result<host::Completed> modprobe(const std::vector<std::string>& argv);
  Result<host::Completed> dkms(const std::vector<std::string>& argv);
  Result<host::Completed> make(const std::vector<std::string>& argv);
  Result<host::Completed> systemctl(const std::vector<std::string>& argv);

  const host::HostTree& tree_;
  WillingPackages& packages_;
  std::vector<host::Command> commands_;
  std::map<std::string, std::string> built_;  ///< Kernel to version.
  int built_of_ = 0;  ///< Of which WillingPackages::module_changes().
  std::map<std::string, std::string> units_;  ///< Unit to "enabled active".
  std::map<std::string, bool> modules_;
};

/// A TrialHost whose Actions are carried out by the real HostPerformer, and so
/// by the real package managers' classes, on a directory of its own.
class WillingHost {
 public:
  /// One Action with the commands that it came to, questions too.
  struct Done {
    const Action& action;
    std::vector<host::Command> commands;
  };

  /// NVIDIA's key is another one here: a host's spec says so, except where the
  /// table knows none.
  explicit WillingHost(TrialHost begun);

  TrialHost& host() { return host_; }
  WillingPackages& packages() { return packages_; }
  const std::string& root() const { return tree_.path(); }

  StepPlan plan(const Step& step) const { return host_.plan(step); }
  /// Prepared and performed, as a run does it; what fails, fails the test.
  std::vector<Done> carry_out(const StepPlan& plan);

  /// Another run of the program: what the last one knew is forgotten.
  void begin_anew();

  /// What the facts say of packages is what there is.
  void look_at_packages();

 private:
  void put(const Action& action);
  void take_over(const Action& action);
  void take_over_devel(const InstallPackages& install);
  void take_over_ready_made();

  host::HostTree tree_;
  TrialHost host_;
  WillingPackages packages_{tree_};
  WillingPrograms programs_{tree_, packages_};
  host::HostRoot root_;
  std::optional<HostPerformer> performer_;
  std::uint64_t seq_ = 0;
};

}  // namespace gpunode::provision
