#include "node/provision/hand_changes.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "node/provision/resumption.h"

namespace gpunode::provision {
namespace {

/// What an action leaves, by what it is of.
struct Setting {
  std::string what;  ///< For a person: "net.ipv4.ip_forward".
  std::string value;
  bool ends_with_boot = false;
  bool is_so = false;  ///< As the facts have it.
};

std::string_view words_of(Wish wish) {
  return wish == Wish::kYes ? "yes" : "no";
}

std::string with_underscores(std::string module) {
  std::ranges::replace(module, '-', '_');
  return module;
}

/// Whether the unit starts at boot, or is masked; false: nobody looked.
bool is_so(const SetUnit& wish, const facts::HostFacts& now, bool of_mask) {
  const auto unit = now.units.find(wish.unit);
  if (unit == now.units.end()) return false;
  const bool is_now = of_mask ? unit->second.load_state == "masked"
                              : unit->second.unit_file_state == "enabled";
  return is_now == ((of_mask ? wish.masked : wish.enabled) == Wish::kYes);
}

std::vector<Setting> settings_of(const Action& action,
                                 const facts::HostFacts& now) {
  std::vector<Setting> settings;
  if (const auto* sysctl = std::get_if<SetSysctl>(&action)) {
    const auto value = now.sysctls.find(sysctl->name);
    settings.push_back(
        {sysctl->name, sysctl->value, true,
         value != now.sysctls.end() && value->second == sysctl->value});
  } else if (const auto* module = std::get_if<SetModule>(&action)) {
    const bool is_loaded = now.modules.contains(with_underscores(module->name));
    settings.push_back({"the kernel module " + module->name,
                        module->loaded ? "yes" : "no", true,
                        is_loaded && module->loaded});
  } else if (const auto* swap = std::get_if<SetSwap>(&action)) {
    settings.push_back(
        {"swap on " + swap->path, swap->on ? "yes" : "no", true});
  } else if (const auto* unit = std::get_if<SetUnit>(&action)) {
    // That one runs is no setting: services end by themselves, too.
    if (unit->enabled != Wish::kAsIs) {
      settings.push_back({"whether " + unit->unit + " starts at boot",
                          std::string(words_of(unit->enabled)), false,
                          is_so(*unit, now, false)});
    }
    if (unit->masked != Wish::kAsIs) {
      settings.push_back({"whether " + unit->unit + " is masked",
                          std::string(words_of(unit->masked)), false,
                          is_so(*unit, now, true)});
    }
  } else if (const auto* program = std::get_if<InstallProgram>(&action)) {
    settings.push_back({program->path, program->digest});
  }
  return settings;
}

bool changes_packages(const Action& action) {
  return std::holds_alternative<InstallPackages>(action) ||
         std::holds_alternative<InstallSet>(action) ||
         std::holds_alternative<RemovePackages>(action);
}

/// A file of ours for this boot or this gpunode alone is nobody's to keep.
bool is_passing(const std::string& path) {
  return path.starts_with("/run/") ||
         path.starts_with(std::string(kStateDirectory) + "/");
}

std::multiset<std::string> lines_of(const std::string& text) {
  std::multiset<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines.insert(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

std::vector<std::string> without(const std::multiset<std::string>& lines,
                                 const std::multiset<std::string>& others) {
  std::vector<std::string> rest;
  std::ranges::set_difference(lines, others, std::back_inserter(rest));
  return rest;
}

/// Whether turning `now` into `after` only brings lines back that `left` has,
/// and takes none away that it has. Another wish of the file is not that.
bool only_brings_back(const std::string& now, const std::string& after,
                      const std::string& left) {
  const auto ours = lines_of(left);
  const auto here = lines_of(now);
  const auto wanted = lines_of(after);
  const auto has = [&](const std::string& line) { return ours.contains(line); };
  const auto comes = without(wanted, here);
  const auto goes = without(here, wanted);
  return !comes.empty() && std::ranges::all_of(comes, has) &&
         std::ranges::none_of(goes, has);
}

/// By run, the Steps that it was cut off in, or failed in amid its work, and
/// that no run saw through since. Only after that is a change one by hand.
class UnendedSteps {
 public:
  explicit UnendedSteps(const std::vector<JournalLine>& lines)
      : parts_(runs_of_parts(lines)) {
    for (const JournalLine& line : lines) see(line);
  }

  bool has(const JournalLine& line) const {
    return unended_.contains({line.run, line.step});
  }

 private:
  void see(const JournalLine& line) {
    if (line.event == JournalEvent::kRun) {
      begun_.erase(line.run);  // Gone on with it looks at all anew.
    } else if (line.event == JournalEvent::kBegin) {
      std::string& begun = begun_[line.run];
      if (begun != line.step) see_through(begun);
      begun = line.step;
      unended_.insert({line.run, line.step});
    } else if (line.event == JournalEvent::kEnd) {
      const auto begun = begun_.find(line.run);
      if (begun != begun_.end() && begun->second != line.step) {
        see_through(begun->second);
      }
      if (line.step.empty() && !parts_.contains(line.run)) unended_.clear();
    }
  }

  void see_through(const std::string& step) {
    std::erase_if(unended_,
                  [&](const auto& one) { return one.second == step; });
  }

  std::set<std::string> parts_;
  std::map<std::string, std::string> begun_;  ///< The last, by run.
  std::set<std::pair<std::string, std::string>> unended_;  ///< Run and Step.
};

/// What stands of earlier runs.
class Past {
 public:
  Past(const std::vector<JournalLine>& lines, const facts::HostFacts& now)
      : now_(now) {
    const std::string& boot_id = now.kernel.boot_id;
    std::set<std::uint64_t> done;
    std::set<std::string> ended;
    for (const JournalLine& line : lines) {
      if (line.event == JournalEvent::kDone) done.insert(line.of);
      if (line.event == JournalEvent::kEnd) ended.insert(line.run);
    }
    const UnendedSteps unended(lines);
    for (const JournalLine& line : standing_actions(lines)) {
      const bool is_of_this_boot = line.boot_id == boot_id;
      const bool is_done = done.contains(line.seq) && !unended.has(line);
      see(*line.action, is_done, is_of_this_boot,
          is_of_this_boot || ended.contains(line.run));
    }
  }

  /// What `action` does again of what was done; empty if nothing.
  std::string done_again(const Action& action, const StepPlan& plan) const {
    for (const Setting& setting : settings_of(action, now_)) {
      if (setting.is_so) continue;
      const auto known = settings_.find(setting.what);
      if (known != settings_.end() && known->second == setting.value) {
        return fmt::format("{} was changed since gpunode set it", setting.what);
      }
    }
    const auto* write = std::get_if<WriteFile>(&action);
    if (write == nullptr || is_passing(write->path)) return "";
    const auto left = files_.find(write->path);
    const auto before = plan.before.find(write->path);
    if (left == files_.end() || before == plan.before.end() ||
        before->second == left->second ||
        !only_brings_back(before->second, write->content, left->second)) {
      return "";
    }
    return fmt::format("what gpunode set in {} was changed since", write->path);
  }

  /// What comes later in the same plan counts from here.
  /// `is_kept`: no power cut can have taken what nobody synced, the links that
  /// systemctl makes.
  void see(const Action& action, bool is_done, bool is_of_this_boot,
           bool is_kept) {
    // Their scripts switch units on and off as they like.
    if (changes_packages(action)) settings_.clear();
    for (Setting& setting : settings_of(action, now_)) {
      settings_.erase(setting.what);
      const bool counts = setting.ends_with_boot ? is_of_this_boot : is_kept;
      if (!is_done || !counts) continue;
      settings_[setting.what] = std::move(setting.value);
    }
    if (const auto* write = std::get_if<WriteFile>(&action)) {
      files_.erase(write->path);
      if (is_done) files_[write->path] = write->content;
    } else if (const auto* remove = std::get_if<RemoveFile>(&action)) {
      files_.erase(remove->path);
    }
  }

 private:
  const facts::HostFacts& now_;
  std::map<std::string, std::string> settings_;
  std::map<std::string, std::string> files_;
};

}  // namespace

void tell_hand_changes(const std::vector<JournalLine>& lines,
                       const facts::HostFacts& now, Plan& plan) {
  Past past(lines, now);
  for (PlannedStep& step : plan.steps) {
    std::string changed;
    for (const Action& action : step.plan.actions) {
      if (changed.empty()) changed = past.done_again(action, step.plan);
      past.see(action, true, true, true);
    }
    if (changed.empty() || step.plan.state != StepState::kChange) continue;
    step.plan.state = StepState::kDrift;
    step.plan.why = step.plan.why.empty()
                        ? std::move(changed)
                        : fmt::format("{}: {}", changed, step.plan.why);
  }
}

}  // namespace gpunode::provision
