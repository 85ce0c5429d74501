#include "node/provision/action.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace gpunode::provision {
namespace {

std::string disks_text(const std::vector<DiskIdentity>& disks) {
  std::string text;
  for (const DiskIdentity& disk : disks) {
    if (!text.empty()) text += ", ";
    text += disk.serial;
  }
  return text;
}

std::string words(const WriteFile& action) {
  return "write " + action.path;
}
std::string words(const RemoveFile& action) {
  return "remove " + action.path;
}
std::string words(const RestoreFile& action) {
  const bool was_there = !action.backup.empty() || !action.link.empty();
  return (was_there ? "restore " : "remove ") + action.path;
}
std::string words(const MakeDirectory& action) {
  return "make the directory " + action.path;
}
std::string words(const RemoveDirectory& action) {
  return "remove the directory " + action.path + " if it is empty";
}
std::string words(const SetSysctl& action) {
  return fmt::format("set {} = {}", action.name, action.value);
}
std::string words(const SetModule& action) {
  return fmt::format("{} the kernel module {}",
                     action.loaded ? "load" : "unload", action.name);
}
std::string words(const SetSwap& action) {
  return fmt::format("turn swap {} {}",
                     action.on ? "on:" : "off:", action.path);
}
std::string words(const SetUnit& action) {
  std::string verbs;
  const auto add = [&](std::string_view verb) {
    if (!verbs.empty()) verbs += ", ";
    verbs += verb;
  };
  if (action.masked == Wish::kYes) add("mask");
  if (action.masked == Wish::kNo) add("unmask");
  if (action.enabled == Wish::kYes) add("enable");
  if (action.enabled == Wish::kNo) add("disable");
  if (action.active == Wish::kYes) add(action.restart ? "restart" : "start");
  if (action.active == Wish::kNo) add("stop");
  return verbs + " " + action.unit;
}
std::string words(const InstallPackages& action) {
  return fmt::format("install {}", fmt::join(action.packages, ", "));
}
std::string words(const RemovePackages& action) {
  return fmt::format("remove {}", fmt::join(action.packages, ", "));
}
std::string words(const InstallSet& action) {
  std::string text =
      fmt::format("install {}{}{}", fmt::join(action.packages, ", "),
                  action.version.empty() ? "" : " of ", action.version);
  if (!action.others.empty()) {
    text += fmt::format(", with {}", fmt::join(action.others, ", "));
  }
  if (!action.removed.empty()) {
    text += fmt::format(", in place of {}", fmt::join(action.removed, ", "));
  }
  return text;
}
std::string words(const SetModuleStream& action) {
  return action.stream.empty()
             ? fmt::format("reset the module {}", action.module)
             : fmt::format("enable the module {}:{}", action.module,
                           action.stream);
}
std::string words(const FetchKey& action) {
  return fmt::format("fetch the key {} to {}", action.url, action.path);
}
std::string words(const DistrustKeys& action) {
  return fmt::format("take the key {} out of rpm's database",
                     fmt::join(action.fingerprints, ", "));
}
std::string words(const HoldPackages& action) {
  return action.held ? fmt::format("keep {} as they are",
                                   fmt::join(action.packages, ", "))
                     : fmt::format("let {} be updated",
                                   fmt::join(action.packages, ", "));
}
std::string words(const BuildModule& action) {
  return fmt::format("{} the kernel module {} for {}",
                     action.built ? "build" : "take off", action.module,
                     fmt::join(action.kernels, ", "));
}
std::string words(const ProveBuild& action) {
  return fmt::format("prove that a module can be built for {}", action.release);
}
std::string words(const MakeFilesystem& action) {
  const std::string layout =
      action.layout == "single" ? "" : action.layout + " of ";
  return fmt::format("make {} \"{}\" on {}{}{}", action.type, action.label,
                     layout, disks_text(action.disks),
                     action.wipe ? ", ERASING what is there" : "");
}
std::string words(const WipeFilesystem& action) {
  return "wipe " + disks_text(action.disks);
}
std::string words(const ProveMount& action) {
  return fmt::format("prove that {} {} can be mounted with {}", action.type,
                     action.uuid, fmt::join(action.options, ","));
}
std::string words(const MigrateTree& action) {
  return fmt::format("{} {}",
                     action.discard ? "set aside what is in" : "migrate",
                     action.path);
}
std::string words(const RestoreTree& action) {
  return fmt::format("move {} back to {}", action.aside, action.path);
}
std::string words(const RunProgram& action) {
  return fmt::format("run {}", fmt::join(action.argv, " "));
}
std::string words(const Reboot& action) {
  return "reboot: " + action.reason;
}

std::string words(const InstallProgram& action) {
  return "install " + action.path;
}
std::string words(const JoinCluster& action) {
  const std::string& cluster =
      action.endpoint.empty() ? action.discovery_file : action.endpoint;
  return fmt::format("join the cluster {} as {}", cluster, action.node);
}
std::string words(const LeaveCluster& action) {
  return fmt::format("leave the cluster; {} is no node any more", action.node);
}
std::string words(const SetNodeMeta& action) {
  std::vector<std::string> changes = action.labels;
  const auto add = [&](const auto& more, const char* sign) {
    for (const std::string& one : more) changes.push_back(one + sign);
  };
  add(action.removed_labels, "-");
  add(action.taints, "");
  add(action.removed_taints, "-");
  return fmt::format("label and taint the node {}: {}", action.node,
                     fmt::join(changes, ", "));
}

}  // namespace

