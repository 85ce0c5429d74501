// What rpm prints of its database, read. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "node/provision/packages/package.h"

namespace gpunode::packages {

/// The whole package database, as lines of facts::kRpmFormat, without the keys
/// in it. Two versions of a
/// package that is not made to be there twice are what a transaction that
/// broke off leaves, and are told as troubles; `tool` words the remedy.
Result<Observation> parse_rpm_list(std::string_view text, Tool tool);

/// [epoch:]version-release without an epoch of 0.
std::string without_zero_epoch(std::string_view version);

}  // namespace gpunode::packages
