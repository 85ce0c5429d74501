// The commands of tests/fixtures/driver_plans, against real package managers:
// on repositories with NVIDIA's names they come to the same ones, word for word
// but for the root, and to what the plan wanted.
#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "node/provision/packages/lines.h"
#include "node/provision/packages/package_set.h"
#include "node/provision/steps/driver/command_words.h"
#include "node/provision/steps/driver/trial_machines.h"
#include "tests/packages/driver_on_root.h"

namespace gpunode::packages {
namespace {

using provision::InstallSet;
using provision::Machine;
using provision::StepPlan;

/// By Step, the commands that change something.
using Commands = std::map<std::string, std::vector<std::string>>;

/// The sections of a plan file, by name.
class PlanSections {
 public:
  explicit PlanSections(const std::string& file) {
    std::ifstream in(std::string(DRIVER_PLANS) + "/" + file + ".plan");
    for (std::string line; std::getline(in, line);) read(line);
  }

  std::map<std::string, Commands> take() { return std::move(sections_); }

 private:
  static std::vector<std::string> split(const std::string& text, char at) {
    std::istringstream all(text);
    std::vector<std::string> parts;
    for (std::string part; std::getline(all, part, at);) {
      parts.emplace_back(trimmed(part));
    }
    return parts;
  }

  void read(const std::string& line) {
    if (line.empty()) {
      names_.clear();
    } else if (names_.empty()) {
      names_ = split(line, ';');
    } else if (line.size() > 2 && line[2] != ' ') {
      read_steps(line);
    } else if (line.starts_with("      $ ") || line.starts_with("        < ")) {
      for (const std::string& name : names_) {
        sections_[name][steps_.front()].push_back(line.substr(8));
      }
    }
  }

  /// "  STEP, STEP: words".
  void read_steps(const std::string& line) {
    const std::size_t colon = line.find(": ");
    if (colon == std::string::npos) return;
    steps_ = split(line.substr(2, colon - 2), ',');
    const std::string words = line.substr(colon + 2);
    for (const std::string& step : steps_) {
      std::vector<std::string> known;
      if (words.starts_with("as for "))
        known = sections_[words.substr(7)][step];
      for (const std::string& name : names_) sections_[name][step] = known;
    }
  }

