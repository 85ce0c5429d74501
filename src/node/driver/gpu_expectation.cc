#include "node/driver/gpu_expectation.h"

#include <algorithm>
#include <charconv>
#include <map>

#include <fmt/format.h>

#include "base/core/ascii.h"
#include "node/driver/driver_choice.h"

namespace gpunode::driver {
namespace {

using facts::PciGpu;

/// "NVIDIA A100-SXM4-40GB" and the label's "a100-sxm4-40gb" are one.
std::string plain_product(std::string_view product) {
  std::string plain;
  for (const char c : product) {
    plain += c == '-' || c == '_' ? ' ' : to_lower(c);
  }
  constexpr std::string_view kMaker = "nvidia ";
  if (plain.starts_with(kMaker)) plain.erase(0, kMaker.size());
  return plain;
}

bool fits(const ExpectedGpu& kind, const PciGpu& gpu) {
  return (kind.device_id == 0 || kind.device_id == gpu.device_id) &&
         (kind.product.empty() ||
          plain_product(kind.product) == plain_product(gpu.product));
}

std::string words_of(const ExpectedGpu& kind) {
  const std::string id =
      kind.device_id == 0 ? "" : fmt::format("10de:{:04x}", kind.device_id);
  if (kind.product.empty()) return id;
  return id.empty() ? kind.product : fmt::format("{} ({})", kind.product, id);
}

}  // namespace

Result<std::uint16_t> read_pci_id(std::string_view text) {
  constexpr std::string_view kVendor = "10de:";
  constexpr std::size_t kDigits = 4;
  constexpr int kHex = 16;
  std::uint16_t id = 0;
  std::string lower;
  for (const char c : text) lower += to_lower(c);
  if (lower.size() == kVendor.size() + kDigits && lower.starts_with(kVendor)) {
    const char* const end = lower.data() + lower.size();
    const auto read =
        std::from_chars(lower.data() + kVendor.size(), end, id, kHex);
    if (read.ec == std::errc() && read.ptr == end && id != 0) return id;
  }
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("\"{}\" is no PCI id of a GPU of NVIDIA's, as "
                           "\"10de:2237\" (lspci -nn -d 10de:)",
                           text));
}

std::vector<std::string> unexpected_gpus(
    const facts::HostFacts& host, const std::vector<ExpectedGpu>& expected) {
  std::vector<std::string> words;
  if (expected.empty()) return words;
  std::vector<int> counts(expected.size());
  std::map<std::string, int> others;  // By product.
  for (const PciGpu& gpu : host.gpus) {
    if (!is_countable(gpu)) continue;
    const auto kind = std::ranges::find_if(
        expected, [&](const ExpectedGpu& one) { return fits(one, gpu); });
    if (kind == expected.end()) {
      ++others[fmt::format("{} (10de:{:04x})", gpu.product, gpu.device_id)];
    } else {
      ++counts[static_cast<std::size_t>(kind - expected.begin())];
    }
  }
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (counts[i] == expected[i].count) continue;
    words.push_back(fmt::format("{} x {} and not {}", counts[i],
                                words_of(expected[i]), expected[i].count));
  }
  for (const auto& [product, count] : others) {
    words.push_back(
        fmt::format("{} x {}, which is not expected", count, product));
  }
  return words;
}

}  // namespace gpunode::driver
