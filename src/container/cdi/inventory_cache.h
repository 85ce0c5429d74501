// What was found on the host, kept in /run so that a container's start need
// not look again.
//
// Looking costs a millisecond or two and some hundred system calls; checking
// that nothing changed costs one stat for each directory that has driver files.
#pragma once

#include <optional>
#include <string>

#include "base/core/result.h"
#include "container/cdi/findings.h"
#include "container/cdi/watched_findings.h"

namespace gpunode::cdi {

/// On tmpfs: a reboot, after which anything may be different, empties it.
inline constexpr const char* kInventoryCache = "/run/gpunode/inventory";

/// The findings at `path`, if they are of `source` and still hold. A file that
/// is missing, damaged or of another gpunode counts as no cache.
///
/// Kept is what procfs::list_gpus tells; the inventory's other fields are
/// empty.
std::optional<Findings> load_findings(const std::string& path,
                                      const FindingsSource& source);

/// What was listed last for the driver that is loaded now, for what the
/// kernel's files do not tell: UUIDs and numbers of MIG devices. Places may
/// have changed since; that is for the caller to look at.
std::optional<device::Inventory> last_inventory(const std::string& path,
                                                const FindingsSource& source);

/// Replaces the cache, readable by root alone: it decides what containers get.
/// Makes its directories. Findings without a driver are not kept, since a
/// driver may come at any time. What changed after `begun` may not have been
/// seen: the cache then serves last_inventory() alone.
Result<void> store_findings(const std::string& path,
                            const FindingsSource& source,
                            const Findings& findings, timespec begun);

}  // namespace gpunode::cdi
