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
  std::string_view pci_name;  ///< Empty: the database has none that we know.
};

// By id. Ids and names are those of NVIDIA's list of supported GPUs; names of
// the PCI ID database are from https://pci-ids.ucw.cz.
constexpr std::array kProducts = {
    Product{0x1023, "Tesla K40m", "GK110BGL [Tesla K40m]"},
    Product{0x102d, "Tesla K80", "GK210GL [Tesla K80]"},
    Product{0x13bd, "Tesla M10", "GM107GL [Tesla M10]"},
    Product{0x13f2, "Tesla M60", "GM204GL [Tesla M60]"},
    Product{0x13f3, "Tesla M6", "GM204GL [Tesla M6]"},
    Product{0x1431, "Tesla M4", "GM206GL [Tesla M4]"},
    Product{0x15f7, "Tesla P100-PCIE-12GB", "GP100GL [Tesla P100 PCIe 12GB]"},
    Product{0x15f8, "Tesla P100-PCIE-16GB", "GP100GL [Tesla P100 PCIe 16GB]"},
    Product{0x15f9, "Tesla P100-SXM2-16GB", "GP100GL [Tesla P100 SXM2 16GB]"},
    Product{0x17fd, "Tesla M40", "GM200GL [Tesla M40]"},
    Product{0x1b38, "Tesla P40", "GP102GL [Tesla P40]"},
    Product{0x1bb3, "Tesla P4", "GP104GL [Tesla P4]"},
    Product{0x1bb4, "Tesla P6", "GP104GL [Tesla P6]"},
    Product{0x1db1, "Tesla V100-SXM2-16GB", "GV100GL [Tesla V100 SXM2 16GB]"},
    Product{0x1db2, "Tesla V100-DGXS-16GB", "GV100GL [Tesla V100 DGXS 16GB]"},
    Product{0x1db3, "Tesla V100-FHHL-16GB", "GV100GL [Tesla V100 FHHL 16GB]"},
    Product{0x1db4, "Tesla V100-PCIE-16GB", "GV100GL [Tesla V100 PCIe 16GB]"},
    Product{0x1db5, "Tesla V100-SXM2-32GB", "GV100GL [Tesla V100 SXM2 32GB]"},
    Product{0x1db6, "Tesla V100-PCIE-32GB", "GV100GL [Tesla V100 PCIe 32GB]"},
    Product{0x1db7, "Tesla V100-DGXS-32GB", "GV100GL [Tesla V100 DGXS 32GB]"},
    Product{0x1db8, "Tesla V100-SXM3-32GB", "GV100GL [Tesla V100 SXM3 32GB]"},
    Product{0x1df6, "Tesla V100S-PCIE-32GB", "GV100GL [Tesla V100S PCIe 32GB]"},
    Product{0x1e30, "Quadro RTX 6000", "TU102GL [Quadro RTX 6000/8000]"},
    Product{0x1eb8, "Tesla T4", "TU104GL [Tesla T4]"},
    Product{0x20b0, "NVIDIA A100-SXM4-40GB", "GA100 [A100 SXM4 40GB]"},
    Product{0x20b2, "NVIDIA A100-SXM4-80GB", "GA100 [A100 SXM4 80GB]"},
    Product{0x20b5, "NVIDIA A100 80GB PCIe", "GA100 [A100 PCIe 80GB]"},
    Product{0x20b7, "NVIDIA A30", "GA100GL [A30 PCIe]"},
    Product{0x20bd, "NVIDIA A800-SXM4-40GB", "GA100 [A800 SXM4 40GB]"},
    Product{0x20f1, "NVIDIA A100-PCIE-40GB", "GA100 [A100 PCIe 40GB]"},
    Product{0x20f3, "NVIDIA A800-SXM4-80GB", "GA100 [A800-SXM4-80GB]"},
    Product{0x20f5, "NVIDIA A800 80GB PCIe", "GA100 [A800 80GB PCIe]"},
    Product{0x2230, "NVIDIA RTX A6000", "GA102GL [RTX A6000]"},
    Product{0x2231, "NVIDIA RTX A5000", "GA102GL [RTX A5000]"},
    Product{0x2232, "NVIDIA RTX A4500", "GA102GL [RTX A4500]"},
    Product{0x2233, "NVIDIA RTX A5500", "GA102GL [RTX A5500]"},
    Product{0x2235, "NVIDIA A40", "GA102GL [A40]"},
    Product{0x2236, "NVIDIA A10", "GA102GL [A10]"},
    Product{0x2237, "NVIDIA A10G", "GA102GL [A10G]"},
    Product{0x2238, "NVIDIA A10M", "GA102GL [A10M]"},
    Product{0x2321, "NVIDIA H100 NVL", "GH100 [H100L 94GB]"},
    Product{0x2322, "NVIDIA H800 PCIe", "GH100 [H800 PCIe]"},
    Product{0x2324, "NVIDIA H800", "GH100 [H800]"},
    Product{0x2329, "NVIDIA H20", "GH100 [H20]"},
    Product{0x2330, "NVIDIA H100 80GB HBM3", "GH100 [H100 SXM5 80GB]"},
    Product{0x2331, "NVIDIA H100 PCIe", "GH100 [H100 PCIe]"},
    Product{0x2335, "NVIDIA H200", "GH100 [H200 SXM 141GB]"},
    Product{0x233b, "NVIDIA H200 NVL", "GH100 [H200 NVL]"},
    Product{0x2342, "NVIDIA GH200 480GB", "GH100 [GH200 120GB / 480GB]"},
    Product{0x2348, "NVIDIA GH200 144G HBM3e", "GH100 [GH200 144G HBM3e]"},
    Product{0x24b0, "NVIDIA RTX A4000", "GA104GL [RTX A4000]"},
    Product{0x2531, "NVIDIA RTX A2000", "GA106 [RTX A2000]"},
    Product{0x2571, "NVIDIA RTX A2000 12GB", "GA106 [RTX A2000 12GB]"},
    Product{0x25b6, "NVIDIA A16 or A2", "GA107GL [A2 / A16]"},
    Product{0x26b1, "NVIDIA RTX 6000 Ada Generation",
            "AD102GL [RTX 6000 Ada Generation]"},
    Product{0x26b2, "NVIDIA RTX 5000 Ada Generation",
            "AD102GL [RTX 5000 Ada Generation]"},
    Product{0x26b5, "NVIDIA L40", "AD102GL [L40]"},
    Product{0x26b9, "NVIDIA L40S", "AD102GL [L40S]"},
    Product{0x26ba, "NVIDIA L20", "AD102GL [L20]"},
    Product{0x27b6, "NVIDIA L2", "AD104GL [L2]"},
    Product{0x27b8, "NVIDIA L4", "AD104GL [L4]"},
    Product{0x2901, "NVIDIA B200", "GB100 [B200]"},
    Product{0x2941, "NVIDIA GB200", "GB100 [HGX GB200]"},
    Product{0x2bb1, "NVIDIA RTX PRO 6000 Blackwell Workstation Edition",
            "GB202GL [RTX PRO 6000 Blackwell Workstation Edition]"},
    Product{0x2bb5, "NVIDIA RTX PRO 6000 Blackwell Server Edition",
            "GB202GL [RTX PRO 6000 Blackwell Server Edition]"},
    Product{0x2e12, "NVIDIA GB10", ""},
    Product{0x3182, "NVIDIA B300", ""},
    Product{0x31c2, "NVIDIA GB300", ""},
};

constexpr bool is_sorted(const auto& products) {
  return std::ranges::is_sorted(products, {}, &Product::device);
}
static_assert(is_sorted(kProducts));

const Product* find_product(std::uint16_t pci_device) {
  const auto* const found =
      std::ranges::lower_bound(kProducts, pci_device, {}, &Product::device);
  const bool is_known = found != kProducts.end() && found->device == pci_device;
  return is_known ? found : nullptr;
}

}  // namespace

std::string product_name_of(std::uint16_t pci_device) {
  if (const Product* product = find_product(pci_device)) {
    return std::string(product->name);
  }
  return fmt::format("NVIDIA 10de:{:04x}", pci_device);
}

bool is_newer_than_table(std::uint16_t pci_device) {
  return pci_device > kProducts.back().device;
}

std::optional<std::string_view> pci_name_of(std::uint16_t pci_device) {
  const Product* product = find_product(pci_device);
  if (product == nullptr || product->pci_name.empty()) return std::nullopt;
  return product->pci_name;
}

}  // namespace gpunode::device
