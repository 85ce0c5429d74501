#include "node/provision/packages/package_set.h"

#include <algorithm>
#include <charconv>
#include <map>

namespace gpunode::packages {
namespace {

/// The numbers of a version, one by one.
std::vector<unsigned long> numbers_of(std::string_view version) {
  std::vector<unsigned long> numbers;
  while (!version.empty()) {
    const std::size_t dot = std::min(version.find('.'), version.size());
    unsigned long number = 0;
    std::from_chars(version.data(), version.data() + dot, number);
    numbers.push_back(number);
    version.remove_prefix(std::min(dot + 1, version.size()));
  }
  return numbers;
}

struct Older {
  bool operator()(const std::string& a, const std::string& b) const {
    return is_older(a, b);
  }
};

/// By upstream version, newest last: each name's package version.
using Offers = std::map<std::string, std::map<std::string, std::string>, Older>;

Offers offers_of(const std::vector<Candidate>& candidates,
                 std::string_view version, std::string_view from) {
  Offers offers;
  for (const Candidate& one : candidates) {
    if (one.repository.find(from) == std::string::npos) continue;
    const std::string upstream(upstream_of(one.version));
    if (!is_of(upstream, version)) continue;
    // Of two releases of one version the greater; as text that will do: they
    // differ in their last number.
    std::string& best = offers[upstream][one.name];
    if (best.size() < one.version.size() ||
        (best.size() == one.version.size() && best < one.version)) {
      best = one.version;
    }
  }
  return offers;
}

std::string missing_of(const Offers::value_type& offer,
                       const std::vector<std::string>& names) {
  std::string missing;
  for (const std::string& words : names) {
    const std::string name = with_version(words, offer.first);
    if (offer.second.contains(name)) continue;
    missing += (missing.empty() ? "" : ", ") + name;
  }
  return missing;
}

}  // namespace

std::string_view upstream_of(std::string_view version) {
  const std::size_t colon = version.find(':');
  if (colon != std::string_view::npos) version.remove_prefix(colon + 1);
  return version.substr(0, version.find_first_of("-_~+"));
}

bool is_of(std::string_view upstream, std::string_view wanted) {
  const bool has_dot = wanted.find('.') != std::string_view::npos;
  return wanted.empty() || (has_dot && upstream == wanted) ||
         (upstream.starts_with(wanted) && upstream.size() > wanted.size() &&
          upstream[wanted.size()] == '.');
}

bool is_older(std::string_view upstream, std::string_view than) {
  return numbers_of(upstream) < numbers_of(than);
}

bool has_version_inside(std::string_view name) {
  return name.find('*') != std::string_view::npos;
}

std::string with_version(std::string_view name, std::string_view upstream) {
  const std::size_t star = name.find('*');
  if (star == std::string_view::npos) return std::string(name);
  std::string whole(name.substr(0, star));
  whole += upstream;
  whole += name.substr(star + 1);
  return whole;
}

bool is_named(std::string_view package, std::string_view name) {
  const std::size_t star = name.find('*');
  if (star == std::string_view::npos) return package == name;
  const std::string_view end = name.substr(star + 1);
  return package.size() > name.size() - 1 &&
         package.starts_with(name.substr(0, star)) && package.ends_with(end) &&
         package[star] >= '0' && package[star] <= '9' &&
         package.substr(star, package.size() - end.size() - star).find('-') ==
             std::string_view::npos;
}

Result<std::vector<Wanted>> choose_set(const std::vector<Candidate>& candidates,
                                       const std::vector<std::string>& names,
                                       std::string_view version,
                                       std::string_view from) {
  const Offers offers = offers_of(candidates, version, from);
  for (auto offer = offers.rbegin(); offer != offers.rend(); ++offer) {
    if (!missing_of(*offer, names).empty()) continue;
    std::vector<Wanted> set;
    for (const std::string& words : names) {
      const std::string name = with_version(words, offer->first);
      set.push_back({name, offer->second.at(name)});
    }
    return set;
  }
  const std::string wanted =
      version.empty() ? "any version" : std::string(version);
  const std::string place =
      from.empty() ? "no repository" : "\"" + std::string(from) + "\" does not";
  if (offers.empty()) {
    std::string all;
    for (const std::string& name : names) {
      all += (all.empty() ? "" : ", ") + name;
    }
    return Error(ErrorCode::kNotFound,
                 place + (from.empty() ? " has " : " have ") + wanted + " of " +
                     all +
                     "; next: look at the branch and the version in the file, "
                     "and at what the mirror has");
  }
  return Error(ErrorCode::kNotFound,
               "no version of " + wanted + " is whole: of " +
                   offers.rbegin()->first + " there is no " +
                   missing_of(*offers.rbegin(), names) +
                   "; a mirror may be half-way through a change: try again "
                   "later, or say a `version` that it has whole");
}

}  // namespace gpunode::packages
