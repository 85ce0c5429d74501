// Looking at a host: the only I/O of facts.
#pragma once

#include "base/core/result.h"
#include "base/host/command_runner.h"
#include "base/host/host_root.h"
#include "node/facts/disk_look.h"
#include "node/facts/host_facts.h"
#include "node/facts/wanted.h"

namespace gpunode::facts {

/// Everything in HostFacts, reading only, without driver or network. Files are
/// read below `host`; programs of the host (systemctl, dpkg-query or rpm,
/// modinfo) are asked through `runner`, each at most once, and only if
/// something wanted needs them. What cannot be seen becomes a gap; an Error is
/// for a host that cannot be one (no /etc/os-release, no /proc).
Result<HostFacts> observe(const host::HostRoot& host,
                          host::CommandRunner& runner, const Wanted& wanted,
                          DiskLook disks = DiskLook::kFirst);

}  // namespace gpunode::facts
