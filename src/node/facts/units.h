// Wanted systemd units of a host.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "base/host/host_root.h"
#include "node/facts/host_facts.h"
#include "node/facts/wanted.h"

namespace gpunode::facts {

/// Fills `facts.units`: with one `systemctl show` where systemd runs (two if
/// something is started by units that nobody wanted), and
/// `facts.machine` says so; from unit files and the links that enable them
/// everywhere else.
void read_wanted_units(const host::HostRoot& host, host::CommandRunner& runner,
                       const Wanted& wanted, HostFacts& facts);

/// What `systemctl show -p Id,LoadState,ActiveState,UnitFileState,TriggeredBy
/// -- …` prints of `units` in their order: a block each, blank lines between.
/// kCorrupt if the blocks are not as many as the units.
Result<std::map<std::string, UnitFacts>> parse_unit_blocks(
    std::string_view text, const std::set<std::string>& units);

/// From files alone.
UnitFacts read_unit_file(const host::HostRoot& host, const std::string& unit);

}  // namespace gpunode::facts
