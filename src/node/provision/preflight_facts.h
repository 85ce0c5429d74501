// Looking at what a preflight judges.
#pragma once

#include "base/host/command_runner.h"
#include "base/host/host_root.h"
#include "node/facts/host_facts.h"
#include "node/provision/preflight.h"

namespace gpunode::provision {

/// Reads only. Who has dpkg is read in its files; rpm is asked once, if `needs`
/// has packages and `may_ask`: a plan asks each tool once for everything, and
/// rpm's state belongs to the moment of the run. So does the cluster's: it is
/// asked if `may_ask`, for at most a minute. What cannot be seen of the host is
/// left out: it is no reason to stop.
PreflightFacts observe_preflight(const host::HostRoot& host,
                                 host::CommandRunner& runner,
                                 const facts::OsRelease& os,
                                 const PreflightNeeds& needs, bool may_ask);

}  // namespace gpunode::provision
