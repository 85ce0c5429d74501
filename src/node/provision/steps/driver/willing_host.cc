#include "node/provision/steps/driver/willing_host.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "node/distribution/distribution.h"
#include "node/distribution/precompiled.h"
#include "node/provision/packages/epel_keys.h"
#include "node/provision/packages/package_set.h"

namespace gpunode::provision {
namespace {

using host::Completed;

std::string value_after(const std::vector<std::string>& argv,
                        std::string_view option) {
  const auto found = std::ranges::find(argv, option);
  return found == argv.end() || found + 1 == argv.end() ? "" : *(found + 1);
}

/// Files that only programs beside package managers and systemd read: they are
/// put in place at once, without what makes them survive a power cut.
bool is_plain_file(const std::string& path) {
  return !path.starts_with("/etc/systemd/") && !path.starts_with("/etc/apt/") &&
         !path.starts_with("/etc/yum.repos.d/") &&
         !path.starts_with("/etc/zypp/");
}

/// The kernel that GRUB is told to boot: "…>gnulinux-RELEASE-advanced-…".
std::string booted_by(const std::string& text) {
  constexpr std::string_view kEntry = ">gnulinux-";
  const std::size_t at = text.find(kEntry);
  if (at == std::string::npos) return "";
  const std::size_t begin = at + kEntry.size();
  return text.substr(begin, text.find("-advanced-", begin) - begin);
}

/// A key that can be looked at stands for NVIDIA's.
const packages::EpelKey& trial_key() {
  static const packages::EpelKey kKey = *packages::epel_key(9);
  return kKey;
}

}  // namespace

Result<Completed> WillingPrograms::modprobe(
    const std::vector<std::string>& argv) {
  modules_[argv.back()] = argv[1] != "-r";
  std::string text;
  for (const auto& [name, is_loaded] : modules_) {
    if (is_loaded) text += name + " 1 0 - Live 0x0\n";
  }
  tree_.file("proc/modules", text);
  return Completed{};
}

Result<Completed> WillingPrograms::dkms(const std::vector<std::string>& argv) {
  const std::string kernel = value_after(argv, "-k");
  if (argv[1] == "install") built_[kernel] = value_after(argv, "-v");
  return Completed{};
}

Result<Completed> WillingPrograms::make(const std::vector<std::string>& argv) {
  std::string place;
  for (const std::string& word : argv) {
    if (word.starts_with("M=")) place = word.substr(2);
  }
  const std::string build = value_after(argv, "-C");
  constexpr std::string_view kModules = "/lib/modules/";
  const std::size_t at = build.find(kModules) + kModules.size();
  const std::string kernel = build.substr(at, build.find('/', at) - at);
  const std::string module =
      std::string("\0vermagic=", 10) + kernel + " SMP mod_unload";
  tree_.file(place.substr(tree_.path().size() + 1) + "/gpunode_probe.ko",
             module);
  return Completed{};
}

Result<Completed> WillingPrograms::systemctl(
    const std::vector<std::string>& argv) {
  std::string& unit = units_[argv.back()];
  if (argv[1] == "show") {
    return Completed{
        0,
        fmt::format(
            "LoadState=loaded\nUnitFileState={}\nActiveState={}\n",
            unit.find('e') == std::string::npos ? "disabled" : "enabled",
            unit.find('a') == std::string::npos ? "inactive" : "active"),
        ""};
  }
  if (argv[1] == "enable") unit += 'e';
  if (argv[1] == "start") unit += 'a';
  if (argv[1] == "stop") std::erase(unit, 'a');
  return Completed{};
}

Result<Completed> WillingPrograms::run(const host::Command& command) {
  commands_.push_back(command);
  if (built_of_ != packages_.module_changes()) built_.clear();
  built_of_ = packages_.module_changes();
  if (packages_.knows(command)) return packages_.run(command);
  const auto& argv = command.argv;
  const std::string& program = argv.front();
  if (program == "/sbin/modprobe") return modprobe(argv);
  if (program == "/usr/sbin/dkms") return dkms(argv);
  if (program == "/usr/bin/make") return make(argv);
  if (program == "/usr/bin/systemctl") return systemctl(argv);
  if (program == "/sbin/modinfo") {
    const std::string kernel = value_after(argv, "-k");
    const auto built = built_.find(kernel);
    if (built == built_.end()) return Completed{1, "", "not found\n"};
    return Completed{
        0,
        fmt::format("filename: /x\nversion: {}\nvermagic: {} SMP\n",
                    built->second, kernel),
        ""};
  }
  if (program == "/usr/bin/curl" || program.ends_with("/apt-helper")) {
    const std::string to = program == "/usr/bin/curl"
                               ? value_after(argv, "--output")
                               : argv.back();
    tree_.file(to.substr(tree_.path().size() + 1),
               std::string(trial_key().armoured));
    return Completed{};
  }
  for (const char* known :
       {"/usr/sbin/grubby", "/usr/sbin/update-grub",
        "/usr/sbin/grub2-set-default", "/usr/sbin/update-initramfs",
        "/usr/bin/dracut", "/usr/sbin/dracut"}) {
    if (program == known) return Completed{};
  }
  ADD_FAILURE() << "nobody knows: " << host::command_line(command);
  return Error(ErrorCode::kNotFound, "no such program: " + program);
}

WillingHost::WillingHost(TrialHost begun)
    : host_(std::move(begun)), root_(tree_.root()) {
  begin_anew();
  const facts::OsRelease& os = host_.facts.os;
  std::string like;
  for (const std::string& one : os.id_like) like += one + " ";
  tree_.file("etc/os-release",
             fmt::format("ID={}\nID_LIKE=\"{}\"\nVERSION_ID=\"{}\"\n", os.id,
                         like, os.version_id));
  tree_.file("usr/sbin/dkms", "");
  std::string modules;
  tree_.file("proc/modules", modules);
  for (const auto& [path, file] : host_.facts.files) {
    if (file.content) tree_.file(path.substr(1), *file.content);
  }
  for (const facts::KernelImage& image : host_.facts.kernels.images) {
    tree_.file("lib/modules/" + image.release + "/build/Makefile", "");
  }
  for (const auto& [name, package] : host_.facts.packages) {
    packages_.installed()[name] = {package.version, package.is_held};
  }
  for (distribution::Extension& theirs : host_.spec.distributions) {
    theirs.fingerprint = trial_key().fingerprint;
  }
  const auto row = distribution::find_distribution(os.id, os.version_id);
  if (row && (*row)->manager == distribution::Manager::kDnf5) {
    tree_.link("usr/bin/dnf", "dnf5");
  }
  if (row && (*row)->manager == distribution::Manager::kYum) {
    tree_.file("usr/bin/yum", "");
  }
  if (!host_.spec.distributions.empty()) return;
  if (!row || (*row)->key.fingerprint.empty()) return;
  distribution::Extension ours;
  ours.id = (*row)->id;
  ours.version = (*row)->version;
  ours.fingerprint = trial_key().fingerprint;
  host_.spec.distributions = {ours};
}

void WillingHost::begin_anew() {
  performer_.emplace(root_, programs_, HostPerformer::Options{});
}

void WillingHost::look_at_packages() {
  host_.facts.packages.clear();
  for (const auto& [name, package] : packages_.installed()) {
    host_.facts.packages[name] = {package.version, package.is_held};
  }
}

/// SUSE's devel packages have a number more than the kernel's own name.
void WillingHost::take_over_devel(const InstallPackages& install) {
  constexpr std::string_view kDevel = "-devel=";
  for (const std::string& words : install.packages) {
    const std::size_t at = words.find(kDevel);
    if (at == std::string::npos) continue;
    const std::string version = words.substr(at + kDevel.size());
    for (facts::KernelImage& image : host_.facts.kernels.images) {
      const std::string release =
          image.release.substr(0, image.release.rfind('-'));
      if (version.starts_with(release + ".")) image.has_devel = true;
    }
  }
}

/// Packages with a kernel's module put it there, and take it along.
void WillingHost::take_over_ready_made() {
  for (facts::KernelImage& image : host_.facts.kernels.images) {
    if (image.module.signer == "NVIDIA") image.module = {};
    for (const auto& [name, package] : host_.facts.packages) {
      const auto kmod = distribution::parse_precompiled_kmod(name);
      if (!kmod ||
          !image.release.starts_with(fmt::format("{}.el", kmod->kernel)))
        continue;
      image.module = {"/lib/modules/" + image.release +
                          "/extra/drivers/video/nvidia/nvidia.ko",
                      std::string(kmod->version), image.release + " SMP",
                      "NVIDIA", "NVIDIA"};
    }
  }
}

/// What TrialHost cannot know of what an Action did.
void WillingHost::take_over(const Action& action) {
  look_at_packages();
  facts::HostFacts& facts = host_.facts;
  if (const auto* key = std::get_if<FetchKey>(&action)) {
    const auto text = root_.read_file(key->path);
    if (text) facts.files[key->path].content = *text;
  }
  std::string booted;
  if (const auto* file = std::get_if<WriteFile>(&action)) {
    booted = booted_by(file->content);
  }
  if (const auto* program = std::get_if<RunProgram>(&action)) {
    booted = booted_by(program->argv.back());
  }
  if (!booted.empty()) facts.kernels.next = booted;
  if (const auto* install = std::get_if<InstallPackages>(&action)) {
    take_over_devel(*install);
  }
  const auto* set = std::get_if<InstallSet>(&action);
  if (set == nullptr) return;
  take_over_ready_made();
  facts.driver.library = packages::upstream_of(
      packages_.installed().at(set->packages.front()).version);
  host_.module_license =
      std::ranges::any_of(set->packages,
                          [](const std::string& name) {
                            return name.find("-open") != std::string::npos;
                          })
          ? "Dual MIT/GPL"
          : "NVIDIA";
}

void WillingHost::put(const Action& action) {
  const auto* file = std::get_if<WriteFile>(&action);
  if (file != nullptr && is_plain_file(file->path) && file->check.empty()) {
    tree_.file(file->path.substr(1), file->content);
    return;
  }
  const auto prepared = performer_->prepare(action, ++seq_);
  ASSERT_TRUE(prepared) << describe(action) << ": "
                        << prepared.error().message();
  const auto done = performer_->perform(action);
  ASSERT_TRUE(done) << describe(action) << ": " << done.error().message();
}

std::vector<WillingHost::Done> WillingHost::carry_out(const StepPlan& plan) {
  std::vector<Done> all;
  for (const Action& action : plan.actions) {
    put(action);
    StepPlan one;
    one.actions = {action};
    host_.carry_out(one);
    take_over(action);
    all.push_back({action, programs_.taken()});
  }
  if (const auto flushed = performer_->finish(); !flushed) {
    ADD_FAILURE() << flushed.error().message();
  }
  return all;
}

}  // namespace gpunode::provision
