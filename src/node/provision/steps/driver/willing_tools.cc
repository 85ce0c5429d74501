// WillingPackages' further half: what apt, dnf 4 and 5, yum and zypper
// take and print.
#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "node/provision/packages/lines.h"
#include "node/provision/packages/package_set.h"
#include "node/provision/steps/driver/willing_packages.h"

namespace gpunode::provision {
namespace {

using host::Completed;

/// dnf and apt-get know more; these are all that have been looked up.
const std::set<std::string_view> kDnfOptions = {
    "--color=never",
    "--setopt=exit_on_lock=True",
    "--setopt=install_weak_deps=False",
    "--setopt=clean_requirements_on_remove=False",
    "--setopt=installonly_limit=0",
    "--setopt=*.skip_if_unavailable=False",
    "--disablerepo=*",
    "--disableplugin=versionlock",
    "--assumeno",
    "--available",
    "--best",
    "--refresh",
    "-q",
    "-y",
};
const std::set<std::string_view> kDnf5Options = {
    "--setopt=color=never",
    "--setopt=install_weak_deps=False",
    "--setopt=clean_requirements_on_remove=False",
    "--setopt=installonly_limit=0",
    "--setopt=*.skip_if_unavailable=False",
    "--disable-repo=*",
    "--assumeno",
    "--available",
    "--best",
    "--refresh",
    "--action=install",
    "--action=remove",
    "--action=upgrade",
    "-q",
    "-y",
};
const std::set<std::string_view> kYumOptions = {
    "--color=never",
    "--setopt=exit_on_lock=1",
    "--setopt=clean_requirements_on_remove=0",
    "--setopt=installonly_limit=0",
    "--setopt=*.skip_if_unavailable=False",
    "--disablerepo=*",
    "--disableplugin=versionlock",
    "--showduplicates",
    "--assumeno",
    "-q",
    "-y",
};
const std::set<std::string_view> kAptOptions = {
    "-y",
    "-s",
    "-q",
    "--no-install-recommends",
    "--no-remove",
    "--allow-downgrades",
    "--allow-change-held-packages",
};
const std::set<std::string_view> kZypperOptions = {
    "--non-interactive",
    "--xmlout",
    "--no-refresh",
    "--details",
    "--match-exact",
    "--type",
    "--no-recommends",
    "--auto-agree-with-licenses",
    "--oldpackage",
    "--dry-run",
    "--",
};

void expect_option(const std::set<std::string_view>& known,
                   const std::string& option, const host::Command& command) {
  EXPECT_TRUE(known.contains(option))
      << option << " is no option: " << host::command_line(command);
}

/// The words that are no options; `valued` are those with a value behind them.
std::vector<std::string> words_of(const host::Command& command,
                                  const std::set<std::string_view>& options,
                                  const std::set<std::string_view>& valued) {
  std::vector<std::string> words;
  bool is_over = false;
  for (std::size_t i = 1; i < command.argv.size(); ++i) {
    const std::string& word = command.argv[i];
    if (valued.contains(word)) {
      ++i;
    } else if (is_over || !word.starts_with('-')) {
      words.push_back(word);
    } else {
      expect_option(options, word, command);
      is_over = word == "--";
    }
  }
  return words;
}

/// "name-3:580.95.05-1" or a name alone. A version has a dot.
std::pair<std::string, std::string> split_nevra(const std::string& spec) {
  const std::size_t release = spec.rfind('-');
  if (release == std::string::npos || release == 0) return {spec, ""};
  const std::size_t version = spec.rfind('-', release - 1);
  if (version == std::string::npos) return {spec, ""};
  const std::string words = spec.substr(version + 1);
  const bool is_version = words.front() >= '0' && words.front() <= '9' &&
                          words.find('.') < words.find('-');
  if (!is_version) return {spec, ""};
  return {spec.substr(0, version), words};
}

std::pair<std::string, std::string> split_equals(const std::string& spec) {
  const std::size_t equals = spec.find('=');
  if (equals == std::string::npos) return {spec, ""};
  return {spec.substr(0, equals), spec.substr(equals + 1)};
}

bool is_older(const std::string& a, const std::string& b) {
  return packages::is_older(packages::upstream_of(a), packages::upstream_of(b));
}

}  // namespace

std::string WillingPackages::dnf_table(
    const std::vector<Change>& changes) const {
  if (changes.empty()) return "Nothing to do.\n";
  std::string text =
      " Package  Architecture  Version  Repository  Size\n"
      "============================\n";
  const auto section = [&](const char* heading, auto is_its) {
    bool is_first = true;
    for (const Change& change : changes) {
      if (!is_its(change)) continue;
      if (is_first) text += fmt::format("{}:\n", heading);
      is_first = false;
      text += fmt::format(" {} x86_64 {} gpunode-cuda 1 k\n", change.name,
                          change.after.empty() ? change.before : change.after);
    }
  };
  const auto is_gone = [](const Change& one) { return one.after.empty(); };
  const auto is_new = [](const Change& one) { return one.before.empty(); };
  section("Installing", is_new);
  section("Upgrading", [&](const Change& one) {
    return !is_new(one) && !is_gone(one) && is_older(one.before, one.after);
  });
  section("Downgrading", [&](const Change& one) {
    return !is_new(one) && !is_gone(one) && !is_older(one.before, one.after);
  });
  section("Removing", is_gone);
  return text + "\nTransaction Summary\n============================\n";
}

Completed WillingPackages::dnf_versionlock(
    const std::vector<std::string>& words) {
  if (!installed_.contains("python3-dnf-plugin-versionlock") &&
      !installed_.contains("yum-plugin-versionlock")) {
    return {1, "",
            "No such command: versionlock. Please use /usr/bin/dnf --help\n"};
  }
  const std::vector<std::string> entries(words.begin() + 2, words.end());
  if (words[1] == "add") {
    for (const std::string& entry : entries) locks_.push_back(entry);
  } else if (words[1] == "delete") {
    std::erase_if(locks_, [&](const std::string& lock) {
      return std::ranges::find(entries, lock) != entries.end();
    });
  } else {
    std::string text;
    for (const std::string& lock : locks_) text += lock + "\n";
    return {0, text, ""};
  }
  return {};
}

Completed WillingPackages::dnf_module(
    const std::vector<std::string>& words) const {
  const std::string& id = words[2];
  const std::string module = id.substr(0, id.find(':'));
  const std::string file = "etc/dnf/modules.d/" + module + ".module";
  if (words[1] == "reset") {
    tree_.remove(file);
    return {};
  }
  EXPECT_EQ(words[1], "enable");
  tree_.file(file, fmt::format("[{0}]\nname={0}\nstream={1}\nprofiles=\n"
                               "state=enabled\n",
                               module, id.substr(module.size() + 1)));
  return {};
}

Completed WillingPackages::dnf_repoquery(
    const std::vector<std::string>& words) const {
  std::string text;
  const auto is_asked = [&](const std::string& name) {
    return std::any_of(words.begin() + 1, words.end(),
                       [&](const std::string& one) {
                         const std::size_t star = one.find('*');
                         if (star == std::string::npos) return one == name;
                         return name.size() + 1 >= one.size() &&
                                name.starts_with(one.substr(0, star)) &&
                                name.ends_with(one.substr(star + 1));
                       });
  };
  for (const auto& [name, its] : offers()) {
    if (!is_asked(name)) continue;
    for (const Offer& offer : its) {
      const std::size_t colon = offer.version.find(':');
      const bool has_epoch = colon != std::string::npos;
      text += fmt::format(
          "{}|{}|{}|x86_64|gpunode-cuda\n", name,
          has_epoch ? offer.version.substr(0, colon) : "0",
          has_epoch ? offer.version.substr(colon + 1) : offer.version);
    }
  }
  return {0, text, ""};
}

Completed WillingPackages::dnf_change(const host::Command& command,
                                      const std::vector<std::string>& words) {
  std::vector<Asked> install;
  std::vector<std::string> remove;
  const auto ask = [&](const std::string& spec) {
    auto [name, version] = split_nevra(spec);
    install.push_back({name, version});
  };
  if (words.front() == "install") {
    std::for_each(words.begin() + 1, words.end(), ask);
  } else {
    EXPECT_EQ(words.front(), "shell") << host::command_line(command);
    for (const std::string_view line : packages::lines_of(command.input)) {
      const auto parts = packages::words_of(line);
      if (parts.size() < 2) continue;
      if (parts[0] == "remove") {
        const std::string spec(parts[1]);
        remove.push_back(installed_.contains(spec) ? spec
                                                   : split_nevra(spec).first);
      } else {
        ask(std::string(parts[1]));
      }
    }
  }
  const auto changes = resolve(install, remove);
  const bool is_real =
      std::ranges::find(command.argv, "--assumeno") == command.argv.end();
  if (is_real) make(changes);
  return {is_real ? 0 : 1, dnf_table(changes) + (is_real ? "Complete!\n" : ""),
          is_real ? "" : "Operation aborted.\n"};
}

Completed WillingPackages::dnf(const host::Command& command) {
  const auto words = words_of(command, kDnfOptions, {"--queryformat"});
  const std::string& verb = words.front();
  if (verb == "makecache") return {};
  if (verb == "versionlock") return dnf_versionlock(words);
  if (verb == "module") return dnf_module(words);
  if (verb == "repoquery") return dnf_repoquery(words);
  if (verb != "mark") return dnf_change(command, words);
  EXPECT_EQ(words[1], "remove");
  return {};
}

std::string WillingPackages::dnf5_table(const std::vector<Change>& changes) {
  if (changes.empty()) return "Nothing to do.\n";
  const auto row = [](const std::string& name, const std::string& version) {
    return fmt::format("{} x86_64 {}{} gpunode-cuda 1.0 KiB\n", name,
                       version.find(':') == std::string::npos ? "0:" : "",
                       version);
  };
  std::string text = "Package Arch Version Repository Size\n";
  for (const Change& one : changes) {
    const bool is_gone = one.after.empty();
    const bool is_new = one.before.empty();
    const char* heading = "Downgrading";
    if (is_gone) {
      heading = "Removing";
    } else if (is_new) {
      heading = "Installing";
    } else if (is_older(one.before, one.after)) {
      heading = "Upgrading";
    }
    text += fmt::format("{}:\n {}", heading,
                        row(one.name, is_gone ? one.before : one.after));
    if (!is_gone && !is_new)
      text += "   replacing " + row(one.name, one.before);
  }
  return text + "\nTransaction Summary:\n\n";
}

Completed WillingPackages::dnf5_versionlock(
    const std::vector<std::string>& words) {
  constexpr std::string_view kName = "Package name: ";
  for (std::size_t i = 2; i < words.size(); ++i) {
    if (words[1] == "add") {
      const auto [name, version] = split_nevra(words[i]);
      locks_.push_back(fmt::format("{}{}\nevr = {}\n", kName, name, version));
    } else {
      EXPECT_EQ(words[1], "delete");
      std::erase_if(locks_, [&](const std::string& lock) {
        return lock.starts_with(fmt::format("{}{}\n", kName, words[i]));
      });
    }
  }
  if (words[1] != "list") return {};
  return {0, fmt::format("{}", fmt::join(locks_, "\n")), ""};
}

Completed WillingPackages::dnf5(const host::Command& command) {
  const auto words = words_of(command, kDnf5Options, {"--queryformat"});
  const std::string& verb = words.front();
  if (verb == "makecache") return {};
  if (verb == "versionlock") return dnf5_versionlock(words);
  if (verb == "repoquery") return dnf_repoquery(words);
  if (verb == "mark") {
    EXPECT_EQ(words[1], "dependency");
    return {};
  }
  std::vector<Asked> install;
  std::vector<std::string> remove;
  std::string action = verb;
  bool is_past = false;
  for (const std::string& word : command.argv) {
    if (word.starts_with("--action=")) {
      EXPECT_EQ(verb, "do");
      action = word.substr(9);
    } else if (is_past && action == "remove") {
      remove.push_back(split_nevra(word).first);
    } else if (is_past) {
      EXPECT_TRUE(action == "install" || action == "upgrade") << action;
      auto [name, version] = split_nevra(word);
      install.push_back({name, version});
    }
    is_past = is_past || word == verb;
  }
  const auto changes = resolve(install, remove);
  const bool is_real =
      std::ranges::find(command.argv, "--assumeno") == command.argv.end();
  if (is_real) make(changes);
  return {is_real ? 0 : 1, dnf5_table(changes),
          is_real ? "Complete!\n" : "Operation aborted by the user.\n"};
}

Completed WillingPackages::yum_list(
    const std::vector<std::string>& words) const {
  std::string here = "Installed Packages\n";
  std::string text = "Available Packages\n";
  const auto all = offers();
  for (std::size_t i = 1; i < words.size(); ++i) {
    const auto now = installed_.find(words[i]);
    const std::string version =
        now == installed_.end() ? "" : now->second.version;
    if (!version.empty()) {
      here += fmt::format("{}.x86_64 {}\n  @gpunode-cuda\n", words[i], version);
    }
    const auto known = all.find(words[i]);
    if (known == all.end()) continue;
    for (const Offer& offer : known->second) {
      if (offer.version == version) continue;
      text += fmt::format("{}.x86_64 {}\n  gpunode-cuda\n", words[i],
                          offer.version);
    }
  }
  return {0, here + text, ""};
}

Completed WillingPackages::yum(const host::Command& command) {
  const auto words = words_of(command, kYumOptions, {});
  const std::string& verb = words.front();
  if (verb == "makecache") return {};
  if (verb == "versionlock") return dnf_versionlock(words);
  if (verb == "list") return yum_list(words);
  EXPECT_EQ(verb, "shell") << host::command_line(command);
  // What is not older is not downgraded, and what is older not installed.
  std::vector<Asked> install;
  std::vector<std::string> remove;
  for (const std::string_view line : packages::lines_of(command.input)) {
    const auto parts = packages::words_of(line);
    if (parts.size() < 2) continue;
    auto [name, version] = split_nevra(std::string(parts[1]));
    const auto now = installed_.find(name);
    const bool is_down = now != installed_.end() && !version.empty() &&
                         is_older(version, now->second.version);
    if (parts[0] == "remove") {
      remove.push_back(name);
    } else if (is_down == (parts[0] == "downgrade")) {
      install.push_back({name, version});
    }
  }
  const auto changes = resolve(install, remove);
  const bool is_real =
      std::ranges::find(command.argv, "--assumeno") == command.argv.end();
  if (is_real) make(changes);
  return {0,
          fmt::format("> {}{}> Leaving Shell\n",
                      changes.empty() ? "" : "\n" + dnf_table(changes),
                      is_real ? "Complete!\n" : "Exiting on user command\n"),
          ""};
}

Completed WillingPackages::apt_get(const host::Command& command) {
  const auto words = words_of(command, kAptOptions, {"-o"});
  if (words.front() == "update") return {};
  EXPECT_EQ(words.front(), "install") << host::command_line(command);
  std::vector<Asked> install;
  std::vector<std::string> remove;
  for (std::size_t i = 1; i < words.size(); ++i) {
    if (words[i].ends_with('-')) {
      remove.push_back(words[i].substr(0, words[i].size() - 1));
      continue;
    }
    auto [name, version] = split_equals(words[i]);
    install.push_back({name, version});
  }
  const auto changes = resolve(install, remove);
  const bool is_real =
      std::ranges::find(command.argv, "-s") == command.argv.end();
  if (is_real) {
    make(changes);
    return {};
  }
  std::string text;
  for (const Change& change : changes) {
    if (change.before.empty() || change.after.empty() ||
        is_older(change.before, change.after)) {
      continue;
    }
    if (text.empty()) {
      text = "The following packages will be DOWNGRADED:\n";
    }
    text += fmt::format("  {}\n", change.name);
  }
  for (const Change& change : changes) {
    if (change.after.empty()) {
      text += fmt::format("Remv {} [{}]\n", change.name, change.before);
    } else {
      text += fmt::format(
          "Inst {}{} ({} stub [amd64])\n", change.name,
          change.before.empty() ? "" : fmt::format(" [{}]", change.before),
          change.after);
    }
  }
  return {0, text, ""};
}

Completed WillingPackages::apt_cache(
    const std::vector<std::string>& words) const {
  if (words.front() == "show") return {};
  EXPECT_EQ(words.front(), "madison");
  std::string text;
  const auto all = offers();
  const auto file =
      tree_.root().read_file("/etc/apt/sources.list.d/gpunode-cuda.sources");
  std::string address;
  const std::string source = file ? *file : "";
  for (const std::string_view line : packages::lines_of(source)) {
    if (line.starts_with("URIs: ")) address = line.substr(6);
  }
  while (address.ends_with('/')) address.pop_back();
  for (std::size_t i = 1; i < words.size(); ++i) {
    const auto known = all.find(words[i]);
    if (known == all.end()) continue;
    for (const Offer& offer : known->second) {
      text += fmt::format(" {} | {} | {}  Packages\n", words[i], offer.version,
                          address);
    }
  }
  return {0, text, ""};
}

Completed WillingPackages::apt_mark(const std::vector<std::string>& words) {
  std::string text;
  if (words.front() == "showhold") {
    for (const auto& [name, package] : installed_) {
      if (package.is_held) text += name + "\n";
    }
    return {0, text, ""};
  }
  const bool is_known = words.front() == "hold" || words.front() == "unhold" ||
                        words.front() == "auto";
  EXPECT_TRUE(is_known) << words.front();
  for (std::size_t i = 1; i < words.size(); ++i) {
    const auto found = installed_.find(words[i]);
    if (found == installed_.end()) {
      return {100, "", "E: Unable to locate package " + words[i] + "\n"};
    }
    if (words.front() != "auto") {
      found->second.is_held = words.front() == "hold";
    }
  }
  return {};
}

Completed WillingPackages::zypper_search(
    const std::vector<std::string>& words) const {
  std::string text;
  const auto all = offers();
  for (std::size_t i = 1; i < words.size(); ++i) {
    const auto known = all.find(words[i]);
    if (known == all.end()) continue;
    for (const Offer& offer : known->second) {
      text += fmt::format(
          "<solvable status=\"not-installed\" name=\"{}\" kind=\"package\" "
          "edition=\"{}\" arch=\"x86_64\" repository=\"NVIDIA "
          "(gpunode-cuda)\"/>\n",
          words[i], offer.version);
    }
  }
  return {0, text, ""};
}

Completed WillingPackages::zypper_locks() const {
  std::string text;
  for (const auto& [name, package] : installed_) {
    if (!package.is_held) continue;
    text += fmt::format(
        "<lock number=\"1\"><name>{}</name><type>package</type></lock>\n",
        name);
  }
  return {0, text, ""};
}

Completed WillingPackages::zypper_change(
    const host::Command& command, const std::vector<std::string>& words) {
  const std::string& verb = words.front();
  EXPECT_TRUE(verb == "install" || verb == "remove") << verb;
  std::vector<Asked> install;
  std::vector<std::string> remove;
  for (std::size_t i = 1; i < words.size(); ++i) {
    auto [name, version] = split_equals(words[i]);
    if (verb == "remove") {
      remove.push_back(name);
    } else if (name.starts_with('!')) {
      remove.push_back(name.substr(1));
    } else {
      install.push_back({name, version});
    }
  }
  const auto changes = resolve(install, remove);
  const bool is_real =
      std::ranges::find(command.argv, "--dry-run") == command.argv.end();
  if (is_real) make(changes);
  std::string text =
      "<install-summary download-size=\"1\" space-usage-diff=\"1\">\n";
  for (const Change& change : changes) {
    const char* what = "to-install";
    if (change.after.empty()) {
      what = "to-remove";
    } else if (!change.before.empty()) {
      what =
          is_older(change.before, change.after) ? "to-upgrade" : "to-downgrade";
    }
    text += fmt::format(
        "<{0}><solvable type=\"package\" name=\"{1}\" edition=\"{2}\" "
        "arch=\"x86_64\"{3}/></{0}>\n",
        what, change.name, change.after.empty() ? change.before : change.after,
        change.before.empty()
            ? ""
            : fmt::format(" edition-old=\"{}\"", change.before));
  }
  return {0, text + "</install-summary>\n", ""};
}

Completed WillingPackages::zypper(const host::Command& command) {
  // "package" is the value of --type.
  const auto words = words_of(command, kZypperOptions, {"--type"});
  const std::string& verb = words.front();
  if (verb == "refresh") return {};
  if (verb == "search") return zypper_search(words);
  if (verb == "locks") return zypper_locks();
  if (verb != "addlock" && verb != "removelock") {
    return zypper_change(command, words);
  }
  for (std::size_t i = 1; i < words.size(); ++i) {
    installed_[words[i]].is_held = verb == "addlock";
  }
  return {};
}

}  // namespace gpunode::provision
