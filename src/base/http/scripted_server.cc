#include "base/http/scripted_server.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

namespace gpunode::http {
namespace {

BIO* bio_of(const std::string& text) {
  return BIO_new_mem_buf(text.data(), static_cast<int>(text.size()));
}

ssl_ctx_st* server_context(const ServerTls& tls) {
  OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  BIO* bio = bio_of(tls.certificate_pem);
  X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  SSL_CTX_use_certificate(context, certificate);
  X509_free(certificate);
  BIO_free(bio);
  bio = bio_of(tls.key_pem);
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
  SSL_CTX_use_PrivateKey(context, key);
  EVP_PKEY_free(key);
  BIO_free(bio);
  if (tls.client_authority_pem.empty()) return context;
  bio = bio_of(tls.client_authority_pem);
  X509* authority = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority);
  X509_free(authority);
  BIO_free(bio);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                     nullptr);
  return context;
}

std::size_t body_size(const std::string& head) {
  const std::string name = "Content-Length: ";
  const std::size_t at = head.find(name);
  return at == std::string::npos
             ? 0
             : std::strtoul(head.c_str() + at + name.size(), nullptr, 10);
}

}  // namespace

Peer::Peer(UniqueFd socket, ssl_st* tls)
    : socket_(std::move(socket)), tls_(tls) {}

Peer::~Peer() {
  if (tls_ != nullptr) {
    if (socket_) SSL_shutdown(tls_);
    SSL_free(tls_);
    ERR_clear_error();
  }
}

long Peer::read_some(char* into, std::size_t size) {
  if (tls_ != nullptr) return SSL_read(tls_, into, static_cast<int>(size));
  return ::recv(socket_.get(), into, size, 0);
}

std::string Peer::receive() {
  std::array<char, 4096> bytes{};
  for (;;) {
    const std::size_t head = left_.find("\r\n\r\n");
    if (head != std::string::npos) {
      const std::size_t whole = head + 4 + body_size(left_.substr(0, head));
      if (left_.size() >= whole) {
        std::string request = left_.substr(0, whole);
        left_.erase(0, whole);
        return request;
      }
    }
    const long n = read_some(bytes.data(), bytes.size());
    if (n <= 0) return {};
    left_.append(bytes.data(), static_cast<std::size_t>(n));
  }
}

bool Peer::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const long n =
        tls_ != nullptr
            ? SSL_write(tls_, bytes.data(), static_cast<int>(bytes.size()))
            : ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

void Peer::wait_for_end() {
  std::array<char, 4096> bytes{};
  while (read_some(bytes.data(), bytes.size()) > 0) {
  }
}

void Peer::reset() {
  const linger at_once{1, 0};
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  socket_.reset();
}

ScriptedServer::ScriptedServer(Script script, const ServerTls* tls)
    : script_(std::move(script)),
      context_(tls == nullptr ? nullptr : server_context(*tls)),
      listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
      end_(::eventfd(0, EFD_CLOEXEC)) {
  // OpenSSL's own socket writes raise it when a client is gone.
  std::signal(SIGPIPE, SIG_IGN);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener_.get(), generic, size) != 0 ||
      ::listen(listener_.get(), 16) != 0 ||
      ::getsockname(listener_.get(), generic, &size) != 0) {
    std::abort();
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

ScriptedServer::~ScriptedServer() {
  const std::uint64_t one = 1;
  if (::write(end_.get(), &one, sizeof one) != sizeof one) std::abort();
  thread_.join();
  SSL_CTX_free(context_);
}

void ScriptedServer::serve() {
  for (;;) {
    std::array<pollfd, 2> polled{
        {{listener_.get(), POLLIN, 0}, {end_.get(), POLLIN, 0}}};
    if (::poll(polled.data(), polled.size(), -1) < 0) continue;
    if (polled[1].revents != 0) return;
    UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket) continue;
    SSL* tls = nullptr;
    if (context_ != nullptr) {
      tls = SSL_new(context_);
      SSL_set_fd(tls, socket.get());
      if (SSL_accept(tls) != 1) {
        SSL_free(tls);
        ERR_clear_error();
        continue;
      }
    }
    Peer peer(std::move(socket), tls);
    script_(peer, connections_++);
  }
}

}  // namespace gpunode::http