Action::Action() = default;
Action::Action(const Action& other) = default;
Action::Action(Action&& other) noexcept = default;
Action& Action::operator=(const Action& other) = default;
Action& Action::operator=(Action&& other) noexcept = default;
Action::~Action() = default;

std::string_view kind_of(const Action& action) {
  return std::visit([](const auto& one) { return one.kKind; }, action);
}

std::string describe(const Action& action) {
  return std::visit([](const auto& one) { return words(one); }, action);
}

char symbol_of(const Action& action) {
  struct Symbol {
    char operator()(const WriteFile& /*one*/) const { return '~'; }
    char operator()(const RemoveFile& /*one*/) const { return '-'; }
    char operator()(const RestoreFile& one) const {
      return one.backup.empty() && one.link.empty() ? '-' : '~';
    }
    char operator()(const MakeDirectory& /*one*/) const { return '+'; }
    char operator()(const RemoveDirectory& /*one*/) const { return '-'; }
    char operator()(const SetModule& one) const {
      return one.loaded ? '+' : '-';
    }
    char operator()(const SetSwap& one) const { return one.on ? '+' : '-'; }
    char operator()(const InstallPackages& /*one*/) const { return '+'; }
    char operator()(const RemovePackages& /*one*/) const { return '-'; }
    char operator()(const InstallSet& /*one*/) const { return '+'; }
    char operator()(const SetModuleStream& /*one*/) const { return '~'; }
    char operator()(const FetchKey& /*one*/) const { return '+'; }
    char operator()(const DistrustKeys& /*one*/) const { return '-'; }
    char operator()(const HoldPackages& /*one*/) const { return '~'; }
    char operator()(const BuildModule& one) const {
      return one.built ? '+' : '-';
    }
    char operator()(const ProveBuild& /*one*/) const { return '~'; }
    char operator()(const MakeFilesystem& /*one*/) const { return '+'; }
    char operator()(const WipeFilesystem& /*one*/) const { return '-'; }
    char operator()(const SetSysctl& /*one*/) const { return '~'; }
    char operator()(const SetUnit& /*one*/) const { return '~'; }
    char operator()(const ProveMount& /*one*/) const { return '~'; }
    char operator()(const MigrateTree& /*one*/) const { return '~'; }
    char operator()(const RestoreTree& /*one*/) const { return '~'; }
    char operator()(const RunProgram& /*one*/) const { return '~'; }
    char operator()(const Reboot& /*one*/) const { return '~'; }
    char operator()(const InstallProgram& /*one*/) const { return '+'; }
    char operator()(const JoinCluster& /*one*/) const { return '+'; }
    char operator()(const LeaveCluster& /*one*/) const { return '-'; }
    char operator()(const SetNodeMeta& /*one*/) const { return '~'; }
  };
  return std::visit(Symbol{}, action);
}

bool is_destructive(const Action& action) {
  return std::holds_alternative<MakeFilesystem>(action) ||
         std::holds_alternative<WipeFilesystem>(action);
}

}  // namespace gpunode::provision
