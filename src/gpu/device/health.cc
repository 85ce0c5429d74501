#include "gpu/device/health.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace gpunode::device {
namespace {

struct Meaning {
  std::uint64_t xid;
  std::string_view text;
};

// From NVIDIA's "XID Errors" guide, shortened; ascending.
constexpr std::array kMeanings = {
    Meaning{8, "GPU stopped processing"},
    Meaning{13, "graphics engine exception"},
    Meaning{31, "GPU memory page fault"},
    Meaning{32, "invalid or corrupted push buffer stream"},
    Meaning{38, "driver firmware error"},
    Meaning{43, "GPU stopped processing a channel"},
    Meaning{44, "graphics engine fault during context switch"},
    Meaning{45, "preemptive cleanup after earlier errors"},
    Meaning{46, "GPU stopped processing"},
    Meaning{48, "double bit ECC error"},
    Meaning{54, "auxiliary power is not connected to the GPU board"},
    Meaning{61, "internal micro-controller breakpoint"},
    Meaning{62, "internal micro-controller halt"},
    Meaning{63, "ECC page retirement or row remapping recorded"},
    Meaning{64, "ECC page retirement or row remapping failed"},
    Meaning{68, "NVDEC exception"},
    Meaning{69, "graphics engine class error"},
    Meaning{74, "NVLink error"},
    Meaning{79, "GPU has fallen off the bus"},
    Meaning{80, "corrupted data sent to the GPU"},
    Meaning{92, "high single bit ECC error rate"},
    Meaning{94, "contained ECC error"},
    Meaning{95, "uncontained ECC error"},
    Meaning{109, "context switch timeout"},
    Meaning{110, "security fault"},
    Meaning{119, "GSP RPC timeout"},
    Meaning{120, "GSP error"},
    Meaning{121, "C2C link error"},
    Meaning{122, "SPI PMU RPC read failure"},
    Meaning{123, "SPI PMU RPC write failure"},
    Meaning{124, "SPI PMU RPC erase failure"},
    Meaning{125, "inforom filesystem failure"},
    Meaning{136, "alternate router link training failed"},
    Meaning{137, "NVLink remote translation error"},
    Meaning{140, "unrecovered ECC error"},
    Meaning{143, "GPU initialization failure"},
    Meaning{149, "NVLink error"},
    Meaning{154, "GPU recovery action changed"},
};

}  // namespace

bool concerns(const XidEvent& event, const Gpu& gpu) {
  return !event.gpu || *event.gpu == gpu.id;
}

bool concerns(const XidEvent& event, const Gpu& parent, const MigDevice& mig) {
  if (!concerns(event, parent)) return false;
  if (!event.gpu_instance || !event.compute_instance) return true;
  return *event.gpu_instance == mig.gpu_instance &&
         *event.compute_instance == mig.compute_instance;
}

std::string_view xid_meaning(std::uint64_t xid) {
  const auto* const found =
      std::lower_bound(kMeanings.begin(), kMeanings.end(), xid,
                       [](const Meaning& meaning, std::uint64_t number) {
                         return meaning.xid < number;
                       });
  if (found == kMeanings.end() || found->xid != xid) return "";
  return found->text;
}

std::string describe_xid(std::uint64_t xid) {
  const std::string_view meaning = xid_meaning(xid);
  if (meaning.empty()) return fmt::format("XID {}", xid);
  return fmt::format("XID {}: {}", xid, meaning);
}

}  // namespace gpunode::device
