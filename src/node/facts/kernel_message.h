// One line of a kernel's log, whoever printed it.
#pragma once

#include <string_view>

namespace gpunode::facts {

/// The kernel's own words in a line of dmesg, of journalctl or of syslog's
/// file: without its time, and without date, host and "kernel:". Another line
/// is as it is.
std::string_view kernel_message(std::string_view line);

}  // namespace gpunode::facts
