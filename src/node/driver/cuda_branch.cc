#include "node/driver/cuda_branch.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace gpunode::driver {
namespace {

struct Toolkit {
  int major = 0;
  int minor = 0;  ///< From which on; from 11 on all of a major are alike.
  int branch = 0;
};

constexpr auto kToolkits = std::to_array<Toolkit>({{10, 0, 410},
                                                   {10, 1, 418},
                                                   {10, 2, 440},
                                                   {11, 0, 450},
                                                   {12, 0, 525},
                                                   {13, 0, 580}});

int number_of(std::string_view text) {
  int number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

int first_branch_for_cuda(std::string_view version) {
  const std::size_t dot = std::min(version.find('.'), version.size());
  const int major = number_of(version.substr(0, dot));
  const int minor =
      dot == version.size() ? 0 : number_of(version.substr(dot + 1));
  int branch = 0;
  for (const Toolkit& one : kToolkits) {
    if (one.major == major && one.minor <= minor) branch = one.branch;
  }
  return branch;
}

int newest_cuda_of(int branch) {
  int major = 0;
  for (const Toolkit& one : kToolkits) {
    if (one.branch <= branch) major = one.major;
  }
  return major;
}

}  // namespace gpunode::driver
