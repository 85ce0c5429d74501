// What is known to go wrong with GPU nodes, and by what it shows
// (docs/doctor.md has the list, the ids and what is not recognised).
//
// Pure. Each says nothing of a host of which it does not know enough: a doctor
// who alarms for nothing is not asked again.
#pragma once

#include "node/diagnose/doctor_look.h"
#include "node/diagnose/finding.h"

namespace gpunode::diagnose {

/// Kernels without module or devel, builds that failed, compilers.
Findings find_kernel_pains(const DoctorLook& look);
/// Versions, flavours, GSP, Secure Boot, GPUs that are gone, and the fabric's.
Findings find_driver_pains(const DoctorLook& look);
/// Of NVSwitches and their manager, as far as systemd and packages tell.
Findings find_fabric_pains(const facts::HostFacts& host);
/// Disks by changing names, mounts that are not there, xfs without types.
Findings find_storage_pains(const DoctorLook& look);
/// containerd's configuration, device links, labels, programs anybody writes.
Findings find_runtime_pains(const DoctorLook& look);
/// Keys, dead repositories, packages that are not to be had.
Findings find_repository_pains(const DoctorLook& look);

/// All of them, the worst first.
Findings find_pains(const DoctorLook& look);

}  // namespace gpunode::diagnose
