// prep.repositories: the repositories beside the distribution's base that what
// comes after needs: EPEL and CRB, and what other distributions have for them.

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "node/provision/distribution_row.h"
#include "node/provision/file_plan.h"
#include "node/provision/packages/apt_sources.h"
#include "node/provision/packages/distribution_repositories.h"
#include "node/provision/packages/epel_keys.h"
#include "node/provision/packages/mirrors.h"
#include "node/provision/packages/repo_file.h"
#include "node/provision/packages/repository.h"
#include "node/provision/steps/steps.h"

namespace gpunode::provision {
namespace {

using packages::ExtraRepository;
using packages::RepoSection;
using packages::Source;

constexpr const char* kYumRepos = "/etc/yum.repos.d/";
constexpr const char* kZyppRepos = "/etc/zypp/repos.d/";
// subscription-manager writes it, and writes it again.
constexpr const char* kSubscriptions = "/etc/yum.repos.d/redhat.repo";
constexpr const char* kSourcesList = "/etc/apt/sources.list";
constexpr const char* kPackageHub = "/etc/products.d/PackageHub.prod";
constexpr const char* kSuseCredentials =
    "/etc/zypp/credentials.d/SCCcredentials";
constexpr std::uint64_t kVendorSeconds = 300;

/// A section of a .repo file, and which file that is.
struct Found {
  std::string path;
  RepoSection section;
};

/// Everything that one row is planned from.
class RowPlan {
 public:
  RowPlan(const PlanInput& input, const ExtraRepository& row, StepPlan& plan)
      : input_(input), row_(row), plan_(plan), ids_(filled(row.ids)) {}

  /// False: a person must act first, and `plan` says so.
  bool add() {
    switch (row_.source) {
      case Source::kNone:
        return true;
      case Source::kEnable:
        return enable();
      case Source::kPackage:
        return package();
      case Source::kFile:
        return file();
      case Source::kComponents:
        return components();
      case Source::kSubscription:
        return subscription();
      case Source::kExtras:
        return extras();
      case Source::kModule:
        return module();
    }
    return true;
  }

 private:
  std::string filled(std::string_view text) const {
    const facts::OsRelease& os = input_.facts.os;
    return packages::filled_in(text, os.major_version(), os.version_id,
                               input_.facts.kernel.machine);
  }
  std::string what() const { return filled(row_.what); }

  void change(const std::string& why) {
    if (plan_.state == StepState::kOk) plan_.state = StepState::kChange;
    if (!plan_.why.empty()) plan_.why += "; ";
    plan_.why += why;
  }
  bool blocked(std::string why, std::string fix) {
    plan_ = StepPlan::blocked(std::move(why), std::move(fix));
    return false;
  }

  /// The section that is meant: one that is on, else the first.
  std::optional<Found> find(const char* directory) const {
    std::optional<Found> found;
    for (const auto& [path, file] : input_.facts.files) {
      if (!path.starts_with(directory) || !file.content) continue;
      for (RepoSection& section : packages::repo_sections(*file.content)) {
        if (!packages::is_one_of(section.id, ids_)) continue;
        if (section.is_enabled) return Found{path, std::move(section)};
        if (!found) found = Found{path, std::move(section)};
      }
    }
    return found;
  }

  /// Turns a section on that is there. Other rows may change the same file.
  bool turn_on(const Found& found) {
    if (found.section.is_enabled) return true;
    const std::string id = found.section.id;
    for (Action& action : plan_.actions) {
      auto* write = std::get_if<WriteFile>(&action);
      if (write == nullptr || write->path != found.path) continue;
      write->content = packages::with_enabled(write->content, id);
      change(fmt::format("{} is off", id));
      return true;
    }
    const std::string& before = *input_.facts.files.at(found.path).content;
    change(fmt::format("{} is off", id));
    const std::string why = plan_.why;
    plan_edited_file(input_, found.path, packages::with_enabled(before, id),
                     plan_);
    plan_.why = why;
    return plan_.state != StepState::kBlocked;
  }

  bool enable() {
    if (const auto found = find(kYumRepos)) return turn_on(*found);
    return blocked(
        fmt::format("no file of {} has the repository {} ({})", kYumRepos,
                    what(), row_.gives),
        fmt::format("put the distribution's own files back with `dnf reinstall "
                    "{}`, or say `extraRepositories: false`",
                    "'*-repos' '*-release'"));
  }

