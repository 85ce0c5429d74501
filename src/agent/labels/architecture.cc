#include "agent/labels/architecture.h"

#include <array>

namespace gpunode::labels {
namespace {

struct Family {
  int major;
  int first_minor;
  std::string_view name;
};

// Of equal majors the later row first.
constexpr std::array kFamilies = {
    Family{1, 0, "tesla"},      Family{2, 0, "fermi"},
    Family{3, 0, "kepler"},     Family{5, 0, "maxwell"},
    Family{6, 0, "pascal"},     Family{7, 5, "turing"},
    Family{7, 0, "volta"},      Family{8, 9, "ada-lovelace"},
    Family{8, 0, "ampere"},     Family{9, 0, "hopper"},
    Family{10, 0, "blackwell"}, Family{12, 0, "blackwell"},
    Family{13, 0, "rubin"},
};

}  // namespace

std::string_view family_of(int compute_major, int compute_minor) {
  for (const Family& family : kFamilies) {
    if (compute_major == family.major && compute_minor >= family.first_minor) {
      return family.name;
    }
  }
  return "undefined";
}

}  // namespace gpunode::labels
