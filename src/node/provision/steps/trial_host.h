// For tests: a host made of facts, and what Actions make of it.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "node/distribution/driver_packages.h"
#include "node/provision/packages/package_set.h"
#include "node/provision/step.h"
#include "node/provision/tree_actions.h"

namespace gpunode::provision {

/// A bare Rocky 8.9 unless changed. `carry_out` changes the facts as a host
/// would: after it, planning the same Step must find nothing to do.
struct TrialHost {
  facts::HostFacts facts;
  NodeSpec spec;
  History history;
  std::vector<std::string> confirmed;
  std::string module_license = "NVIDIA";  ///< Of what DKMS builds.
  std::vector<std::string> fetched_keys;

  TrialHost() {
    facts.os.id = "rocky";
    facts.os.id_like = {"rhel", "centos", "fedora"};
    facts.os.version_id = "8.9";
    facts.os.pretty_name = "Rocky Linux 8.9 (Green Obsidian)";
    facts.kernel.release = "4.18.0-513.5.1.el8_9.x86_64";
    facts.kernel.machine = "x86_64";
    facts.machine.systemd = true;
  }

  StepPlan plan(const Step& step) const {
    return step.plan({facts, spec, history, confirmed});
  }

  void carry_out(const StepPlan& plan) {
    for (const Action& action : plan.actions) {
      std::visit([this](const auto& one) { become(one); }, action);
    }
  }