  bool package() {
    const std::string url = filled(row_.url);
    if (!url.empty() && packages::mirrored(url, input_.spec.mirrors) != url) {
      return file();
    }
    if (const auto found = find(kYumRepos)) return turn_on(*found);
    if (input_.facts.packages.contains(what())) {
      return blocked(
          fmt::format("{} is installed, and no file of {} has its repository",
                      what(), kYumRepos),
          fmt::format("put it back with `dnf reinstall {}`", what()));
    }
    change(fmt::format("{} is missing ({})", what(), row_.gives));
    plan_.actions.emplace_back(InstallPackages{{what()}});
    return true;
  }

  /// EPEL in a file of ours.
  bool file() {
    const std::string path = fmt::format("{}{}.repo", kYumRepos, ids_);
    const auto found = find(kYumRepos);
    const bool is_ours = input_.history.written.contains(path);
    const std::string url = filled(row_.url);
    const std::string from = packages::mirrored(url, input_.spec.mirrors);
    if (found && !(is_ours && found->path == path)) {
      if (from != url) {
        plan_.notes.push_back(
            fmt::format("{} of {} is not from gpunode and stays: it does not "
                        "use the mirror {}",
                        found->section.id, found->path, from));
      }
      return turn_on(*found);
    }
    packages::Repository repository;
    repository.id = ids_;
    repository.name = fmt::format("Extra Packages for Enterprise Linux {}",
                                  input_.facts.os.major_version());
    repository.urls = {from};
    const auto key = packages::epel_key(input_.facts.os.major_version());
    if (!key) return blocked("EPEL's key is not known", "update gpunode");
    repository.key = key->armoured;
    repository.fingerprints = {std::string(key->fingerprint)};
    // None of EPEL's keys expires: the clock does not matter.
    auto files =
        packages::repository_files(packages::Tool::kDnf, repository, 0);
    if (!files) return blocked(files.error().message(), "mend spec.mirrors");
    for (const packages::FileToHave& one : *files) {
      plan_managed_file(input_, one.path, one.content, plan_);
    }
    return plan_.state != StepState::kBlocked;
  }

  bool components() {
    std::map<std::string, std::string> files;
    for (const auto& [path, file] : input_.facts.files) {
      if (!path.starts_with("/etc/apt/sources.list") || !file.content) continue;
      files.emplace(path, *file.content);
    }
    std::vector<std::string> wanted;
    for (std::string_view rest = row_.what; !rest.empty();) {
      wanted.emplace_back(rest.substr(0, rest.find(' ')));
      rest.remove_prefix(std::min(wanted.back().size() + 1, rest.size()));
    }
    const packages::ComponentEdits edits =
        packages::with_components(files, input_.facts.os.codename, wanted);
    if (!edits.has_archive) {
      return blocked(
          fmt::format("no source of apt is the archive of {} \"{}\" itself, so "
                      "that nothing can be added to it",
                      input_.facts.os.id, input_.facts.os.codename),
          fmt::format("add the components {} to its source by hand, or say "
                      "`extraRepositories: false`",
                      row_.what));
    }
    if (edits.files.empty()) return true;
    change(fmt::format("the archive is used without {}",
                       fmt::join(edits.missing, ", ")));
    const std::string why = plan_.why;
    for (const auto& [path, after] : edits.files) {
      plan_edited_file(input_, path, after, plan_);
    }
    plan_.why = why;
    return true;
  }

  bool subscription() {
    const auto found = find(kYumRepos);
    if (!found) {
      return blocked(
          fmt::format("this host has no subscription that offers {} ({})",
                      what(), row_.gives),
          "register it with `subscription-manager register`, or say "
          "`extraRepositories: false`");
    }
    // A cloud's files (RHUI) are nobody's but the host's.
    if (found->path != kSubscriptions) return turn_on(*found);
    if (found->section.is_enabled) return true;
    change(fmt::format("{} is off", found->section.id));
    const auto call = [&](const char* verb) {
      return std::vector<std::string>{"/usr/sbin/subscription-manager", "repos",
                                      verb + found->section.id};
    };
    plan_.actions.emplace_back(
        RunProgram{call("--enable="), call("--disable="), kVendorSeconds});
    return true;
  }

  bool extras() {
    const auto found = find(kYumRepos);
    if (found && found->section.is_enabled) return true;
    change(fmt::format("the topic {} is off", what()));
    const auto call = [&](const char* verb) {
      return std::vector<std::string>{"/usr/bin/amazon-linux-extras", verb,
                                      what()};
    };
    plan_.actions.emplace_back(
        RunProgram{call("enable"), call("disable"), kVendorSeconds});
    return true;
  }

