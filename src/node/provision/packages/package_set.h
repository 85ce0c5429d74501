// Packages that only work in the same version: which one to take. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "node/provision/packages/package.h"

namespace gpunode::packages {

/// The upstream part of a version: "580.65.06" of "3:580.65.06-1.el9",
/// "580.65.06-0ubuntu1" and "580.65.06_k6.4.0_150600.21-1.1".
std::string_view upstream_of(std::string_view version);

/// Whether an upstream version is `wanted`, or goes on after it: "580.65.06" is
/// of "580", "1.25.16" of "1.25", and "5800.1" is not of "580". Any is of "".
bool is_of(std::string_view upstream, std::string_view wanted);

/// By their numbers: "580.95.05" comes before "580.105.08".
bool is_older(std::string_view upstream, std::string_view than);

/// A name that has its own version in it is written with "*" for that:
/// "kmod-nvidia-*-5.14.0-570.17.1". `with_version` says it.
bool has_version_inside(std::string_view name);
std::string with_version(std::string_view name, std::string_view upstream);
/// Whether `package` is `name` in any version, which begins with a digit; its
/// own name, if that has none inside.
bool is_named(std::string_view package, std::string_view name);

/// Each of `names` in the newest upstream version of `version` that all of them
/// are offered in, out of repositories whose name has `from` in it. Where there
/// is none: kNotFound, with what is missing of the newest one.
Result<std::vector<Wanted>> choose_set(const std::vector<Candidate>& candidates,
                                       const std::vector<std::string>& names,
                                       std::string_view version,
                                       std::string_view from);

}  // namespace gpunode::packages
