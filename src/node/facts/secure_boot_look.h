// Whether the firmware checks signatures, and whose key it would take.
#pragma once

#include <string>
#include <string_view>

#include "base/host/host_root.h"
#include "node/facts/host_facts.h"

namespace gpunode::facts {

/// Reads below `host`: EFI's variables, the kernel's lockdown, DKMS's
/// certificate. Private keys are never read.
SecureBootFacts look_at_secure_boot(const host::HostRoot& host,
                                    const OsRelease& os);

/// "integrity" of "none [integrity] confidentiality"; "" if nothing is chosen.
std::string chosen_of(std::string_view text);

/// mok_certificate of DKMS's framework.conf; "" if it is not set.
std::string mok_certificate_in(std::string_view framework);

}  // namespace gpunode::facts