  std::map<std::string, Commands> sections_;
  std::vector<std::string> names_;  ///< Of the section that is read.
  std::vector<std::string> steps_;  ///< Of the line that was read last.
};

struct Distribution {
  const char* id;
  const char* like;
  const char* version;
  const char* plan;  ///< The file's name.
  Tool tool;
};

/// What is all as in another's file is left out.
const auto kDistributions = std::to_array<Distribution>({
    {"rhel", "fedora", "8", "rhel-8", Tool::kDnf},
    {"almalinux", "rhel fedora", "9", "rhel-9", Tool::kDnf},
    {"rhel", "fedora", "10", "rhel-10-with-a-key", Tool::kDnf},
    {"amzn", "fedora", "2023", "amzn-2023", Tool::kDnf},
    {"ubuntu", "debian", "20.04", "ubuntu-20.04", Tool::kApt},
    {"ubuntu", "debian", "22.04", "ubuntu-22.04", Tool::kApt},
    {"ubuntu", "debian", "24.04", "ubuntu-24.04", Tool::kApt},
    {"ubuntu", "debian", "26.04", "ubuntu-26.04", Tool::kApt},
    {"debian", "", "11", "debian-11", Tool::kApt},
    {"debian", "", "12", "debian-12", Tool::kApt},
    {"debian", "", "13", "debian-13", Tool::kApt},
    {"sles", "suse", "15", "sles-15", Tool::kZypper},
    {"opensuse-leap", "suse", "15", "opensuse-leap-15", Tool::kZypper},
    {"sles", "suse", "16", "sles-16", Tool::kZypper},
});

/// A part of a command that says which root is meant; none in the plans.
bool is_of_root(const std::string& word, const std::string& root) {
  return word == "--installroot=" + root || word == "--root=" + root ||
         word == "Dir=" + root || word.starts_with("Dir::State::status=") ||
         word.starts_with("DPkg::Options::=--root=");
}

host::Command without_root(host::Command command, const std::string& root) {
  std::vector<std::string> argv;
  for (const std::string& word : command.argv) {
    const std::string last = argv.empty() ? "" : argv.back();
    const bool is_value = word == root && last == "--root";
    if (!is_value && !is_of_root(word, root)) {
      argv.push_back(word);
    } else if (is_value || last == "-o") {
      argv.pop_back();
    }
  }
  command.argv = std::move(argv);
  return command;
}

class DriverPlansOnRoot : public DriverOnRoot,
                          public ::testing::WithParamInterface<Distribution> {
 protected:
  explicit DriverPlansOnRoot(Tool tool) : DriverOnRoot(tool, "plans") {
    lay_root();
    is(GetParam().id, GetParam().like, GetParam().version);
    // Whose kernel's modules may be a package of its own (ib_umad).
    const std::map<std::string, const char*> kernels = {
        {"ubuntu-20.04", "5.4.0-200-generic"},
        {"ubuntu-22.04", "5.15.0-151-generic"},
        {"ubuntu-24.04", "6.8.0-79-generic"},
        {"ubuntu-26.04", "7.0.0-10-generic"},
        {"amzn-2023", "6.1.147-172.266.amzn2023.x86_64"}};
    const auto kernel = kernels.find(GetParam().plan);
    if (kernel != kernels.end()) kernel_ = kernel->second;
  }

  std::string plan_file_ = GetParam().plan;

  void becomes(const Machine& machine) {
    gpus_ = machine.gpus;
    machine_ = machine.arch;
    about_.cloud = machine.cloud;
    about_.product = machine.product;
    about_.manages_nvlink = machine.manages_nvlink;
  }

  /// What one Step runs now, and that it ends well.
  std::vector<std::string> commands_of(const provision::Step& step) {
    (void)recorder_.taken();
    EXPECT_EQ(carry_out(step), "") << step.id();
    std::vector<std::string> lines;
    for (const host::Command& command : recorder_.taken()) {
      if (provision::is_question(command)) continue;
      for (std::string& line : provision::lines_of_command(
               without_root(command, root_.path()), root_.path())) {
        lines.push_back(std::move(line));
      }
    }
    return lines;
  }

  void expect_commands(const std::string& section) {
    const auto plans = PlanSections(plan_file_).take();
    const auto plan = plans.find(section);
    ASSERT_NE(plan, plans.end()) << section;
    for (const auto& step : {provision::make_driver_packages().release(),
                             provision::make_driver_hold().release()}) {
      const std::unique_ptr<provision::Step> owner(step);
      const std::string id(step->id());
      EXPECT_EQ(commands_of(*step), plan->second.at(id))
          << section << ": " << id;
      const StepPlan again = plan_of(*step);
      EXPECT_EQ(again.state, provision::StepState::kOk) << again.why;
    }
  }

  bool is_blocked() {
    return plan_of(*provision::make_driver_obstacles()).state ==
               provision::StepState::kBlocked ||
           plan_of(*provision::make_driver_packages()).state ==
               provision::StepState::kBlocked;
  }

  InstallSet wanted_set() {
    const StepPlan plan = plan_of(*provision::make_driver_packages());
    for (const provision::Action& action : plan.actions) {
      if (const auto* set = std::get_if<InstallSet>(&action)) return *set;
    }
    ADD_FAILURE() << "nothing to install: " << plan.why;
    return {};
  }

  /// The releases of a set's first package, the oldest first.
  std::vector<std::string> releases_of(const InstallSet& set) {
    const auto all = manager().candidates({set.packages.front()});
    EXPECT_TRUE(all);
    std::vector<std::string> releases;
    for (const Candidate& one : *all) {
      if (is_of(upstream_of(one.version), set.version)) {
        releases.push_back(one.version);
      }
    }
    std::ranges::sort(releases, [](const auto& a, const auto& b) {
      return is_older(upstream_of(a), upstream_of(b));
    });
    return releases;
  }

  /// Somebody installs a version by hand; what is held stays so.
  void brings(const std::string& name, const std::string& version) {
    const auto holds = manager().holds();
    ASSERT_TRUE(holds) << holds.error().message();
    ASSERT_TRUE(manager().release(*holds));
    const Applied done = change({{{name, version}}, {}});
    ASSERT_TRUE(done.outcome) << done.outcome.error().message();
    held_by_hand(*holds);
  }

  virtual void held_by_hand(const std::vector<Hold>& holds) {
    std::vector<std::string> names;
    for (const Hold& hold : holds) names.push_back(hold.name);
    ASSERT_TRUE(manager().hold(names));
  }

  void expect_fresh(const char* name) {
    becomes(provision::machine(name));
    if (is_blocked()) return;
    add_repository();
    expect_commands(std::string(name) + ", fresh");
  }

  /// All that comes before the set of packages; the set.
  InstallSet come_to_set() {
    becomes(provision::machine("T4"));
    add_repository();
    const auto step = provision::make_driver_packages();
    StepPlan plan = plan_of(*step);
    InstallSet set = wanted_set();
    std::erase_if(plan.actions, [](const provision::Action& action) {
      return std::holds_alternative<InstallSet>(action);
    });
    EXPECT_EQ(carry_out(*step, plan), "");
    EXPECT_TRUE(manager().refresh());
    return set;
  }

  void expect_half_done() {
    const InstallSet set = come_to_set();
    const auto releases = releases_of(set);
    ASSERT_EQ(releases.size(), 2U);
    brings(set.packages.front(), releases.back());
    performer_.reset();
    expect_commands("T4, half done");
  }

  void expect_drifted() {
    const InstallSet set = come_to_set();
    const auto releases = releases_of(set);
    ASSERT_EQ(releases.size(), 2U);
    spec_.driver.branch = std::stoi(set.version);
    spec_.driver.version = upstream_of(releases.front());
    const auto step = provision::make_driver_packages();
    ASSERT_EQ(carry_out(*step), "");
    ASSERT_EQ(carry_out(*provision::make_driver_hold()), "");
    spec_.driver.branch = 0;
    spec_.driver.version.clear();
    // The pins are as if the version had never been said.
    StepPlan pins = plan_of(*step);
    std::erase_if(pins.actions, [](const provision::Action& action) {
      return !std::holds_alternative<provision::WriteFile>(action);
    });
    ASSERT_EQ(carry_out(*step, pins), "");
    brings(set.packages.front(), releases.back());
    performer_.reset();
    expect_commands("T4, drifted");
  }
};

class RealAptPlans : public DriverPlansOnRoot {
 protected:
  RealAptPlans() : DriverPlansOnRoot(Tool::kApt) {}
};

class RealZypperPlans : public DriverPlansOnRoot {
 protected:
  RealZypperPlans() : DriverPlansOnRoot(Tool::kZypper) {}
};

class RealDnfPlans : public DriverPlansOnRoot {
 protected:
  RealDnfPlans() : DriverPlansOnRoot(Tool::kDnf) {}

