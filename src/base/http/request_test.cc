#include "base/http/request.h"

#include <gtest/gtest.h>

namespace gpunode::http {
namespace {

using State = ParsedRequest::State;

const std::string kHostLine = "Host: node\r\n";

int status_of(const std::string& bytes) {
  const ParsedRequest parsed = parse_request(bytes);
  return parsed.state == State::kRefused ? parsed.status : 0;
}

/// The request of a head that must be complete.
Request complete(const std::string& bytes) {
  const ParsedRequest parsed = parse_request(bytes);
  EXPECT_EQ(parsed.state, State::kComplete) << bytes;
  EXPECT_EQ(parsed.size_bytes, bytes.size());
  return parsed.request;
}

TEST(ParseRequest, TakesWhatProbesAndScrapersSend) {
  const Request request = complete(
      "GET /metrics?name[]=up HTTP/1.1\r\nHost: 10.0.0.1:9400\r\n"
      "User-Agent: Prometheus/2.42.0\r\nAccept-Encoding: gzip\r\n\r\n");
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.path, "/metrics");
  EXPECT_TRUE(request.keep_alive);
}

TEST(ParseRequest, IsIncompleteUntilTheEmptyLine) {
  const std::string whole = "GET / HTTP/1.1\r\n" + kHostLine + "\r\n";
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(parse_request(whole.substr(0, size)).state, State::kIncomplete)
        << size;
  }
  const ParsedRequest parsed = parse_request(whole + "GET /next");
  EXPECT_EQ(parsed.state, State::kComplete);
  EXPECT_EQ(parsed.size_bytes, whole.size());
}

TEST(ParseRequest, IsLenientWhereItDoesNoHarm) {
  EXPECT_EQ(complete("\r\n\nGET / HTTP/1.1\nhOsT:\tnode \n\n").path, "/");
  EXPECT_EQ(
      complete("GET http://node:9400/a/b?c HTTP/1.1\r\n" + kHostLine + "\r\n")
          .path,
      "/a/b");
  EXPECT_EQ(complete("GET http://node HTTP/1.1\r\n" + kHostLine + "\r\n").path,
            "/");
  EXPECT_EQ(complete("GET /%2e%2e/a HTTP/1.1\r\n" + kHostLine + "\r\n").path,
            "/%2e%2e/a");
}

TEST(ParseRequest, KnowsWhenTheConnectionEnds) {
  const std::string start = "GET / HTTP/1.1\r\n" + kHostLine;
  EXPECT_FALSE(complete(start + "Connection: close\r\n\r\n").keep_alive);
  EXPECT_FALSE(complete(start + "Connection: x, CLOSE\r\n\r\n").keep_alive);
  EXPECT_TRUE(complete(start + "Connection: closed\r\n\r\n").keep_alive);
  EXPECT_FALSE(complete("GET / HTTP/1.0\r\n\r\n").keep_alive);
  // Bodies are not read, so nothing behind them can be.
  EXPECT_FALSE(complete(start + "Content-Length: 5\r\n\r\n").keep_alive);
  EXPECT_TRUE(complete(start + "Content-Length: 0\r\n\r\n").keep_alive);
  EXPECT_FALSE(
      complete(start + "Transfer-Encoding: chunked\r\n\r\n").keep_alive);
}

TEST(ParseRequest, RefusesWhatTwoPartiesCouldReadDifferently) {
  const std::string line = "GET / HTTP/1.1\r\n";
  EXPECT_EQ(status_of(line + "\r\n"), 400);  // No Host.
  EXPECT_EQ(status_of(line + kHostLine + kHostLine + "\r\n"), 400);
  EXPECT_EQ(status_of(line + kHostLine + "A : b\r\n\r\n"), 400);
  EXPECT_EQ(status_of(line + kHostLine + "A: b\r\n folded\r\n\r\n"), 400);
  EXPECT_EQ(status_of(line + kHostLine + "no colon\r\n\r\n"), 400);
  EXPECT_EQ(status_of(line + kHostLine + ": empty\r\n\r\n"), 400);
  EXPECT_EQ(status_of(line + kHostLine + "A: b\rc\r\n\r\n"), 400);
  EXPECT_EQ(status_of(line + kHostLine + std::string("A: \0b\r\n\r\n", 9)),
            400);
}

TEST(ParseRequest, RefusesRequestLinesThatAreNone) {
  for (const char* line :
       {"GET", "GET /", "GET  HTTP/1.1", "GET / / HTTP/1.1", "G@T / HTTP/1.1",
        "GET path HTTP/1.1", "GET /\x01 HTTP/1.1", "GET / http/1.1",
        "GET / HTTP/1.10", " GET / HTTP/1.1", "\x16\x03\x01"}) {
    EXPECT_EQ(status_of(std::string(line) + "\r\n" + kHostLine + "\r\n"), 400)
        << line;
  }
  EXPECT_EQ(status_of("PRI * HTTP/2.0\r\n\r\n"), 505);
  EXPECT_EQ(status_of("GET / HTTP/1.2\r\n" + kHostLine + "\r\n"), 505);
}

TEST(ParseRequest, RefusesHeadsThatAreTooLarge) {
  const std::string start = "GET / HTTP/1.1\r\n" + kHostLine + "A: ";
  const std::size_t room = kMaxHeadBytes - start.size() - 4;
  EXPECT_EQ(status_of(start + std::string(room, 'x') + "\r\n\r\n"), 0);
  EXPECT_EQ(status_of(start + std::string(room + 1, 'x') + "\r\n\r\n"), 431);
  EXPECT_EQ(status_of(std::string(kMaxHeadBytes, 'x')), 431);
  EXPECT_EQ(status_of(std::string(kMaxHeadBytes, '\n')), 431);
}

}  // namespace
}  // namespace gpunode::http
