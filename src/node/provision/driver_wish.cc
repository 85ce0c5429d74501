#include "node/provision/driver_wish.h"

#include <charconv>

namespace gpunode::provision {

driver::Wish make_wish(const DriverSpec& spec) {
  driver::Wish wish;
  wish.branch = spec.branch;
  wish.version = spec.version;
  if (wish.branch == 0 && !wish.version.empty()) {
    // "580.65.06" is of 580; the file was read strictly, so it begins with one.
    std::from_chars(wish.version.data(),
                    wish.version.data() + wish.version.size(), wish.branch);
  }
  wish.is_flavour_given = spec.flavour != WantedFlavour::kAuto;
  wish.flavour = spec.flavour == WantedFlavour::kProprietary
                     ? driver::Flavour::kProprietary
                     : driver::Flavour::kOpen;
  wish.is_precompiled = spec.source == DriverSource::kPrecompiled;
  wish.module_options = spec.module_options;
  if (spec.fabric_manager != Choice::kAsNeeded) {
    wish.fabric_manager = spec.fabric_manager == Choice::kYes;
  }
  wish.imex = wants_imex(spec);
  wish.is_distributions = spec.source == DriverSource::kDistribution;
  return wish;
}

bool wants_fabric_manager(const DriverSpec& spec,
                          const driver::Choice& choice) {
  if (spec.fabric_manager != Choice::kAsNeeded) {
    return spec.fabric_manager == Choice::kYes;
  }
  return choice.needs_fabric_manager;
}

bool wants_imex(const DriverSpec& spec) {
  return spec.imex == Choice::kYes;
}

}  // namespace gpunode::provision
