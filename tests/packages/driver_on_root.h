// What tests of the driver's packages on real managers share: a root that is a
// distribution with GPUs, and the Steps carried out on it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "node/facts/os_release.h"
#include "node/facts/wanted_files.h"
#include "node/provision/host_performer.h"
#include "node/provision/packages/openpgp_key.h"
#include "node/provision/rollback.h"
#include "node/provision/steps/steps.h"
#include "tests/packages/real_packages.h"

namespace gpunode::packages {

/// Runs programs and remembers them.
class RecordingRunner final : public host::CommandRunner {
 public:
  explicit RecordingRunner(host::CommandRunner& runner) : runner_(runner) {}

  Result<host::Completed> run(const host::Command& command) override {
    commands_.push_back(command);
    return runner_.run(command);
  }

  std::vector<host::Command> taken() { return std::exchange(commands_, {}); }

 private:
  host::CommandRunner& runner_;
  std::vector<host::Command> commands_;
};

/// A root that is a distribution with a GPU, whose mirror of NVIDIA's
/// repositories is the stubs'.
class DriverOnRoot : public RealPackages {
 protected:
  /// `repositories` is the stubs' directory that stands for NVIDIA's.
  explicit DriverOnRoot(Tool tool, const std::string& repositories = "cuda")
      : RealPackages(tool), mirror_(stubs() + "/" + repositories) {
    spec_.driver.is_wanted = true;
    spec_.mirrors["https://developer.download.nvidia.com/compute/cuda/repos"] =
        mirror_.url();
  }

  /// What the managers need of a root to work in it at all.
  void lay_root() {
    if (tool_ == Tool::kApt) return lay_apt_root();
    if (tool_ == Tool::kDnf) return lay_dnf_root();
    root_.directory("etc/zypp/repos.d");
    root_.directory("var/lib/rpm");
    root_.directory("run");
    // Debian's rpm has its database in the caller's home.
    root_.file("home/.rpmmacros", "%_dbpath /var/lib/rpm\n");
    settings_.environment = {"HOME=" + root_.path("home")};
  }

  void lay_dnf_root() {
    const std::string plugins = stubs() + "/dnf-plugins";
    root_.directory("etc/dnf/modules.d");
    root_.directory("etc/yum.repos.d");
    root_.file("etc/dnf/dnf.conf",
               "[main]\ngpgcheck=1\nmodule_platform_id=platform:el8\n"
               "pluginpath=" +
                   plugins + "/enabled\npluginconfpath=" +
                   root_.path("etc/dnf/plugins") + "\n");
    root_.file("etc/dnf/plugins/versionlock.conf",
               "[main]\nenabled=1\nlocklist=" +
                   root_.path("etc/dnf/plugins/versionlock.list") + "\n");
    root_.file("etc/dnf/plugins/versionlock.list", "");
    settings_.environment = {"PYTHONPATH=" + plugins + "/lib"};
  }

  void is(const std::string& id, const std::string& like,
          const std::string& version) {
    root_.file("etc/os-release", "ID=" + id + "\nID_LIKE=\"" + like +
                                     "\"\nVERSION_ID=\"" + version + "\"\n");
    id_ = id;
    version_ = id == "ubuntu" ? version : version.substr(0, version.find('.'));
    trusts("good");
  }

  /// The row's key is the stubs' own.
  void trusts(const std::string& key) {
    const auto text =
        host::HostRoot().read_file(stubs() + "/keys/" + key + ".asc");
    ASSERT_TRUE(text);
    const auto keys = parse_openpgp_keys(*text);
    ASSERT_TRUE(keys);
    distribution::Extension row;
    row.id = id_;
    row.version = version_;
    row.fingerprint = keys->front().fingerprint;
    spec_.distributions = {row};
  }

  provision::StepPlan plan_of(const provision::Step& step) {
    facts::HostFacts facts;
    const facts::Wanted wanted = step.wants(spec_);
    facts.os =
        *facts::parse_os_release(*root_.root().read_file("/etc/os-release"));
    facts.kernel.machine = machine_;
    if (!kernel_.empty()) {
      facts.kernel.release = kernel_;
      facts.kernels.next = kernel_;
      facts.kernels.images.emplace_back().release = kernel_;
    }
    facts.gpus = gpus_;
    facts.machine = about_;
    facts::read_wanted_files(root_.root(), wanted, facts);
    const auto observed = manager().observe({});
    EXPECT_TRUE(observed) << observed.error().message();
    if (!observed) return {};
    for (const Package& one : observed->installed) {
      facts.packages[one.name] = {one.version, one.is_held};
    }
    return step.plan({facts, spec_, history_, {}});
  }

