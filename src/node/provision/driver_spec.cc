#include "node/provision/driver_spec.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "base/core/ascii.h"
#include "node/driver/kernel_archive.h"

namespace gpunode::provision {
namespace {

bool is_word(char c) {
  return is_alphanumeric(c) || c == '_';
}

/// "580", "580.178.04": digits between dots.
bool is_version(std::string_view text, int least_parts, int most_parts) {
  int parts = 1;
  char before = '.';
  for (const char c : text) {
    if (c == '.') {
      if (before == '.') return false;
      ++parts;
    } else if (!is_digit(c)) {
      return false;
    }
    before = c;
  }
  return before != '.' && parts >= least_parts && parts <= most_parts;
}

/// A kernel's release goes into names of packages and files.
bool is_release(std::string_view text) {
  return !text.empty() && is_digit(text.front()) &&
         std::ranges::all_of(text, [](char c) {
           return is_word(c) || c == '.' || c == '-' || c == '+' || c == '~';
         });
}

void read_version(SpecSection& section, DriverSpec& driver) {
  std::string branch;
  section.text("branch", branch);
  if (!branch.empty() && branch != "auto") {
    const char* end = branch.data() + branch.size();
    const auto [rest, error] =
        std::from_chars(branch.data(), end, driver.branch);
    if (error != std::errc{} || rest != end || driver.branch < 390 ||
        driver.branch > 9999) {
      section.complain("branch", fmt::format("\"{}\" is no branch of the "
                                             "driver; one is \"580\"",
                                             branch));
      driver.branch = 0;
    }
  }
  section.text("version", driver.version);
  if (driver.version == "latest-in-branch") driver.version.clear();
  if (driver.version.empty()) return;
  if (!is_version(driver.version, 2, 3)) {
    section.complain("version",
                     fmt::format("\"{}\" is no version of the driver; one is "
                                 "\"580.178.04\", or \"latest-in-branch\"",
                                 driver.version));
    return;
  }
  int branch_of_version = 0;
  std::from_chars(driver.version.data(),
                  driver.version.data() + driver.version.find('.'),
                  branch_of_version);
  if (driver.branch == 0) driver.branch = branch_of_version;
  if (driver.branch != branch_of_version) {
    section.complain("version", fmt::format("{} is not of branch {}",
                                            driver.version, driver.branch));
  }
}

void read_module_options(SpecSection section, DriverSpec& driver) {
  for (auto& [name, value] : section.text_pairs()) {
    const bool is_plain = std::ranges::all_of(name, is_word) &&
                          !value.empty() &&
                          std::ranges::all_of(value, [](char c) {
                            return c > ' ' && c < '\x7f' && c != '"' &&
                                   c != '\'' && c != '\\' && c != '#';
                          });
    if (!is_plain) {
      section.complain(name,
                       "an option of a module is a name of letters, digits and "
                       "\"_\", and a value without blanks and quotes");
      continue;
    }
    driver.module_options[name] = value;
  }
}

void read_secure_boot(SpecSection section, DriverSpec& driver) {
  section.choice<SecureBootRoute>("route", driver.secure_boot,
                                  {{"auto", SecureBootRoute::kAuto},
                                   {"signed", SecureBootRoute::kSigned},
                                   {"mok", SecureBootRoute::kMok}});
  section.finish();
}

void read_as_needed(SpecSection& section, std::string_view key,
                    Choice& choice) {
  section.choice<Choice>(key, choice,
                         {{"auto", Choice::kAsNeeded},
                          {"true", Choice::kYes},
                          {"false", Choice::kNo}});
}

}  // namespace

void read_kernel(SpecSection section, KernelSpec& kernel) {
  section.choice<KernelPolicy>("policy", kernel.policy,
                               {{"adoptNewest", KernelPolicy::kAdoptNewest},
                                {"pinRunning", KernelPolicy::kPinRunning},
                                {"exact", KernelPolicy::kExact}});
  section.text("release", kernel.release);
  if (!kernel.release.empty() && !is_release(kernel.release)) {
    section.complain("release", fmt::format("\"{}\" is no release of a kernel; "
                                            "`uname -r` shows one",
                                            kernel.release));
  }
  const bool is_exact = kernel.policy == KernelPolicy::kExact;
  if (is_exact && kernel.release.empty()) {
    section.complain("policy", "exact needs `release`");
  }
  if (!is_exact && !kernel.release.empty()) {
    section.complain("release", "a release is for `policy: exact` alone");
  }
  section.text("archive", kernel.archive);
  const bool is_known = kernel.archive.empty() ||
                        kernel.archive == driver::kPointRelease ||
                        driver::is_archive_day(kernel.archive);
  if (!is_known) {
    section.complain(
        "archive",
        fmt::format("\"{}\" is neither {}, of Enterprise Linux, nor a day such "
                    "as \"20240905\", of Debian and Ubuntu",
                    kernel.archive, driver::kPointRelease));
    kernel.archive.clear();
  }
  section.finish();
}

namespace {

constexpr int kMostGpus = 64;

driver::ExpectedGpu read_expected_gpu(SpecSection section) {
  driver::ExpectedGpu expected;
  std::string id;
  section.text("product", expected.product);
  section.text("pciId", id);
  section.number("count", expected.count, 1, kMostGpus);
  if (!id.empty()) {
    const auto device = driver::read_pci_id(id);
    if (device) {
      expected.device_id = *device;
    } else {
      section.complain("pciId", device.error().message());
    }
  } else if (expected.product.empty()) {
    section.complain("product",
                     "which GPU is meant: a `product`, as \"A10G\", or a "
                     "`pciId`, as \"10de:2237\"");
  }
  section.finish();
  return expected;
}

}  // namespace

void read_gpu(SpecSection section, GpuSpec& gpu) {
  section.number("count", gpu.count, 1, kMostGpus);
  section.list("expect", [&](SpecSection inner) {
    gpu.expect.push_back(read_expected_gpu(std::move(inner)));
  });
  section.finish();
}

void read_driver(SpecSection section, DriverSpec& driver) {
  driver.is_wanted = true;
  std::optional<bool> with_display;
  read_version(section, driver);
  section.choice<WantedFlavour>("flavour", driver.flavour,
                                {{"auto", WantedFlavour::kAuto},
                                 {"open", WantedFlavour::kOpen},
                                 {"proprietary", WantedFlavour::kProprietary}});
  section.choice<DriverSource>("source", driver.source,
                               {{"nvidia-cuda-repo", DriverSource::kNvidia},
                                {"precompiled", DriverSource::kPrecompiled},
                                {"distro", DriverSource::kDistribution},
                                {"preinstalled", DriverSource::kPreinstalled}});
  section.choice<std::optional<bool>>("profile", with_display,
                                      {{"compute", false}, {"full", true}});
  driver.is_profile_given = with_display.has_value();
  driver.with_display = with_display.value_or(false);
  section.section("moduleOptions", [&](SpecSection inner) {
    read_module_options(std::move(inner), driver);
  });
  section.boolean("hold", driver.hold);
  section.boolean("persistence", driver.persistence);
  read_as_needed(section, "fabricManager", driver.fabric_manager);
  read_as_needed(section, "imex", driver.imex);
  section.section("secureBoot", [&](SpecSection inner) {
    read_secure_boot(std::move(inner), driver);
  });
  section.finish();
}

void read_cuda(SpecSection section, CudaSpec& cuda) {
  section.text("toolkit", cuda.toolkit);
  if (cuda.toolkit == "none") cuda.toolkit.clear();
  if (!cuda.toolkit.empty() && !is_version(cuda.toolkit, 2, 2)) {
    section.complain("toolkit", fmt::format("\"{}\" is no version of CUDA; one "
                                            "is \"13.0\", or `none`",
                                            cuda.toolkit));
  }
  section.boolean("gds", cuda.gds);
  section.finish();
}

}  // namespace gpunode::provision
