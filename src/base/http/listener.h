// A listening TCP socket from the address that a person wrote.
#pragma once

#include <string>

#include "base/core/result.h"
#include "base/core/unique_fd.h"

namespace gpunode::http {

/// Listens on "HOST:PORT", where HOST is an IPv4 address, an IPv6 address in
/// brackets, "localhost" (127.0.0.1), or empty for every address of the host.
/// Names are not looked up. Port 0 lets the kernel choose. The socket is
/// non-blocking and close-on-exec. kInvalidArgument says how to write it.
Result<UniqueFd> listen_on(const std::string& address);

/// What a socket is bound to, in the same form: "127.0.0.1:9400". Of a unix
/// socket its path.
std::string bound_address(int socket);

}  // namespace gpunode::http
