#include "node/provision/distribution_list.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text/nearest.h"
#include "node/driver/driver_choice.h"

namespace gpunode::provision {
namespace {

using distribution::Distribution;
using distribution::Flavour;

bool is_of(const ListedDistribution& listed, std::string_view id,
           std::string_view version) {
  return listed.row->id == id && listed.row->version == version;
}

/// `name` is "ID-VERSION" or "ID VERSION" of a row, or of a release of it.
bool is_named(const ListedDistribution& listed, std::string_view name) {
  const std::string_view id = listed.row->id;
  if (!name.starts_with(id) || name.size() <= id.size() + 1) return false;
  const char mark = name[id.size()];
  return (mark == '-' || mark == ' ') &&
         distribution::is_version_of(*listed.row, name.substr(id.size() + 1));
}

Error unknown(const DistributionList& all, std::string_view name) {
  std::vector<std::string> names;
  std::vector<std::string_view> known;
  for (const ListedDistribution& one : all) {
    names.push_back(fmt::format("{}-{}", one.row->id, one.row->version));
  }
  std::vector<std::string_view> of_id;
  for (const std::string& one : names) {
    known.emplace_back(one);
    const std::string_view id = std::string_view(one).substr(0, one.rfind('-'));
    if (std::ranges::find(known, id) == known.end()) known.push_back(id);
    if (name.starts_with(id) && name.size() > id.size() &&
        (name[id.size()] == '-' || name[id.size()] == ' ')) {
      of_id.emplace_back(one);
    }
  }
  std::string words = fmt::format("no distribution \"{}\" is known", name);
  const std::string_view nearest = text::nearest_name(name, known);
  if (!of_id.empty()) {
    words += fmt::format("; of that one there are {}", fmt::join(of_id, ", "));
  } else if (!nearest.empty()) {
    words += fmt::format(" (did you mean \"{}\"?)", nearest);
  }
  words +=
      "; one that is like another is added with spec.distributions "
      "(docs/formats/distributions.md)";
  return {ErrorCode::kNotFound, words};
}

int usual_branch(const Distribution& row) {
  const distribution::Architecture& machine = row.architectures.front();
  int branch = std::max(driver::kUsualBranch, machine.first_branch);
  if (machine.last_branch != 0) branch = std::min(branch, machine.last_branch);
  return branch;
}

}  // namespace

std::string ListedDistribution::name() const {
  return fmt::format("{} {}", row->id, row->version);
}

DistributionList list_distributions(const distribution::Table& table) {
  DistributionList all;
  for (const Distribution& row : distribution::distributions()) {
    all.push_back({&row, false, nullptr, {}});
  }
  for (const Distribution& row : table.own_rows()) {
    const auto same = std::ranges::find_if(all, [&row](const auto& one) {
      return is_of(one, row.id, row.version);
    });
    if (same != all.end()) {
      *same = {&row, true, nullptr, {}};
      continue;
    }
    const auto last =
        std::find_if(all.rbegin(), all.rend(),
                     [&row](const auto& one) { return one.row->id == row.id; });
    all.insert(last == all.rend() ? all.end() : last.base(),
               {&row, true, table.kin_of(row.id, row.version), {}});
  }
  for (ListedDistribution& one : all) {
    one.extra =
        packages::extra_repositories(table, one.row->id, one.row->version);
  }
  return all;
}

Result<DistributionList> select_distributions(const DistributionList& all,
                                              std::string_view name) {
  DistributionList selected;
  for (const ListedDistribution& one : all) {
    if (one.row->id == name) selected.push_back(one);
  }
  if (!selected.empty()) return selected;
  // "8.10" is of the row "8.10" where there is one, and else of "8".
  for (const ListedDistribution& one : all) {
    if (!is_named(one, name)) continue;
    if (selected.empty() ||
        selected.front().row->version.size() < one.row->version.size()) {
      selected = {one};
    }
  }
  if (selected.empty()) return unknown(all, name);
  return selected;
}

std::vector<std::string> refusals_of(const ListedDistribution& listed) {
  std::vector<std::string> words;
  const Distribution& row = *listed.row;
  const auto repository = distribution::repository_of(
      row, row.architectures.front().machine, distribution::kBaseUrl);
  if (!repository) words.push_back(repository.error().message());
  return words;
}

std::vector<OfferedDriver> offered_drivers(const ListedDistribution& listed) {
  std::vector<OfferedDriver> offered;
  if (listed.row->status == distribution::Status::kRefused) return offered;
  const int branch = usual_branch(*listed.row);
  for (const Flavour flavour : {Flavour::kOpen, Flavour::kProprietary}) {
    // Before 560 there are no packages without a display's.
    auto packages = distribution::driver_packages(
        listed.row->family, flavour, branch, distribution::Profile::kCompute);
    if (!packages) {
      auto full = distribution::driver_packages(
          listed.row->family, flavour, branch, distribution::Profile::kFull);
      if (full) packages = std::move(full);
    }
    offered.push_back({flavour, branch, std::move(packages)});
  }
  return offered;
}

}  // namespace gpunode::provision
