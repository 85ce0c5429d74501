// What kind of machine and kernel this is.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/host/host_root.h"
#include "base/host/mount_table.h"
#include "node/facts/host_facts.h"

namespace gpunode::facts {

/// kNotFound if there is no /proc of a kernel.
Result<KernelFacts> read_kernel(const host::HostRoot& host,
                                std::vector<std::string>& gaps);

/// `mounts` tell what the root is on; empty if that is not known.
MachineFacts read_machine(const host::HostRoot& host, const OsRelease& os,
                          const KernelFacts& kernel,
                          const std::vector<host::Mount>& mounts,
                          std::vector<std::string>& gaps);

/// The cloud that DMI tells of: "aws", "azure", "gcp", "oci", or "".
std::string_view cloud_of(std::string_view vendor, std::string_view product,
                          std::string_view chassis_asset_tag);

/// How many processors "0-3,8,10-11" are; 0 for what is not such a list.
int count_processors(std::string_view list);

/// MemTotal of /proc/meminfo in bytes; 0 if it is not there.
std::uint64_t memory_of(std::string_view meminfo);

}  // namespace gpunode::facts
