// For tests: a host made of facts, and what Actions make of it.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "node/provision/step.h"

namespace gpunode::provision {

/// A bare Rocky 8.9 unless changed. `carry_out` changes the facts as a host
/// would: after it, planning the same Step must find nothing to do.
struct TrialHost {
  facts::HostFacts facts;
  NodeSpec spec;
  History history;
  std::vector<std::string> confirmed;

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
    history.written[one.path] = one.content;
  }
  void become(const RemoveFile& one) {
    facts.files[one.path].content.reset();
    history.written[one.path] = "";
  }
  void become(const SetSysctl& one) { facts.sysctls[one.name] = one.value; }
  void become(const SetModule& one) { facts.modules[one.name] = true; }
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
    for (const std::string& name : one.packages) {
      facts.packages[name] = {"1"};
    }
  }
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
  }
  template <class Other>
  void become(const Other& /*one*/) {}
};

}  // namespace gpunode::provision
