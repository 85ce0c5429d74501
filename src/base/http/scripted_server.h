// For tests: a server on a real socket that does what it is told, bytes and
// all.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "base/core/unique_fd.h"

struct ssl_ctx_st;
struct ssl_st;

namespace gpunode::http {

/// What a TLS server shows and asks for; PEM texts.
struct ServerTls {
  std::string certificate_pem;
  std::string key_pem;
  std::string client_authority_pem;  ///< Empty: no client certificate wanted.
};

/// One accepted connection, as the script sees it. Everything waits.
class Peer {
 public:
  Peer(UniqueFd socket, ssl_st* tls);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  /// A request: its head and, by its Content-Length, its body. Empty at the
  /// end of the connection.
  std::string receive();
  bool send(std::string_view bytes);
  /// Returns when the client has ended the connection.
  void wait_for_end();
  /// Ends the connection so that the client sees a reset.
  void reset();

 private:
  long read_some(char* into, std::size_t size);

  UniqueFd socket_;
  ssl_st* tls_;
  std::string left_;
};

/// Serves connections one after the other on a thread of its own: each gets
/// `script`, with its number from 0. Ends with the object; a script that waits
/// for its client must then have none.
class ScriptedServer {
 public:
  using Script = std::function<void(Peer&, int)>;

  explicit ScriptedServer(Script script, const ServerTls* tls = nullptr);
  ~ScriptedServer();
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  std::uint16_t port() const { return port_; }
  int connections() const { return connections_; }

 private:
  void serve();

  Script script_;
  ssl_ctx_st* context_ = nullptr;
  UniqueFd listener_;
  UniqueFd end_;
  std::uint16_t port_ = 0;
  std::atomic<int> connections_ = 0;
  std::thread thread_;
};

}  // namespace gpunode::http
