// Any bytes as an answer, whole and cut in two: both are the same answer.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/http/response_reader.h"

namespace {

struct Outcome {
  bool is_good = false;
  bool is_done = false;
  int status = 0;
  std::string body;
};

Outcome read_in_two(std::string_view bytes, std::size_t cut) {
  gpunode::http::ResponseReader reader(4096, nullptr);
  bool is_good = true;
  for (const auto part : {bytes.substr(0, cut), bytes.substr(cut)}) {
    if (part.empty() || reader.is_done() || !is_good) continue;
    is_good = reader.feed(part).has_value();
  }
  if (is_good && !reader.is_done()) is_good = reader.end().has_value();
  const bool is_done = is_good && reader.is_done();
  auto response = reader.take();
  return {is_good, is_done, response.status, std::move(response.body)};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1,
                               size - 1);
  const Outcome whole = read_in_two(bytes, bytes.size());
  const Outcome cut =
      read_in_two(bytes, bytes.empty() ? 0 : *data % bytes.size());
  if (whole.body.size() > 4096 || whole.is_good != cut.is_good) std::abort();
  if (whole.is_done && (whole.status != cut.status || whole.body != cut.body)) {
    std::abort();
  }
  return 0;
}
