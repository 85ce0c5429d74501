// A connection's bytes in order, plain or through TLS.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/core/result.h"
#include "base/core/unique_fd.h"
#include "base/http/limit.h"

namespace gpunode::http {

/// Blocking, within limits. One thread. After a failure it is spent.
class Stream {
 public:
  Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  virtual ~Stream() = default;

  /// At least one byte; 0 when the peer has ended the stream in order.
  virtual Result<std::size_t> read(std::span<char> into,
                                   const Limit& limit) = 0;

  /// All of `bytes`.
  virtual Result<void> write(std::string_view bytes, const Limit& limit) = 0;

  /// Whether the peer has neither ended the stream nor sent anything.
  virtual bool is_idle() = 0;
};

/// A TCP connection to the first of the host's addresses that takes one; each
/// gets a fair part of the time. It is non-blocking and close-on-exec, and ends
/// by itself half a minute after the peer's host has gone silent.
Result<UniqueFd> connect_tcp(const std::string& host, std::uint16_t port,
                             const Limit& limit);

std::unique_ptr<Stream> plain_stream(UniqueFd socket);

}  // namespace gpunode::http
