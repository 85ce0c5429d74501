// Any bytes as the beginning of a connection.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/http/request.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using gpunode::http::parse_request;
  using State = gpunode::http::ParsedRequest::State;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto parsed = parse_request(bytes);
  if (parsed.state != State::kComplete) return 0;
  // A request is what it is however it arrives: no less makes it complete, and
  // nothing behind it matters.
  const std::size_t head = parsed.size_bytes;
  if (head == 0 || head > size) std::abort();
  if (parse_request(bytes.substr(0, head - 1)).state != State::kIncomplete) {
    std::abort();
  }
  const auto alone = parse_request(bytes.substr(0, head));
  if (alone.state != State::kComplete || alone.size_bytes != head ||
      alone.request.path != parsed.request.path) {
    std::abort();
  }
  return 0;
}
