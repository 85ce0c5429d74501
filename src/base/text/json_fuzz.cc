// Any bytes as JSON: our reader and RapidJSON are of one opinion, and a value
// spliced into what was accepted leaves a text that is accepted.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include "base/text/json_splice.h"

namespace {

using namespace gpunode::text;  // NOLINT(google-build-using-namespace)

void require(bool claim) {
  if (!claim) std::abort();
}

rapidjson::ParseErrorCode rapidjson_opinion(std::string_view text) {
  rapidjson::Reader reader;
  rapidjson::BaseReaderHandler<> handler;
  rapidjson::MemoryStream stream(text.data(), text.size());
  constexpr unsigned kFlags =
      rapidjson::kParseIterativeFlag | rapidjson::kParseNumbersAsStringsFlag;
  return reader.Parse<kFlags>(stream, handler).Code();
}

bool is_accepted(std::string_view text) {
  JsonReader reader(text, "fuzz");
  return reader.skip() && reader.finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  JsonReader reader(text, "fuzz");
  const auto value = reader.skip();
  const bool accepted = value && reader.finish();
  // Go takes half a surrogate pair and 1e9999, RapidJSON neither; to that a NUL
  // is the end of the text; depth is ours alone.
  const auto opinion = rapidjson_opinion(text);
  if (opinion != rapidjson::kParseErrorStringUnicodeSurrogateInvalid &&
      opinion != rapidjson::kParseErrorNumberTooBig &&
      text.find('\0') == std::string_view::npos &&
      size < JsonReader::kMaxDepth) {
    require(accepted == (opinion == rapidjson::kParseErrorNone));
  }
  if (!accepted) return 0;
  JsonPlace place;
  place.span = *value;
  JsonSplice splice;
  splice.replace_items(place, {value->of(text), "{\"a\":1}"});
  require(is_accepted(std::move(splice).apply(text)));
  return 0;
}
