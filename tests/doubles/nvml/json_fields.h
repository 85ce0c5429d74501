// Reading a JSON object member by member, with errors that name the place.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <rapidjson/document.h>

#include "base/core/result.h"

namespace gpunode::fake_nvml {

/// One object being read. The first mistake is kept; reads after it give
/// defaults. finish() tells it, or a member that nobody asked for.
class JsonFields {
 public:
  /// `place` is what errors call the object: "gpus[3]".
  JsonFields(const rapidjson::Value& object, std::string place);

  void read(const char* key, std::string& into);
  void read(const char* key, bool& into);
  void read(const char* key, int& into);
  void read(const char* key, unsigned& into);
  void read(const char* key, std::uint64_t& into);
  void read(const char* key, std::optional<unsigned>& into);
  /// Numbers as people write ids: "0x2237".
  void read_hex(const char* key, unsigned& into);
  /// One of `words`; `into` becomes its number.
  struct Word {
    std::string_view text;
    unsigned number;
  };
  void read_word(const char* key, const std::vector<Word>& words,
                 unsigned& into);

  /// The member, or null. Counts as asked for.
  const rapidjson::Value* member(const char* key);
  /// Likewise, but it must be an array; the elements' places follow from it.
  const rapidjson::Value* array(const char* key);

  void fail(const char* key, std::string_view what);
  /// Takes over a mistake found by a reader of an inner object.
  void adopt(Error error);
  std::string place_of(const char* key, std::size_t element) const;

  Result<void> finish();

 private:
  template <class T>
  void read_number(const char* key, T& into);

  const rapidjson::Value& object_;
  std::string place_;
  std::vector<std::string_view> asked_;
  std::optional<Error> error_;
};

}  // namespace gpunode::fake_nvml
