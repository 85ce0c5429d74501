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

#include "node/distribution/distribution.h"
#include "node/driver/kernel_target.h"
#include "node/provision/packages/package_set.h"
#include "node/provision/steps/driver/command_words.h"
#include "node/provision/steps/driver/trial_machines.h"
#include "node/provision/steps/driver/willing_host.h"
#include "node/provision/steps/steps.h"

namespace gpunode::provision {
namespace {

/// A distribution as it comes: its kernel, and the next one.
struct Golden {
  const char* id;
  const char* version;
  const char* kernel;
  const char* next_kernel;
  /// "name=version" of packages that bring kernels.
  std::vector<std::string> packages;
  const char* compiler = "gcc (GCC) 11.5.0 20240719";
  /// Of a key that this version does not know: the file says it.
  bool says_key = false;
  /// The file that this one is the same as.
  const char* like = nullptr;

  std::string name() const {
    return fmt::format("{}-{}{}", id, version, says_key ? "-with-a-key" : "");
  }
};

std::vector<std::string> kernels(const std::string& version,
                                 std::vector<std::string> names) {
  for (std::string& name : names) name += "=" + version;
  return names;
}

Golden el8(const char* id, const char* like = nullptr) {
  return {
      id,
      "8",
      "4.18.0-553.el8_10.x86_64",
      "4.18.0-553.22.1.el8_10.x86_64",
      kernels("4.18.0-553.el8_10", {"kernel", "kernel-core", "kernel-modules"}),
      "gcc (GCC) 8.5.0 20210514 (Red Hat 8.5.0-22)",
      false,
      like};
}

Golden el9(const char* id, const char* like = nullptr) {
  return {id,
          "9",
          "5.14.0-570.12.1.el9_6.x86_64",
          "5.14.0-570.25.1.el9_6.x86_64",
          kernels("5.14.0-570.12.1.el9_6",
                  {"kernel", "kernel-core", "kernel-modules",
                   "kernel-modules-core"}),
          "gcc (GCC) 11.5.0 20240719 (Red Hat 11.5.0-5)",
          false,
          like};
}

Golden el10(bool says_key) {
  return {"rhel",
          "10",
          "6.12.0-55.9.1.el10_0.x86_64",
          "6.12.0-55.20.1.el10_0.x86_64",
          kernels("6.12.0-55.9.1.el10_0",
                  {"kernel", "kernel-core", "kernel-modules",
                   "kernel-modules-core"}),
          "gcc (GCC) 14.2.1 20250110",
          says_key};
}

Golden fedora(const char* version) {
  return {"fedora", version, "6.15.10-200.fc42.x86_64",
          "6.16.3-200.fc42.x86_64",
          kernels("6.15.10-200.fc42", {"kernel", "kernel-core"})};
}

std::vector<Golden> goldens() {
  std::vector<Golden> all = {
      {"rhel", "7", "3.10.0-1160.el7.x86_64", "3.10.0-1160.119.1.el7.x86_64",
       kernels("3.10.0-1160.el7", {"kernel"})},
      el8("rhel"),
      el8("rocky", "rhel-8"),
      // Oracle's own kernel, which its own gcc cannot build for.
      {"ol", "8", "5.15.0-308.179.6.el8uek.x86_64",
       "5.15.0-310.184.5.el8uek.x86_64",
       kernels("5.15.0-308.179.6.el8uek",
               {"kernel-uek", "kernel-uek-core", "kernel-uek-modules"}),
       "gcc (GCC) 11.2.1 20220127 (Red Hat 11.2.1-9.2.0.1)"},
      el9("rhel"),
      el9("almalinux", "rhel-9"),
      el9("centos", "rhel-9"),
      el10(false),
      el10(true),
      {"amzn", "2", "4.14.355-280.672.amzn2.x86_64",
       "4.14.355-281.714.amzn2.x86_64",
       kernels("4.14.355-280.672.amzn2", {"kernel"})},
      {"amzn", "2023", "6.1.147-172.266.amzn2023.x86_64",
       "6.1.148-173.267.amzn2023.x86_64",
       kernels("6.1.147-172.266.amzn2023", {"kernel"})},
      fedora("42"),
      fedora("43"),
      fedora("44"),
      {"ubuntu", "20.04", "5.4.0-200-generic", "5.4.0-216-generic",
       kernels("5.4.0.200.198", {"linux-generic", "linux-image-generic"}),
       "gcc (Ubuntu 9.4.0-1ubuntu1~20.04.2) 9.4.0"},
      {"ubuntu", "22.04", "5.15.0-151-generic", "5.15.0-153-generic",
       kernels("5.15.0.151.151", {"linux-generic", "linux-image-generic"}),
       "gcc (Ubuntu 11.4.0-1ubuntu1~22.04) 11.4.0"},
      {"ubuntu", "24.04", "6.8.0-79-generic", "6.8.0-83-generic",
       kernels("6.8.0-79.79", {"linux-generic", "linux-image-generic"}),
       "x86_64-linux-gnu-gcc-13 (Ubuntu 13.3.0-6ubuntu2~24.04) 13.3.0"},
      {"ubuntu", "26.04", "7.0.0-10-generic", "7.0.0-12-generic",
       kernels("7.0.0-10.10", {"linux-generic", "linux-image-generic"}),
       "x86_64-linux-gnu-gcc-15 (Ubuntu 15.2.0-4ubuntu4) 15.2.0"},
      {"debian", "11", "5.10.0-34-amd64", "5.10.0-35-amd64",
       kernels("5.10.234-1", {"linux-image-amd64"}),
       "gcc-10 (Debian 10.2.1-6) 10.2.1 20210110"},
      {"debian", "12", "6.1.0-38-amd64", "6.1.0-39-amd64",
       kernels("6.1.147-1", {"linux-image-amd64"}),
       "gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0"},
      {"debian", "13", "6.12.41+deb13-amd64", "6.12.43+deb13-amd64",
       kernels("6.12.41-1", {"linux-image-amd64"}),
       "x86_64-linux-gnu-gcc-14 (Debian 14.2.0-19) 14.2.0"},
  };
  for (const char* id : {"sles", "opensuse-leap"}) {
    all.push_back({id, "15", "6.4.0-150600.23.50-default",
                   "6.4.0-150600.23.60-default",
                   kernels("6.4.0-150600.23.50.1", {"kernel-default"}),
                   "gcc (SUSE Linux) 7.5.0"});
  }
  all.push_back({"sles", "16", "6.12.0-160000.5-default",
                 "6.12.0-160000.7-default",
                 kernels("6.12.0-160000.5.1", {"kernel-default"}),
                 "gcc (SUSE Linux) 13.4.0"});
  return all;
}

/// The name of the same kernel on another architecture.
std::string release_on(std::string release, const Machine& machine) {
  if (std::string_view(machine.arch) == "x86_64") return release;
  for (const auto& [from, to] :
       {std::pair{".x86_64", ".aarch64"}, std::pair{"-amd64", "-arm64"}}) {
    if (const std::size_t at = release.find(from); at != std::string::npos) {
      release.replace(at, std::string_view(from).size(), to);
    }
  }
  return release;
}

/// Booted, with nouveau on the GPUs, and nothing that builds modules.
TrialHost fresh(const Golden& one, const Machine& machine) {
  TrialHost host = host_of(one.id, one.version, machine);
  facts::HostFacts& facts = host.facts;
  facts.kernel.release = release_on(one.kernel, machine);
  facts.kernel.command_line = "BOOT_IMAGE=/vmlinuz root=UUID=1b0f-77aa ro";
  facts::KernelImage& image = facts.kernels.images.emplace_back();
  image.release = facts.kernel.release;
  image.compiler = one.compiler;
  facts.kernels.next = facts.kernel.release;
  for (const std::string& words : one.packages) {
    const std::size_t equals = words.find('=');
    facts.packages[words.substr(0, equals)] = {words.substr(equals + 1)};
  }
  facts.modules["nouveau"] = true;
  const auto there = [&](const char* path) { facts.trees[path].exists = true; };
  if (facts.os.is_like("debian")) {
    there("/usr/sbin/update-initramfs");
    there("/usr/sbin/update-grub");
    facts.files["/etc/default/grub"].content = "GRUB_DEFAULT=0\n";
    facts.packages["unattended-upgrades"] = {"2.9.1"};
  } else if (facts.os.is_like("suse")) {
    there("/usr/bin/dracut");
    there("/usr/sbin/grub2-set-default");
  } else {
    there("/usr/bin/dracut");
    there("/usr/sbin/grubby");
  }
  if (one.says_key) {
    distribution::Extension row;
    row.id = one.id;
    row.version = one.version;
    row.fingerprint = std::string(40, 'A');
    host.spec.distributions = {row};
  }
  return host;
}

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
    for (const auto& [names, plan] : sections_)
      text += names + "\n" + plan + "\n";
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
      told.whole += head + content + commands;
      const bool is_new =
          content.empty() || shown_.insert(head + content).second;
      told.shown +=
          head + (is_new ? content : "      | as before\n") + commands;
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

class DriverPlans : public testing::TestWithParam<Golden> {};

TEST_P(DriverPlans, AreWhatTheTableSays) {
  const Golden& one = GetParam();
  PlanFile file;
  for (const Machine& machine : machines()) {
    const std::string name = machine.name;
    const TrialHost bare = fresh(one, machine);
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
  const TrialHost bare = fresh(one, machine("T4"));
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
  const auto path_of = [](const std::string& name) {
    return fmt::format("{}/{}.plan", DRIVER_PLANS, name);
  };
  std::string text = file.text();
  if (one.like != nullptr && text == read_file(path_of(one.like))) {
    text = fmt::format("All as in {}.plan.\n", one.like);
  }
  const std::string path = path_of(one.name());
  // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread.
  if (std::getenv("GPUNODE_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path, std::ios::binary) << text;
  }
  EXPECT_EQ(read_file(path), text);
}

INSTANTIATE_TEST_SUITE_P(All, DriverPlans, testing::ValuesIn(goldens()),
                         [](const auto& one) {
                           std::string name = one.param.name();
                           std::erase_if(name, [](char c) {
                             return c == '-' || c == '.';
                           });
                           return name;
                         });

}  // namespace
}  // namespace gpunode::provision