 private:
  void become(const WriteFile& one) {
    facts.files[one.path].content = one.content;
    if (one.mode != 0) facts.files[one.path].mode = one.mode;
    history.written[one.path] = one.content;
  }
  void become(const RemoveFile& one) {
    facts.files[one.path].content.reset();
    history.written[one.path] = "";
  }
  void become(const SetSysctl& one) { facts.sysctls[one.name] = one.value; }
  void become(const SetModule& one) {
    if (!one.loaded) {
      facts.modules.erase(one.name);
      if (one.name == "nvidia") facts.driver.loaded_version.clear();
      return;
    }
    facts.modules[one.name] = true;
    if (one.name != "nvidia") return;
    for (const facts::KernelImage& image : facts.kernels.images) {
      if (image.release != facts.kernel.release) continue;
      facts.driver.loaded_version = image.module.version;
      facts.driver.is_loaded_open = image.module.license == "Dual MIT/GPL";
    }
  }
  /// DKMS builds the source that packages brought: the library's version.
  void become(const BuildModule& one) {
    for (facts::KernelImage& image : facts.kernels.images) {
      for (const std::string& kernel : one.kernels) {
        if (image.release != kernel) continue;
        image.module = {"/lib/modules/" + kernel + "/extra/nvidia.ko.xz",
                        facts.driver.library, kernel + " SMP mod_unload",
                        module_license, ""};
      }
    }
  }
  void become(const SetSwap& one) {
    std::erase_if(facts.swaps,
                  [&](const auto& swap) { return swap.path == one.path; });
  }
  void become(const SetUnit& one) {
    facts::UnitFacts& unit = facts.units[one.unit];
    unit.load_state = one.masked == Wish::kYes ? "masked" : "loaded";
    if (one.enabled == Wish::kYes) unit.unit_file_state = "enabled";
    if (one.active == Wish::kYes) unit.active_state = "active";
    if (one.active == Wish::kNo) unit.active_state = "inactive";
  }
  void become(const InstallPackages& one) {
    for (const std::string& words : one.packages) {
      const std::size_t equals = words.find('=');
      facts.packages[words.substr(0, equals)] = {
          equals == std::string::npos ? "1" : words.substr(equals + 1)};
      become_kernel(words);
    }
  }
  /// A kernel, or what modules are built with for one.
  void become_kernel(const std::string& words) {
    const bool is_devel = words.find("devel") != std::string::npos ||
                          words.find("headers") != std::string::npos;
    if (words == "kernel=" + wanted_version()) {
      facts.kernels.images.emplace_back().release = spec.host.kernel.release;
    }
    for (facts::KernelImage& image : facts.kernels.images) {
      const std::string version = words.substr(words.find('=') + 1);
      const bool is_its =
          image.release.starts_with(version) || words.ends_with(image.release);
      if (is_devel && is_its) {
        image.has_devel = true;
        image.devel_release.clear();
      }
    }
  }
  /// "5.14.0-1.el9" of an exact "5.14.0-1.el9.x86_64".
  std::string wanted_version() const {
    const std::string& release = spec.host.kernel.release;
    return release.substr(0, release.rfind('.'));
  }
  /// Which kernel boots next is told to grubby.
  void become(const RunProgram& one) {
    constexpr std::string_view kKernel = "/boot/vmlinuz-";
    if (one.argv.back().starts_with(kKernel)) {
      facts.kernels.next = one.argv.back().substr(kKernel.size());
    }
  }
  void become(const Reboot& /*one*/) {
    facts.kernel.boot_id += "+";
    for (auto& [path, file] : facts.files) {
      if (path.starts_with("/run/")) file.content.reset();
    }
    if (!facts.kernels.next.empty()) {
      facts.kernel.release = facts.kernels.next;
    }
    for (const char* other : {"nouveau", "nova_core"}) {
      facts.modules.erase(other);
      for (facts::PciGpu& gpu : facts.gpus) {
        if (gpu.driver == other) gpu.driver.clear();
      }
    }
  }
  /// As dpkg keeps holds, and as dnf's and zypper's lists have them.
  void become(const HoldPackages& one) {
    std::string& locks =
        facts.files["/etc/dnf/plugins/versionlock.list"].content.emplace(
            facts.files["/etc/dnf/plugins/versionlock.list"].content.value_or(
                ""));
    std::string& zypp = facts.files["/etc/zypp/locks"].content.emplace(
        facts.files["/etc/zypp/locks"].content.value_or(""));
    for (const std::string& name : one.packages) {
      const auto known = facts.packages.find(name);
      if (known != facts.packages.end()) known->second.is_held = one.held;
      take_out(locks, name + "-");
      take_out(zypp, "solvable_name: " + name);
      if (!one.held) {
        history.held.erase(name);
        continue;
      }
      if (known == facts.packages.end()) continue;
      history.held[name] =
          distribution::is_of_driver(name) ? "driver.hold" : "kernel.target";
      const std::string& version = known->second.version;
      const bool has_epoch = version.find(':') != std::string::npos;
      locks += name + "-" + (has_epoch ? "" : "0:") + version + ".*\n";
      zypp += "solvable_name: " + name + "\n";
    }
  }
  /// The lines that begin so, and go on with a version.
  static void take_out(std::string& text, const std::string& begin) {
    std::string rest;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size() - 1);
      const std::string line = text.substr(at, end + 1 - at);
      const bool is_one =
          line.size() > begin.size() && line.starts_with(begin) &&
          std::string_view("\n0123456789").find(line[begin.size()]) !=
              std::string_view::npos;
      if (!is_one) rest += line;
      at = end + 1;
    }
    text = std::move(rest);
  }
  void become(const InstallSet& one) {
    for (const std::string& name : one.removed) facts.packages.erase(name);
    const std::string upstream = one.version.find('.') == std::string::npos
                                     ? one.version + ".65.06"
                                     : one.version;
    for (const std::string& name : one.packages) {
      facts.packages[packages::with_version(name, upstream)] = {
          "3:" + upstream + "-1"};
    }
    for (const std::string& name : one.others) facts.packages[name] = {"1"};
  }
  void become(const SetModuleStream& one) {
    facts.files["/etc/dnf/modules.d/" + one.module + ".module"].content =
        "[" + one.module + "]\nname=" + one.module + "\nstream=" + one.stream +
        "\nprofiles=\nstate=enabled\n";
  }
  /// Not the key itself: tests that need one put it there.
  void become(const FetchKey& one) { fetched_keys.push_back(one.path); }
  void become(const MakeFilesystem& one) {
    for (facts::DiskFacts& disk : facts.storage.disks) {
      for (const DiskIdentity& made : one.disks) {
        if (made.serial != disk.device.serial) continue;
        disk.filesystem = one.type;
        disk.label = one.label;
        disk.uuid = one.uuid;
        disk.entry_types = true;
        disk.is_blank = false;
      }
    }
  }
  void become(const MigrateTree& one) {
    facts.trees[one.aside] = facts.trees[one.path];
    facts.trees[one.path].entries = 0;
    facts.files[moving_path(one.path)].content.reset();
    facts.files[unfinished_path(one.path)].content.reset();
  }
  template <class Other>
  void become(const Other& /*one*/) {}
};

}  // namespace gpunode::provision
