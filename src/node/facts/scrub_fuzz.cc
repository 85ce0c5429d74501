// Any bytes as a file of a host: what is found is in it, in order, and what is
// scrubbed holds no private key and no login any more.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "node/facts/scrub.h"
#include "node/facts/secret_text.h"

namespace {

void require(bool claim) {
  if (!claim) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  namespace facts = gpunode::facts;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const facts::SecretFinder find : facts::secret_finders()) {
    std::size_t done = 0;
    for (const facts::SecretSpan& span : find(text)) {
      require(span.begin >= done && span.begin < span.end && span.end <= size);
      done = span.end;
    }
  }
  facts::Scrubber scrubber({1, 2, 3});
  scrubber.learn(text.substr(0, 12));
  const std::string scrubbed = scrubber.scrub(text);
  for (const facts::SecretSpan& span : facts::find_private_keys(scrubbed)) {
    require(scrubbed.compare(span.begin, 9, "scrubbed-") == 0);
  }
  for (const facts::SecretSpan& span : facts::find_logins(scrubbed)) {
    require(scrubbed.find("scrubbed-", span.begin) < span.end);
  }
  return 0;
}
