// One TLS connection. For tls.cc, which is what others include.
#pragma once

#include <memory>
#include <string>

#include "base/core/result.h"
#include "base/core/unique_fd.h"
#include "base/http/limit.h"
#include "base/http/stream.h"

struct ssl_ctx_st;
struct x509_store_ctx_st;

namespace gpunode::http {

/// OpenSSL's verify callback: keeps words on what was found wrong.
int note_verification(int is_good, x509_store_ctx_st* found);

/// `name` is what the certificate must be for, a host's name or an address.
Result<std::unique_ptr<Stream>> connect_tls(ssl_ctx_st* context,
                                            UniqueFd socket,
                                            const std::string& name,
                                            const Limit& limit);

}  // namespace gpunode::http
