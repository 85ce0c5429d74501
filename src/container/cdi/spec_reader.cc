#include "container/cdi/spec_reader.h"

#include "container/cdi/spec_decoder.h"
#include "container/cdi/tokens.h"

namespace gpunode::cdi {

Result<Spec> read_spec(std::string_view text, std::string_view file_name) {
  TRY(const Tokens tokens, Tokens::parse(text, file_name));
  return decode_spec(tokens, file_name);
}

}  // namespace gpunode::cdi
