#include "base/http/client.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include <fmt/format.h>

namespace gpunode::http {
namespace {

/// Whether `text` can stand in a line of a request's head and end there.
bool is_one_line(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < ' ' && c != '\t') || byte == 0x7F;
  });
}

bool is_token(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '-' || c == '_';
         });
}

Result<void> check(const ClientRequest& request) {
  const auto refused = [&](std::string_view what) {
    return Error(
        ErrorCode::kInvalidArgument,
        fmt::format("{} has characters that end a line or a word", what));
  };
  if (!is_token(request.method)) return refused("the method");
  if (request.target.substr(0, 1) != "/" || !is_one_line(request.target) ||
      request.target.find(' ') != std::string::npos) {
    return refused("the path");
  }
  for (const Header& header : request.headers) {
    if (!is_token(header.name)) return refused("a header's name");
    // The value may be a secret.
    if (!is_one_line(header.value)) return refused("header " + header.name);
  }
  return {};
}

std::string head_of(const Url& server, const ClientRequest& request) {
  std::string head =
      fmt::format("{} {}{} HTTP/1.1\r\nHost: {}\r\n", request.method,
                  server.path, request.target, server.authority());
  for (const Header& header : request.headers) {
    head += header.name + ": " + header.value + "\r\n";
  }
  if (!request.body.empty() || request.method == "POST" ||
      request.method == "PUT" || request.method == "PATCH") {
    head += fmt::format("Content-Length: {}\r\n", request.body.size());
  }
  return head + "\r\n";
}

/// "GET https://host:443/path", without the query.
std::string name_of(const Url& server, const ClientRequest& request) {
  return fmt::format("{} {}://{}{}{}", request.method,
                     server.is_tls ? "https" : "http", server.authority(),
                     server.path,
                     request.target.substr(0, request.target.find('?')));
}

}  // namespace

/// One call and how far it has come.
struct Client::Exchange {
  const ClientRequest& request;
  const PieceSink& sink;
  std::chrono::milliseconds idle;  ///< A silence, when there is a sink.
  const Cancellation* cancellation;
  bool has_answer_begun = false;
};

Client::Client(Url server, TlsOptions tls, ClientLimits limits)
    : server_(std::move(server)), tls_(std::move(tls)), limits_(limits) {}

Result<ClientResponse> Client::call(const ClientRequest& request,
                                    const Cancellation* cancellation) {
  const PieceSink none;
  return exchange({request, none, {}, cancellation});
}

Result<ClientResponse> Client::stream(const ClientRequest& request,
                                      const PieceSink& sink,
                                      std::chrono::milliseconds idle,
                                      const Cancellation* cancellation) {
  return exchange({request, sink, idle, cancellation});
}

Result<ClientResponse> Client::exchange(Exchange exchange) {
  const std::string name = name_of(server_, exchange.request);
  if (auto good = check(exchange.request); !good) {
    return std::move(good).error().with_context(name);
  }
  const bool is_kept = stream_ != nullptr && stream_->is_idle();
  if (!is_kept) {
    if (auto made = connect(exchange.cancellation); !made) {
      return std::move(made).error().with_context(name);
    }
  }
  const Limit limit = Limit::after(limits_.answer, exchange.cancellation);
  auto response = attempt(exchange, limit);
  // A server that is slow is not one that has gone.
  const bool may_repeat = is_kept && exchange.request.is_repeatable &&
                          !exchange.has_answer_begun &&
                          limit.check().has_value();
  if (!response && may_repeat) {
    if (auto made = connect(exchange.cancellation); !made) {
      return std::move(made).error().with_context(name);
    }
    response = attempt(exchange, limit);
  }
  if (!response) return std::move(response).error().with_context(name);
  return response;
}

Result<void> Client::connect(const Cancellation* cancellation) {
  stream_.reset();
  const Limit limit = Limit::after(limits_.connect, cancellation);
  if (server_.is_tls && !context_) {
    TRY(context_, TlsContext::make(tls_));
  }
  TRY(UniqueFd socket, connect_tcp(server_.host, server_.port, limit));
  if (!server_.is_tls) {
    stream_ = plain_stream(std::move(socket));
    return {};
  }
  auto secured = context_->connect(std::move(socket), server_.host, limit);
  if (!secured) {
    const Error& error = secured.error();
    return error.message().substr(0, 3) == "TLS"
               ? error
               : Error(error).with_context("TLS");
  }
  stream_ = *std::move(secured);
  return {};
}

Result<ClientResponse> Client::attempt(Exchange& exchange, const Limit& limit) {
  // Taken out, so that whatever fails leaves no half-used connection.
  std::unique_ptr<Stream> stream = std::move(stream_);
  // A server may answer, with a refusal, before it has read everything. In one
  // piece: whatever passes it on may hold back the second of two small ones
  // until the first is acknowledged, which takes 40 ms.
  auto sent = stream->write(
      head_of(server_, exchange.request) + exchange.request.body, limit);
  ResponseReader reader(limits_.body_bytes, exchange.sink);
  if (auto whole = receive(*stream, reader, exchange, limit); !whole) {
    // What kept the server from taking more may be in what it sent.
    const bool is_told = exchange.has_answer_begun ||
                         whole.error().code() == ErrorCode::kPermissionDenied;
    if (!sent && !is_told) return std::move(sent).error().with_context("send");
    return std::move(whole).error().with_context("answer");
  }
  if (sent && reader.keeps_connection()) stream_ = std::move(stream);
  return reader.take();
}

/// Until the answer is whole, its sink has enough, or the limit is reached.
Result<void> Client::receive(Stream& stream, ResponseReader& reader,
                             Exchange& exchange, Limit limit) {
  constexpr std::size_t kPieceBytes = 16384;
  std::array<char, kPieceBytes> bytes{};
  while (!reader.is_done() && !reader.was_stopped()) {
    TRY(const std::size_t n, stream.read(bytes, limit));
    if (n == 0) return reader.end();
    exchange.has_answer_begun = true;
    TRY_VOID(reader.feed({bytes.data(), n}));
    // A stream may be silent for long, but only once it has begun.
    if (exchange.sink && reader.has_head()) {
      limit = Limit::after(exchange.idle, exchange.cancellation);
    }
  }
  return {};
}

}  // namespace gpunode::http
