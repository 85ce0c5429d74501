// Any bytes as a bundle: refused in one line, or what is written again as it
// was read, and names that lead nowhere.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "node/facts/bundle.h"

namespace {

void require(bool claim) {
  if (!claim) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  namespace facts = gpunode::facts;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto members = facts::read_tar(bytes)) {
    for (const facts::TarMember& member : *members) {
      require(facts::is_tar_name(member.name));
      require(member.name.front() != '/' && member.content.size() <= size);
    }
    const auto written = facts::write_tar(*members);
    require(written.has_value());
    const auto again = facts::read_tar(*written);
    require(again && *again == *members);
  } else {
    require(members.error().message().find('\n') == std::string::npos);
  }
  // Most bytes are no archive; taken as the index they reach the rest.
  const auto index = facts::write_tar({{"bundle.json", std::string(bytes)}});
  require(index.has_value());
  for (const std::string_view archive : {bytes, std::string_view(*index)}) {
    const auto recording = facts::read_bundle(archive);
    if (!recording) continue;
    const auto written = facts::write_bundle(*recording);
    if (!written) continue;  // Two paths of one name.
    const auto again = facts::read_bundle(*written);
    require(again && *again == *recording);
  }
  return 0;
}
