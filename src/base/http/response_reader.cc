#include "base/http/response_reader.h"

#include <algorithm>
#include <cctype>
#include <limits>
#include <utility>

// One of the parser's assertions does not hold for a last chunk's line that
// comes a byte at a time ("0\r\n", then "\r"), and the code behind it copes.
#define BOOST_DISABLE_ASSERTS
#include <boost/beast/http/basic_parser.hpp>
#include <fmt/format.h>

namespace gpunode::http {
namespace {

namespace beast = boost::beast;
using beast::error_code;

// A server that only ever says "wait" is not waited for.
constexpr int kMaxInformational = 8;

// Of what Beast needs in one piece: a head, or the line before a chunk.
constexpr std::size_t kMaxPendingBytes = 65536;

std::string lower(beast::string_view text) {
  std::string out(text.data(), text.size());
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) {
    return static_cast<char>(std::tolower(c));
  });
  return out;
}

}  // namespace

/// Beast calls these as it reads; none may throw but for want of memory.
class ResponseReader::Parser final
    : public beast::http::basic_parser</*isRequest=*/false> {
 public:
  Parser(std::size_t limit, const PieceSink& sink, ClientResponse& response)
      : limit_(limit), sink_(sink), response_(response) {
    eager(true);
    header_limit(kMaxHeadBytes);
    // Ours is another, which streams do not have.
    body_limit(std::numeric_limits<std::uint64_t>::max());
  }

  bool is_too_large() const { return is_too_large_; }
  bool is_stopped() const { return is_stopped_; }

 private:
  bool has_sink() const {
    return sink_ != nullptr && response_.status / 100 == 2;
  }

  void on_request_impl(beast::http::verb /*verb*/,
                       beast::string_view /*method*/,
                       beast::string_view /*target*/, int /*version*/,
                       error_code& /*error*/) override {}

  void on_response_impl(int status, beast::string_view /*reason*/,
                        int /*version*/, error_code& /*error*/) override {
    response_.status = status;
  }

  void on_field_impl(beast::http::field /*field*/, beast::string_view name,
                     beast::string_view value, error_code& /*error*/) override {
    response_.headers.push_back(
        {lower(name), std::string(value.data(), value.size())});
  }

  void on_header_impl(error_code& /*error*/) override {}

  void on_body_init_impl(const boost::optional<std::uint64_t>& length,
                         error_code& error) override {
    if (length && *length > limit_ && !has_sink()) {
      is_too_large_ = true;
      error = beast::http::error::body_limit;
    }
  }

  std::size_t take(beast::string_view piece, error_code& error) {
    const std::string_view bytes(piece.data(), piece.size());
    if (has_sink()) {
      if (!sink_(bytes)) {
        is_stopped_ = true;
        error = beast::http::error::end_of_stream;
      }
    } else if (response_.body.size() + bytes.size() > limit_) {
      is_too_large_ = true;
      error = beast::http::error::body_limit;
    } else {
      response_.body += bytes;
    }
    return piece.size();
  }

  std::size_t on_body_impl(beast::string_view piece,
                           error_code& error) override {
    return take(piece, error);
  }

  void on_chunk_header_impl(std::uint64_t /*size*/,
                            beast::string_view /*extensions*/,
                            error_code& /*error*/) override {}

  std::size_t on_chunk_body_impl(std::uint64_t /*remaining*/,
                                 beast::string_view piece,
                                 error_code& error) override {
    return take(piece, error);
  }

  void on_finish_impl(error_code& /*error*/) override {}

  std::size_t limit_;
  const PieceSink& sink_;
  ClientResponse& response_;
  bool is_too_large_ = false;
  bool is_stopped_ = false;
};

const std::string* ClientResponse::header(std::string_view name) const {
  for (const Header& header : headers) {
    if (header.name == name) return &header.value;
  }
  return nullptr;
}

ResponseReader::ResponseReader(std::size_t body_limit, PieceSink sink)
    : body_limit_(body_limit), sink_(std::move(sink)) {
  renew();
}

ResponseReader::~ResponseReader() = default;

void ResponseReader::renew() {
  response_ = {};
  parser_ = std::make_unique<Parser>(body_limit_, sink_, response_);
}

bool ResponseReader::has_head() const {
  return parser_->is_header_done();
}

bool ResponseReader::is_done() const {
  return parser_->is_done();
}

bool ResponseReader::was_stopped() const {
  return parser_->is_stopped();
}

bool ResponseReader::keeps_connection() const {
  // Bytes behind an answer belong to no request of ours.
  return parser_->is_done() && parser_->keep_alive() && pending_.empty();
}

Result<void> ResponseReader::feed(std::string_view bytes) {
  pending_ += bytes;
  while (!pending_.empty() && !parser_->is_done()) {
    TRY_VOID(parse_some());
    if (parser_->is_stopped()) return {};
    const bool is_interim = parser_->is_done() && response_.status / 100 == 1 &&
                            response_.status != 101;
    if (!is_interim) break;
    if (++informational_ > kMaxInformational) {
      return Error(ErrorCode::kCorrupt, "too many answers of status 1xx");
    }
    renew();
  }
  if (pending_.size() > kMaxPendingBytes && !parser_->is_done()) {
    return Error(ErrorCode::kCorrupt, "a chunk's first line is too long");
  }
  return {};
}

/// Gives Beast what there is; what it wants to see again stays pending.
Result<void> ResponseReader::parse_some() {
  error_code error;
  const std::size_t taken = parser_->put(
      boost::asio::const_buffer(pending_.data(), pending_.size()), error);
  pending_.erase(0, taken);
  if (!error || error == beast::http::error::need_more ||
      parser_->is_stopped()) {
    return {};
  }
  if (parser_->is_too_large()) {
    return Error(ErrorCode::kCorrupt,
                 fmt::format("the body has more than {} bytes", body_limit_));
  }
  return Error(ErrorCode::kCorrupt, "not an HTTP answer: " + error.message());
}

Result<void> ResponseReader::end() {
  const auto cut = [] {
    return Error(ErrorCode::kUnavailable,
                 "the server ended the connection in the middle");
  };
  if (parser_->is_done()) return {};
  if (!parser_->got_some()) {
    return Error(ErrorCode::kUnavailable,
                 "the server ended the connection without an answer");
  }
  if (!parser_->is_header_done() || !pending_.empty()) return cut();
  error_code error;
  parser_->put_eof(error);
  if (error || !parser_->is_done()) return cut();
  return {};
}

}  // namespace gpunode::http