  provision::HostPerformer& performer() {
    if (!performer_) {
      settings_.root = root_.path();
      settings_.mirror_attempts = 1;
      performer_.emplace(root_.root(), recorder_,
                         provision::HostPerformer::Options{
                             .overwrite_drift = true, .packages = settings_});
    }
    return *performer_;
  }

  /// The Step's plan, carried out; what undoes it, the last first. An empty
  /// text of `error`: all went well.
  std::string carry_out(const provision::Step& step) {
    const provision::StepPlan plan = plan_of(step);
    EXPECT_NE(plan.state, provision::StepState::kBlocked) << plan.why;
    return carry_out(step, plan);
  }

  std::string carry_out(const provision::Step& step,
                        const provision::StepPlan& plan) {
    const std::size_t first = lines_.size();
    for (const provision::Action& action : plan.actions) {
      auto inverse = performer().prepare(action, ++seq_);
      if (!inverse) return inverse.error().message();
      begin(step, action, *inverse);
      if (const auto done = performer().perform(action); !done) {
        return done.error().message();
      }
      lines_.push_back({.seq = lines_.size() + 1,
                        .event = provision::JournalEvent::kDone,
                        .of = lines_.size()});
      history_.held = provision::history_of(lines_).held;
    }
    // In the order of `gpunode rollback`.
    std::vector<provision::Action> undo;
    for (const auto& one : provision::plan_rollback(
             {lines_.begin() + static_cast<std::ptrdiff_t>(first),
              lines_.end()},
             {}, {})) {
      undo.insert(undo.end(), one.line.inverse.begin(), one.line.inverse.end());
    }
    undo_.insert(undo_.begin(), undo.begin(), undo.end());
    return "";
  }

  /// NVIDIA's repository, with its key where a manager of another root finds
  /// it: dnf and apt read it from the very path that the file names.
  void add_repository() {
    ASSERT_EQ(carry_out(*provision::make_driver_repository()), "");
    if (tool_ == Tool::kZypper) return;
    const bool is_apt = tool_ == Tool::kApt;
    const std::string file =
        is_apt ? "/etc/apt/sources.list.d/gpunode-cuda.sources"
               : "/etc/yum.repos.d/gpunode-cuda.repo";
    const std::string path = is_apt ? "/etc/apt/keyrings" : "file:///etc/pki";
    const auto text = root_.root().read_file(file);
    ASSERT_TRUE(text);
    std::string here = *text;
    here.replace(here.find(path), path.size(),
                 is_apt ? root_.path("etc/apt/keyrings")
                        : "file://" + root_.path("etc/pki"));
    root_.file(file.substr(1), here);
    history_.written[file] = here;
  }

  void roll_back() {
    for (const provision::Action& action : undo_) {
      const auto undone = performer().perform(action);
      ASSERT_TRUE(undone) << undone.error().message();
    }
    undo_.clear();
  }

  /// As the journal has it.
  void begin(const provision::Step& step, const provision::Action& action,
             const provision::Inverse& inverse) {
    provision::JournalLine line;
    line.seq = lines_.size() + 1;
    line.event = provision::JournalEvent::kBegin;
    line.step = step.id();
    line.action = action;
    line.inverse = inverse.actions;
    lines_.push_back(std::move(line));
  }

  /// rpm's keys, by their ids.
  std::string keys() {
    std::vector<std::string> argv = {"/usr/bin/rpm",  "--root=" + root_.path(),
                                     "-qa",           "--queryformat",
                                     "%{VERSION}\\n", "gpg-pubkey"};
    host::Command command;
    command.argv = std::move(argv);
    command.env = settings_.environment;
    const auto said = runner_.run(command);
    EXPECT_TRUE(said);
    return said ? said->out : "";
  }

  static facts::PciGpu gpu(std::uint16_t id, bool is_switch = false) {
    facts::PciGpu one;
    one.device_id = id;
    one.product = "GPU";
    one.is_switch = is_switch;
    return one;
  }

  RecordingRunner recorder_{runner_};
  Mirror mirror_;
  std::string id_;
  std::string version_;
  provision::NodeSpec spec_;
  provision::History history_;
  std::vector<facts::PciGpu> gpus_ = {gpu(0x1eb8)};
  std::string machine_ = "x86_64";
  std::string kernel_;  ///< The one that boots; empty: none is known.
  facts::MachineFacts about_;
  std::optional<provision::HostPerformer> performer_;
  std::vector<provision::Action> undo_;
  std::vector<provision::JournalLine> lines_;
  std::uint64_t seq_ = 0;
};

}  // namespace gpunode::packages