  bool module() {
    const auto product = input_.facts.files.find(kPackageHub);
    if (product != input_.facts.files.end() && product->second.exists()) {
      return true;
    }
    // An RMT server or a mirror: the repository without the product.
    if (const auto found = find(kZyppRepos)) return turn_on(*found);
    const auto credentials = input_.facts.trees.find(kSuseCredentials);
    if (credentials == input_.facts.trees.end() ||
        !credentials->second.exists) {
      return blocked(
          fmt::format("this host is not registered, and {} ({}) comes to "
                      "registered ones alone",
                      what(), row_.gives),
          "register it with `SUSEConnect -r CODE`, or say "
          "`extraRepositories: false`");
    }
    change(fmt::format("{} is missing", what()));
    plan_.actions.emplace_back(RunProgram{
        {"/usr/sbin/SUSEConnect", "--product", what()},
        {"/usr/sbin/SUSEConnect", "--de-register", "--product", what()},
        kVendorSeconds});
    return true;
  }

  const PlanInput& input_;
  const ExtraRepository& row_;
  StepPlan& plan_;
  std::string ids_;
};

/// What is known of the host's distribution, or of the one that the file says
/// it is like.
std::span<const ExtraRepository> rows_of(const PlanInput& input) {
  const facts::OsRelease& os = input.facts.os;
  // What is wrong with the file's rows is told where they are read.
  const auto found = distribution_row(input);
  return packages::extra_repositories(
      found ? found->table : distribution::Table(), os.id, os.version_id);
}

class Repositories final : public Step {
 public:
  std::string_view id() const override { return "prep.repositories"; }
  std::string_view title() const override {
    return "the repositories that the driver and its tools need are there";
  }
  std::string_view reason() const override {
    return "DKMS and what it needs are not in the base of most distributions";
  }

  facts::Wanted wants(const NodeSpec& spec) const override {
    facts::Wanted wanted;
    if (!wants_extra_repositories(spec)) return wanted;
    // The distribution is not known yet: every family's places.
    wanted.files = {"/etc/yum.repos.d/*.repo",
                    "/etc/zypp/repos.d/*.repo",
                    kSourcesList,
                    "/etc/apt/sources.list.d/*.list",
                    "/etc/apt/sources.list.d/*.sources",
                    "/etc/pki/rpm-gpg/RPM-GPG-KEY-epel",
                    kPackageHub};
    // That it is there, and never what is in it.
    wanted.trees = {kSuseCredentials};
    for (const ExtraRepository& row : packages::extra_repositories()) {
      if (row.source != Source::kPackage) continue;
      for (int major = row.first; major <= row.last; ++major) {
        wanted.packages.insert(packages::filled_in(row.what, major, "", ""));
      }
      for (const distribution::Extension& own : spec.distributions) {
        wanted.packages.insert(packages::filled_in(
            row.what, packages::major_of(own.version), "", ""));
      }
    }
    return wanted;
  }

  StepPlan plan(const PlanInput& input) const override {
    if (input.spec.host.extra_repositories == Choice::kNo) {
      return StepPlan::not_wanted("spec.host.extraRepositories is false");
    }
    if (!input.spec.bundle.empty()) {
      return StepPlan::not_wanted("packages come from spec.bundle alone");
    }
    if (!wants_extra_repositories(input.spec)) {
      return StepPlan::not_wanted(
          "nothing that the file asks for needs more than the base");
    }
    const facts::OsRelease& os = input.facts.os;
    const auto rows = rows_of(input);
    if (rows.empty()) {
      return StepPlan::not_wanted(
          fmt::format("nothing is known of further repositories for {} {}",
                      os.id, os.version_id));
    }
    StepPlan plan;
    for (const ExtraRepository& row : rows) {
      if (!RowPlan(input, row, plan).add()) break;
    }
    return plan;
  }
};

}  // namespace

bool wants_extra_repositories(const NodeSpec& spec) {
  switch (spec.host.extra_repositories) {
    case Choice::kYes:
      return true;
    case Choice::kNo:
      return false;
    case Choice::kAsNeeded:
      break;
  }
  return !spec.host.packages.empty() || spec.driver.is_wanted;
}

std::unique_ptr<Step> make_prep_repositories() {
  return std::make_unique<Repositories>();
}

}  // namespace gpunode::provision
