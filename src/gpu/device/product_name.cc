#include "gpu/device/product_name.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

namespace gpunode::device {
namespace {

struct Product {
  std::uint16_t device;
  std::string_view name;
};

// By id. Ids and names are those of NVIDIA's list of supported GPUs.
constexpr std::array kProducts = {
    Product{0x1023, "Tesla K40m"},
    Product{0x102d, "Tesla K80"},
    Product{0x13bd, "Tesla M10"},
    Product{0x13f2, "Tesla M60"},
    Product{0x13f3, "Tesla M6"},
    Product{0x1431, "Tesla M4"},
    Product{0x15f7, "Tesla P100-PCIE-12GB"},
    Product{0x15f8, "Tesla P100-PCIE-16GB"},
    Product{0x15f9, "Tesla P100-SXM2-16GB"},
    Product{0x17fd, "Tesla M40"},
    Product{0x1b38, "Tesla P40"},
    Product{0x1bb3, "Tesla P4"},
    Product{0x1bb4, "Tesla P6"},
    Product{0x1db1, "Tesla V100-SXM2-16GB"},
    Product{0x1db2, "Tesla V100-DGXS-16GB"},
    Product{0x1db3, "Tesla V100-FHHL-16GB"},
    Product{0x1db4, "Tesla V100-PCIE-16GB"},
    Product{0x1db5, "Tesla V100-SXM2-32GB"},
    Product{0x1db6, "Tesla V100-PCIE-32GB"},
    Product{0x1db7, "Tesla V100-DGXS-32GB"},
    Product{0x1db8, "Tesla V100-SXM3-32GB"},
    Product{0x1df6, "Tesla V100S-PCIE-32GB"},
    Product{0x1e30, "Quadro RTX 6000"},
    Product{0x1eb8, "Tesla T4"},
    Product{0x20b0, "NVIDIA A100-SXM4-40GB"},
    Product{0x20b2, "NVIDIA A100-SXM4-80GB"},
    Product{0x20b5, "NVIDIA A100 80GB PCIe"},
    Product{0x20b7, "NVIDIA A30"},
    Product{0x20bd, "NVIDIA A800-SXM4-40GB"},
    Product{0x20f1, "NVIDIA A100-PCIE-40GB"},
    Product{0x20f3, "NVIDIA A800-SXM4-80GB"},
    Product{0x20f5, "NVIDIA A800 80GB PCIe"},
    Product{0x2230, "NVIDIA RTX A6000"},
    Product{0x2231, "NVIDIA RTX A5000"},
    Product{0x2232, "NVIDIA RTX A4500"},
    Product{0x2233, "NVIDIA RTX A5500"},
    Product{0x2235, "NVIDIA A40"},
    Product{0x2236, "NVIDIA A10"},
    Product{0x2237, "NVIDIA A10G"},
    Product{0x2238, "NVIDIA A10M"},
    Product{0x2321, "NVIDIA H100 NVL"},
    Product{0x2322, "NVIDIA H800 PCIe"},
    Product{0x2324, "NVIDIA H800"},
    Product{0x2329, "NVIDIA H20"},
    Product{0x2330, "NVIDIA H100 80GB HBM3"},
    Product{0x2331, "NVIDIA H100 PCIe"},
    Product{0x2335, "NVIDIA H200"},
    Product{0x233b, "NVIDIA H200 NVL"},
    Product{0x2342, "NVIDIA GH200 480GB"},
    Product{0x2348, "NVIDIA GH200 144G HBM3e"},
    Product{0x24b0, "NVIDIA RTX A4000"},
    Product{0x2531, "NVIDIA RTX A2000"},
    Product{0x2571, "NVIDIA RTX A2000 12GB"},
    Product{0x25b6, "NVIDIA A16 or A2"},
    Product{0x26b1, "NVIDIA RTX 6000 Ada Generation"},
    Product{0x26b2, "NVIDIA RTX 5000 Ada Generation"},
    Product{0x26b5, "NVIDIA L40"},
    Product{0x26b9, "NVIDIA L40S"},
    Product{0x26ba, "NVIDIA L20"},
    Product{0x27b6, "NVIDIA L2"},
    Product{0x27b8, "NVIDIA L4"},
    Product{0x2901, "NVIDIA B200"},
    Product{0x2941, "NVIDIA GB200"},
    Product{0x2bb1, "NVIDIA RTX PRO 6000 Blackwell Workstation Edition"},
    Product{0x2bb5, "NVIDIA RTX PRO 6000 Blackwell Server Edition"},
    Product{0x2e12, "NVIDIA GB10"},
    Product{0x3182, "NVIDIA B300"},
    Product{0x31c2, "NVIDIA GB300"},
};

constexpr bool is_sorted(const auto& products) {
  return std::ranges::is_sorted(products, {}, &Product::device);
}
static_assert(is_sorted(kProducts));

}  // namespace

std::string product_name_of(std::uint16_t pci_device) {
  const auto* const found =
      std::ranges::lower_bound(kProducts, pci_device, {}, &Product::device);
  if (found != kProducts.end() && found->device == pci_device) {
    return std::string(found->name);
  }
  return fmt::format("NVIDIA 10de:{:04x}", pci_device);
}

}  // namespace gpunode::device
