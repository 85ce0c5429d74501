// A unix socket that listens, together with the file that names it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>

#include "base/core/result.h"
#include "base/core/unique_fd.h"

namespace gpunode::kubelet {

/// Removes its file when destroyed, unless the path has come to name
/// something else in the meantime.
class ListeningSocket {
 public:
  /// Binds `path` with mode 0600 whatever the umask, replacing a socket that
  /// is there and nothing else; errors as DevicePluginServer::add(). The
  /// descriptor does not block.
  static Result<ListeningSocket> bind(const std::string& path);

  ListeningSocket() = default;
  ListeningSocket(ListeningSocket&& other) noexcept;
  ListeningSocket& operator=(ListeningSocket&& other) noexcept;
  ~ListeningSocket();

  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }

  /// Whether connecting to the path reaches this socket.
  bool is_reachable() const;

 private:
  void close();

  UniqueFd fd_;
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

/// Connects to the socket named `path` within `timeout`; the descriptor does
/// not block. kUnavailable if nobody listens (yet).
Result<UniqueFd> connect_unix(const std::string& path,
                              std::chrono::milliseconds timeout);

}  // namespace gpunode::kubelet
