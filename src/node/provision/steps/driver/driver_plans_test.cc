// What every distribution gets for every kind of machine, from a bare host to a
// loaded driver: tests/fixtures/driver_plans/NAME.plan has each Step's plan and
// below each Action the commands that carry it out, word for word, as the
// classes of the package managers make them. GPUNODE_UPDATE_GOLDEN=1 writes the
// files anew. Real managers are asked the same in tests/packages.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "node/provision/packages/package_set.h"
#include "node/provision/steps/driver/command_words.h"
#include "node/provision/steps/driver/trial_distributions.h"
#include "node/provision/steps/driver/willing_host.h"
#include "node/provision/steps/steps.h"

namespace gpunode::provision {
namespace {

std::vector<std::unique_ptr<Step>> steps() {
  std::vector<std::unique_ptr<Step>> steps;
  steps.push_back(make_kernel_nouveau());
  steps.push_back(make_kernel_target());
  steps.push_back(make_kernel_secureboot());
  steps.push_back(make_kernel_build());
  steps.push_back(make_driver_obstacles());
  steps.push_back(make_driver_repository());
  steps.push_back(make_driver_packages());
  steps.push_back(make_driver_hold());
  steps.push_back(make_driver_modules());
  steps.push_back(make_driver_options());
  steps.push_back(make_driver_load());
  steps.push_back(make_driver_services());
  steps.push_back(make_cuda_extras());
  return steps;
}

bool stops(const StepPlan& plan) {
  return plan.state == StepState::kBlocked || plan.state == StepState::kRefused;
}

/// A run that a Step stops before its begin changes nothing.
bool is_stopped(const TrialHost& host) {
  return std::ranges::any_of(
      steps(), [&](const auto& step) { return stops(host.plan(*step)); });
}

void carry_out_all(WillingHost& host) {
  if (is_stopped(host.host())) return;
  for (const auto& step : steps()) {
    const StepPlan plan = host.plan(*step);
    host.carry_out(plan);
  }
}

/// All until the packages, of which one came in before the run was cut off.
void half_do(WillingHost& host) {
  if (is_stopped(host.host())) return;
  for (const auto& step : steps()) {
    StepPlan plan = host.plan(*step);
    if (step->id() != "driver.packages") {
      host.carry_out(plan);
      continue;
    }
    const auto sets = actions_of<InstallSet>(plan);
    std::erase_if(plan.actions, [](const Action& action) {
      return std::holds_alternative<InstallSet>(action);
    });
    host.carry_out(plan);
    if (sets.empty()) return;
    const std::string& name = sets[0].packages[0];
    host.packages().bring(name, host.packages().newest(name, sets[0].version));
    host.look_at_packages();
    return;
  }
}

/// All done when there was one release of the branch; somebody updated a part
/// of the userspace to the next one, which runs since.
void drift(WillingHost& host) {
  if (is_stopped(host.host())) return;
  host.packages().show(1);
  const auto sets = actions_of<InstallSet>(host.plan(*make_driver_packages()));
  carry_out_all(host);
  host.packages().show(99);
  if (sets.empty()) return;
  const std::string& name = sets[0].packages[0];
  const std::string newer = host.packages().newest(name, sets[0].version);
  host.packages().bring(name, newer);
  host.look_at_packages();
  host.host().facts.driver.library = packages::upstream_of(newer);
  // Two of the modules' users are modules.
  host.host().facts.driver.users = 2;
}

// The file ------------------------------------------------------------------

std::string words(const Action& action) {
  std::string text = describe(action);
  if (const auto* set = std::get_if<InstallSet>(&action)) {
    text +=
        fmt::format("\n      from {}", set->from.empty() ? "any" : set->from);
  }
  return text + "\n";
}

/// What a file of /etc is to hold.
std::string content_of(const Action& action) {
  const auto* file = std::get_if<WriteFile>(&action);
  if (file == nullptr || !file->path.starts_with("/etc/")) return "";
  std::string text;
  std::string_view content = file->content;
  while (!content.empty()) {
    const std::size_t end = std::min(content.find('\n'), content.size());
    const std::string_view line = content.substr(0, end);
    text += fmt::format("      |{}{}\n", line.empty() ? "" : " ", line);
    content.remove_prefix(std::min(end + 1, content.size()));
  }
  return text;
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

const char* word_of(StepState state) {
  constexpr std::array<const char*, 6> kWords = {
      "ok", "change", "drift", "blocked", "refused", "not wanted"};
  return kWords.at(static_cast<std::size_t>(state));
}

const std::string kPlainEnvironment =
    fmt::format("{}", fmt::join(host::Command().env, " "));

/// The environments that commands had; they are few.
std::string environment_of(const host::Command& command) {
  return fmt::format("{}", fmt::join(command.env, " "));
}

/// One distribution's file in the making.
class PlanFile {
 public:
  /// The plan for a host, Step by Step, each carried out before the next. What
  /// a Step has in common with an earlier section is told once.
  void add(const std::string& name, WillingHost& host,
           bool with_questions = false) {
    const bool is_halted = is_stopped(host.host());
    std::vector<Told> told;
    for (const auto& step : steps()) {
      const StepPlan plan = host.plan(*step);
      std::string text = fmt::format("{}{}{}\n", word_of(plan.state),
                                     plan.why.empty() ? "" : ": ", plan.why);
      if (!plan.fix.empty()) text += fmt::format("    next: {}\n", plan.fix);
      if (is_halted && !stops(plan)) continue;
      Told one{std::string(step->id()), text, text};
      if (!is_halted) carry_out(host, plan, with_questions, one);
      told.push_back(std::move(one));
    }
    if (!is_halted) expect_done(host, name);
    tell(name, told);
  }

  std::string text() const {
    std::string text = fmt::format(
        "Commands have the environment\n  {}\nand those of package managers\n"
        "  {}\n\n",
        kPlainEnvironment, tool_environment_);
    if (tool_environment_.empty()) text.clear();
    for (const auto& [names, plan] : sections_) {
      text += fmt::format("{}\n{}\n", names, plan);
    }
    return text;
  }

 private:
  /// What one Step comes to.
  struct Told {
    std::string id;
    std::string whole;  ///< By which it is told from others.
    std::string shown;  ///< Without the content of files that was shown.
  };

  void carry_out(WillingHost& host, const StepPlan& plan, bool with_questions,
                 Told& told) {
    for (const WillingHost::Done& done : host.carry_out(plan)) {
      const std::string head =
          fmt::format("    {} {}", symbol_of(done.action), words(done.action));
      const std::string content = content_of(done.action);
      const std::string commands =
          commands_of(done, host.root(), with_questions);
      told.whole += fmt::format("{}{}{}", head, content, commands);
      const bool is_new =
          content.empty() || shown_.insert(head + content).second;
      told.shown += fmt::format(
          "{}{}{}", head, is_new ? content : "      | as before\n", commands);
    }
  }

  std::string commands_of(const WillingHost::Done& done,
                          const std::string& root, bool with_questions) {
    std::string text;
    for (const host::Command& command : done.commands) {
      const bool asks = is_question(command);
      if (asks && !with_questions) continue;
      const std::string environment = environment_of(command);
      if (environment.find("DEBIAN_FRONTEND") != std::string::npos) {
        if (tool_environment_.empty()) tool_environment_ = environment;
        EXPECT_EQ(environment, tool_environment_);
      } else if (environment != kPlainEnvironment) {
        text += fmt::format("      in {}\n", environment);
      }
      const auto lines = lines_of_command(command, root);
      text += fmt::format("      {} {}\n", asks ? '?' : '$', lines[0]);
      for (std::size_t i = 1; i < lines.size(); ++i) {
        text += fmt::format("        {}\n", lines[i]);
      }
    }
    return text;
  }

  static void expect_done(const WillingHost& host, const std::string& what) {
    for (const auto& step : steps()) {
      const StepPlan plan = host.plan(*step);
      EXPECT_TRUE(plan.actions.empty())
          << what << ": " << step->id() << ": " << plan.why;
    }
  }

  void tell(const std::string& name, const std::vector<Told>& told) {
    // Steps of one kind that come after each other are told in one line.
    std::string plan;
    std::string ids;
    std::string last;
    const auto close = [&] {
      if (!ids.empty()) plan += fmt::format("  {}: {}", ids, last);
      ids.clear();
    };
    for (const auto& [id, whole, shown] : told) {
      const bool is_long = std::ranges::count(whole, '\n') > 1;
      const auto [known, is_new] = first_.try_emplace(id + whole, name);
      const std::string text = is_new || !is_long
                                   ? shown
                                   : fmt::format("as for {}\n", known->second);
      if (text != last || (is_new && is_long)) close();
      ids += (ids.empty() ? "" : ", ") + id;
      last = text;
    }
    close();
    // Whole plans that are equal are one, for all their machines.
    for (auto& [names, known] : sections_) {
      if (known != plan) continue;
      names += "; " + name;
      return;
    }
    sections_.emplace_back(name, plan);
  }

  std::string tool_environment_;
  std::map<std::string, std::string> first_;
  std::set<std::string> shown_;
  std::vector<std::pair<std::string, std::string>> sections_;
};

/// `text` is what the file of that name has; or is written to it.
void expect_file(const std::string& name, const std::string& text) {
  const std::string path = fmt::format("{}/{}.plan", DRIVER_PLANS, name);
  // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread.
  if (std::getenv("GPUNODE_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path, std::ios::binary) << text;
  }
  EXPECT_EQ(read_file(path), text);
}

TrialHost with_ready_made(const TrialDistribution& one,
                          const Machine& machine) {
  TrialHost host = fresh_host(one, machine);
  host.spec.driver.source = DriverSource::kPrecompiled;
  return host;
}

/// Rows whose repository has NVIDIA's ready-made modules.
bool has_ready_made(const TrialDistribution& one) {
  const std::string name = one.name();
  return name == "rhel-8" || name == "rhel-9";
}

class DriverPlans : public testing::TestWithParam<TrialDistribution> {};

TEST_P(DriverPlans, AreWhatTheTableSays) {
  const TrialDistribution& one = GetParam();
  PlanFile file;
  for (const Machine& machine : machines()) {
    const std::string name = machine.name;
    const TrialHost bare = fresh_host(one, machine);
    WillingHost begun(bare);
    file.add(name + ", fresh", begun);
    WillingHost half(bare);
    half_do(half);
    half.begin_anew();
    file.add(name + ", half done", half);
    WillingHost drifted(bare);
    drift(drifted);
    drifted.begin_anew();
    file.add(name + ", drifted", drifted);
  }
  const TrialHost bare = fresh_host(one, machine("T4"));
  if (!is_stopped(WillingHost(bare).host())) {
    WillingHost other(bare);
    carry_out_all(other);
    other.begin_anew();
    other.host().spec.driver.flavour = WantedFlavour::kProprietary;
    file.add("T4, done, and now with proprietary modules", other);
    TrialHost two = bare;
    facts::KernelImage& image = two.facts.kernels.images.emplace_back();
    image.release = one.next_kernel;
    image.compiler = one.compiler;
    two.facts.kernels.next = one.next_kernel;
    two.spec.host.kernel.policy = KernelPolicy::kPinRunning;
    two.spec.cuda.toolkit = "13.0";
    two.spec.cuda.gds = true;
    WillingHost pinned(two);
    file.add("T4, fresh, its kernel pinned, with CUDA 13.0 and GDS", pinned);
    WillingHost asked(bare);
    file.add("T4, fresh, with all that is asked on the way (?)", asked, true);
  }
  std::string text = file.text();
  if (one.like != nullptr &&
      text == read_file(fmt::format("{}/{}.plan", DRIVER_PLANS, one.like))) {
    text = fmt::format("All as in {}.plan.\n", one.like);
  }
  expect_file(one.name(), text);
}

TEST_P(DriverPlans, OfReadyMadeModulesAreWhatTheTableSays) {
  const TrialDistribution& one = GetParam();
  if (!has_ready_made(one)) return;
  PlanFile file;
  for (const Machine& machine : machines()) {
    // Its branch has no ready-made module in the recorded repository; how that
    // is told, RealDnfDriver of tests/packages knows.
    if (std::string_view(machine.name) == "K80") continue;
    WillingHost begun(with_ready_made(one, machine));
    file.add(fmt::format("{}, fresh", machine.name), begun);
  }
  const TrialHost bare = with_ready_made(one, machine("T4"));
  WillingHost half(bare);
  half_do(half);
  half.begin_anew();
  file.add("T4, half done", half);
  WillingHost switched(fresh_host(one, machine("T4")));
  carry_out_all(switched);
  switched.begin_anew();
  switched.host().spec.driver.source = DriverSource::kPrecompiled;
  file.add("T4, done with DKMS, and now ready-made", switched);
  switched.begin_anew();
  switched.host().spec.driver.source = DriverSource::kNvidia;
  file.add("T4, ready-made, and now with DKMS", switched);
  TrialHost next = bare;
  facts::KernelImage& image = next.facts.kernels.images.emplace_back();
  image.release = one.next_kernel;
  image.compiler = one.compiler;
  WillingHost updated(next);
  carry_out_all(updated);
  updated.begin_anew();
  updated.host().facts.kernels.next = one.next_kernel;
  file.add("T4, done, and a newer kernel boots next", updated);
  expect_file(one.name() + "-precompiled", file.text());
}

TEST(ReadyMadeModules, AreRefusedElsewhereWithTheWayOut) {
  std::string text;
  for (const TrialDistribution& one : trial_distributions()) {
    if (has_ready_made(one) || one.like != nullptr) continue;
    WillingHost host(with_ready_made(one, machine("T4")));
    StepPlan plan = host.plan(*make_driver_obstacles());
    if (!stops(plan)) plan = host.plan(*make_driver_packages());
    EXPECT_TRUE(stops(plan)) << one.name();
    text += fmt::format("{}: {}\n", one.name(), plan.why);
  }
  expect_file("precompiled-elsewhere", text);
}

INSTANTIATE_TEST_SUITE_P(All, DriverPlans,
                         testing::ValuesIn(trial_distributions()),
                         [](const auto& one) {
                           std::string name = one.param.name();
                           std::erase_if(name, [](char c) {
                             return c == '-' || c == '.';
                           });
                           return name;
                         });

}  // namespace
}  // namespace gpunode::provision
