#include "node/provision/distribution_spec.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/text/nearest.h"
#include "node/distribution/distribution.h"

namespace gpunode::provision {
namespace {

using distribution::Extension;
using distribution::Family;
using distribution::Manager;
using distribution::Status;

constexpr int kLeastBranch = 390;
constexpr int kMostBranch = 9999;

/// What the file does not say stays nothing.
void read_kinds(SpecSection& section, Extension& one) {
  section.choice<std::optional<Manager>>("packageManager", one.manager,
                                         {{"apt", Manager::kApt},
                                          {"dnf", Manager::kDnf},
                                          {"dnf5", Manager::kDnf5},
                                          {"yum", Manager::kYum},
                                          {"zypper", Manager::kZypper}});
  section.choice<std::optional<Family>>("driverPackages", one.family,
                                        {{"modular", Family::kModular},
                                         {"plain", Family::kPlain},
                                         {"rhel7", Family::kRhel7},
                                         {"ubuntu", Family::kUbuntu},
                                         {"debian", Family::kDebian},
                                         {"suse", Family::kSuse}});
  section.choice<std::optional<std::string>>(
      "dkms", one.dkms,
      {{"epel", "epel"}, {"main", "main"}, {"own", "own"}, {"none", ""}});
  section.choice<std::optional<Status>>("status", one.status,
                                        {{"supported", Status::kSupported},
                                         {"endOfLife", Status::kEndOfLife},
                                         {"refused", Status::kRefused}});
}

void read_branches(SpecSection& section, int& first, int& last) {
  section.number("firstBranch", first, kLeastBranch, kMostBranch);
  section.number("lastBranch", last, kLeastBranch, kMostBranch);
}

void read_lists(SpecSection& section, Extension& one) {
  section.list("architectures", [&](SpecSection inner) {
    distribution::SaidArchitecture& machine = one.architectures.emplace_back();
    inner.text("machine", machine.machine);
    inner.text("directory", machine.directory);
    read_branches(inner, machine.first_branch, machine.last_branch);
    inner.finish();
  });
  section.list("devel", [&](SpecSection inner) {
    distribution::SaidDevel& rule = one.devel.emplace_back();
    inner.text("kernel", rule.flavour);
    inner.text("package", rule.package);
    inner.finish();
  });
  section.texts("compilers", one.compilers);
}

/// As people copy it: in groups of four, in lower case.
void tidy(std::string& fingerprint) {
  std::erase(fingerprint, ' ');
  std::ranges::transform(fingerprint, fingerprint.begin(), [](char c) {
    return c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c;
  });
}

/// " (did you mean "rhel 10"?)" for what is nearly a row's name.
std::string hint_for(std::string_view like) {
  std::vector<std::string> names;
  for (const distribution::Distribution& row : distribution::distributions()) {
    names.push_back(fmt::format("{} {}", row.id, row.version));
  }
  const std::vector<std::string_view> known(names.begin(), names.end());
  const std::string_view nearest = text::nearest_name(like, known);
  return nearest.empty() ? "" : fmt::format(" (did you mean \"{}\"?)", nearest);
}

void check(SpecSection& section, const Extension& one,
           const std::vector<Extension>& all) {
  const bool is_there =
      std::ranges::any_of(all, [&one](const Extension& other) {
        return other.id == one.id && other.version == one.version;
      });
  if (is_there) {
    return section.complain(
        "id", fmt::format("{} {} stands there twice", one.id, one.version));
  }
  const auto problem = distribution::find_problem(one);
  if (!problem) return;
  const bool is_like = problem->key == "like";
  section.complain(problem->key,
                   problem->words + (is_like ? hint_for(one.like) : ""));
}

}  // namespace

void read_distribution(SpecSection section, std::vector<Extension>& all) {
  Extension one;
  section.text("id", one.id);
  section.text("version", one.version);
  section.text("like", one.like);
  section.text("repository", one.repository);
  section.text("keyFile", one.key_file);
  section.text("keyFingerprint", one.fingerprint);
  std::string note;
  section.text("note", note);
  if (!note.empty()) one.note = note;
  read_branches(section, one.first_branch, one.last_branch);
  read_kinds(section, one);
  read_lists(section, one);
  tidy(one.fingerprint);
  section.finish();
  // What is missing because its key is misspelt is told once.
  if (section.is_good()) check(section, one, all);
  all.push_back(std::move(one));
}

}  // namespace gpunode::provision
