// What mkswap(8) wrote at the start of swap space.
#pragma once

#include <string>

#include "base/core/result.h"

namespace gpunode::host {

/// The UUID of the swap space on the open device or file, lower case with
/// dashes; "" for one without. kNotFound if there is no swap space: the kernel
/// would not take it. Whatever the size of a page was where it was made.
Result<std::string> read_swap_uuid(int fd);

}  // namespace gpunode::host