  void SetUp() override {
    if (!host::HostRoot().exists(stubs() + "/dnf-plugins/enabled")) {
      GTEST_SKIP() << "no versionlock plugin here: the mirror has none";
    }
  }

  /// The golden plans of modules that come built, for those who have them.
  void expect_ready_made(const char* name) {
    const std::map<std::string, const char*> kernels = {
        {"rhel-8", "4.18.0-553.el8_10.x86_64"},
        {"rhel-9", "5.14.0-570.12.1.el9_6.x86_64"}};
    const auto kernel = kernels.find(GetParam().plan);
    if (kernel == kernels.end()) return;
    spec_.driver.source = provision::DriverSource::kPrecompiled;
    kernel_ = kernel->second;
    plan_file_ = std::string(GetParam().plan) + "-precompiled";
    expect_fresh(name);
  }

  /// In the versions of before.
  void held_by_hand(const std::vector<Hold>& holds) override {
    std::string text;
    for (const Hold& hold : holds) text += hold.entry + "\n";
    root_.file("etc/dnf/plugins/versionlock.list", text);
  }
};

std::vector<Distribution> of_tool(Tool tool) {
  std::vector<Distribution> all;
  std::ranges::copy_if(
      kDistributions, std::back_inserter(all),
      [&](const Distribution& one) { return one.tool == tool; });
  return all;
}

std::string name_of_param(const ::testing::TestParamInfo<Distribution>& one) {
  std::string name = one.param.plan;
  std::erase_if(name, [](char c) { return c == '-' || c == '.'; });
  return name;
}

// NOLINTBEGIN(cppcoreguidelines-macro-usage): a name of each suite for gtest.
#define PLANS_OF(suite, tool)                                              \
  TEST_P(suite, OfAnA10GAreRun) {                                          \
    expect_fresh("A10G on a g5");                                          \
  }                                                                        \
  TEST_P(suite, OfEightB200AreRun) {                                       \
    expect_fresh("8 B200");                                                \
  }                                                                        \
  TEST_P(suite, OfEightH100AreRun) {                                       \
    expect_fresh("8 H100 with NVSwitches");                                \
  }                                                                        \
  TEST_P(suite, OfAGh200AreRun) {                                          \
    expect_fresh("GH200");                                                 \
  }                                                                        \
  TEST_P(suite, OfAK80AreRun) {                                            \
    expect_fresh("K80");                                                   \
  }                                                                        \
  TEST_P(suite, OfAHalfDoneT4AreRun) {                                     \
    expect_half_done();                                                    \
  }                                                                        \
  TEST_P(suite, OfADriftedT4AreRun) {                                      \
    expect_drifted();                                                      \
  }                                                                        \
  INSTANTIATE_TEST_SUITE_P(All, suite, ::testing::ValuesIn(of_tool(tool)), \
                           name_of_param)
// NOLINTEND(cppcoreguidelines-macro-usage)

PLANS_OF(RealAptPlans, Tool::kApt);
PLANS_OF(RealDnfPlans, Tool::kDnf);
PLANS_OF(RealZypperPlans, Tool::kZypper);

TEST_P(RealDnfPlans, OfReadyMadeModulesForAnA10GAreRun) {
  expect_ready_made("A10G on a g5");
}
TEST_P(RealDnfPlans, OfReadyMadeModulesForEightH100AreRun) {
  expect_ready_made("8 H100 with NVSwitches");
}

}  // namespace
}  // namespace gpunode::packages
