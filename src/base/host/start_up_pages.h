// Giving back the code that only start-up needed.
#pragma once

namespace gpunode::host {

/// Unmaps the program's read-only pages; those that are used again come back
/// from the page cache at the price of a minor fault. Most of what a gRPC
/// program touches while it starts it never touches again, yet it would count
/// as resident for as long as the daemon lives. Any thread, any time.
void release_start_up_pages();

}  // namespace gpunode::host
