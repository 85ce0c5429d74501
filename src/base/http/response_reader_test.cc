#include "base/http/response_reader.h"

#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace gpunode::http {
namespace {

constexpr std::size_t kLimit = 1000;

constexpr std::string_view kChunked =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";

// However a server's bytes arrive, they are one answer.
TEST(ResponseReader, TakesAnAnswerInPiecesOfAnySize) {
  for (const std::string before : {"", "HTTP/1.1 100 Continue\r\n\r\n"}) {
    const std::string bytes = before + std::string(kChunked);
    for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
      ResponseReader reader(kLimit, nullptr);
      for (std::size_t at = 0; at < bytes.size(); at += piece) {
        ASSERT_TRUE(reader.feed(std::string_view(bytes).substr(at, piece)))
            << piece;
      }
      EXPECT_TRUE(reader.is_done()) << piece;
      EXPECT_TRUE(reader.keeps_connection()) << piece;
    }
  }
}

// What the line before a chunk may not be: not an end, and nothing to trip on.
TEST(ResponseReader, WaitsBehindAnOddLastChunk) {
  ResponseReader reader(kLimit, nullptr);
  ASSERT_TRUE(
      reader.feed("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n0\n\r\n"));
  EXPECT_FALSE(reader.is_done());
  ASSERT_TRUE(reader.feed(""));
  EXPECT_FALSE(reader.is_done());
  EXPECT_FALSE(reader.end());
}

TEST(ResponseReader, BytesBehindAnAnswerEndTheConnectionsUse) {
  ResponseReader reader(kLimit, nullptr);
  ASSERT_TRUE(reader.feed(std::string(kChunked) + "HTTP"));
  EXPECT_TRUE(reader.is_done());
  EXPECT_FALSE(reader.keeps_connection());
}

}  // namespace
}  // namespace gpunode::http
