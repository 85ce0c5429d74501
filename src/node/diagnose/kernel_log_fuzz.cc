// Any bytes as a kernel's log: what is told of it is bounded, and quotes it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "node/diagnose/kernel_log.h"
#include "node/diagnose/tool_log.h"

namespace {

void require(bool claim) {
  if (!claim) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  namespace diagnose = gpunode::diagnose;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto marks = diagnose::read_kernel_log(text);
  require(marks.size() <= diagnose::kMarkLimit);
  for (const diagnose::LogMark& mark : marks) {
    require(mark.count > 0 && !mark.line.empty() && mark.line.size() <= 300);
    require(text.find(mark.line) != std::string_view::npos);
    require(mark.line.find('\n') == std::string::npos);
    require(mark.gpu.size() <= 18 && mark.client.size() <= 24);
    require(!diagnose::sign_name(mark.sign).empty());
  }
  const auto build = diagnose::read_build_log(text);
  require(build.line.size() <= 300 &&
          build.line.find('\n') == std::string::npos);
  for (const auto& mark : diagnose::read_package_log(text)) {
    require(!mark.line.empty() && mark.line.size() <= 300);
  }
  return 0;
}
