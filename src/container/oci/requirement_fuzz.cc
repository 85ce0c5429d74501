// Any bytes as a requirement, a kubelet's record and an Allocate answer: a
// verdict or one line about what is wrong.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "container/oci/kubelet_record.h"
#include "container/oci/requirement.h"

namespace {

using namespace gpunode::oci;  // NOLINT(google-build-using-namespace)

void require(bool claim) {
  if (!claim) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  RequirementFacts facts;
  facts.driver_version = "550.163.01";
  facts.cuda_version = "12.4";
  const auto exact = judge(text, facts);
  facts.is_cuda_at_least = true;
  const auto bound = judge(text, facts);
  require(exact.has_value() == bound.has_value());
  if (!exact) require(exact.error().message().find('\n') == std::string::npos);
  // Knowing less never turns a refusal into consent or the other way round.
  if (exact && *bound == Verdict::kMet) require(*exact != Verdict::kUnmet);

  Grant grant;
  static_cast<void>(add_allocate_response(text, grant));
  static_cast<void>(find_grant(text, "record", "p", "c"));
  return 0;
}
