#include "node/diagnose/kernel_log.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "base/core/ascii.h"
#include "node/facts/host_text.h"
#include "node/facts/kernel_message.h"

namespace gpunode::diagnose {
namespace {

constexpr std::string_view kNvidia = "NVRM: ";

struct Phrase {
  LogSign sign;
  std::string_view text;
};

/// Of lines that begin with "NVRM: "; more special ones first.
constexpr std::array<Phrase, 11> kDriverPhrases = {{
    {LogSign::kNeedsOpenModule, "requires use of the NVIDIA open kernel"},
    {LogSign::kNeedsOtherModule, "is not supported by open"},
    {LogSign::kNeedsOtherModule,
     "nvidia.ko because it does not include the required GPU"},
    {LogSign::kNotInBranch, "installed in this system is not supported by the"},
    {LogSign::kLegacyGpu, "ignoring the legacy GPU"},
    {LogSign::kFirmwareFailed, "RmInitAdapter failed! (0x62:"},
    {LogSign::kInitFailed, "RmInitAdapter failed!"},
    {LogSign::kApiMismatch, "API mismatch"},
    {LogSign::kFallenOff, "fallen off the bus and is not responding"},
    {LogSign::kProbeNotCalled, "NVIDIA probe routine was not called for"},
    {LogSign::kBadRegion, "This PCI I/O region assigned to your NVIDIA device"},
}};

/// Of lines of the kernel itself, at their beginning.
constexpr std::array<Phrase, 5> kKernelPhrases = {{
    {LogSign::kRejected, "Loading of unsigned module is rejected"},
    {LogSign::kRejected, "Loading of module with unavailable key is rejected"},
    {LogSign::kRejected, "Loading of module with unsupported crypto is reject"},
    {LogSign::kLockedDown, "Lockdown: modprobe: unsigned module loading"},
    {LogSign::kNoEntryTypes, "overlayfs: upper fs needs to support d_type"},
}};

/// Of lines that begin with the name of one of NVIDIA's modules.
constexpr std::array<std::string_view, 3> kOtherKernelPhrases = {
    "version magic '", "disagrees about version of symbol",
    "Unknown symbol module_layout"};

/// "0000:00:1e.0" of "0000:00:1e.0" or of "PCI:0000:00:1e"; "" for what is no
/// such address.
std::string address_of(std::string_view text) {
  if (text.starts_with("PCI:")) text.remove_prefix(4);
  std::size_t size = 0;
  while (size < text.size() &&
         (is_hex_digit(text[size]) || text[size] == ':' || text[size] == '.')) {
    ++size;
  }
  // "0000:00:1e.0: RmInitAdapter failed!": the colon is the sentence's.
  while (size > 0 && text[size - 1] == ':') --size;
  std::string address(text.substr(0, size));
  if (std::ranges::count(address, ':') != 2 || address.size() > 16) return {};
  if (address.find('.') == std::string::npos) address += ".0";
  std::ranges::transform(address, address.begin(), [](unsigned char c) {
    return static_cast<char>(std::tolower(c));
  });
  return address;
}

/// Digits and dots where `text` has `before`: a version.
std::string version_after(std::string_view text, std::string_view before) {
  const std::size_t at = text.find(before);
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + before.size());
  std::size_t size = 0;
  while (size < text.size() && (is_digit(text[size]) || text[size] == '.')) {
    ++size;
  }
  text = text.substr(0, std::min<std::size_t>(size, 24));
  while (text.ends_with('.')) text.remove_suffix(1);
  return std::string(text);
}

/// "NAME[PID]: segfault at …": the kernel's words about a process begin with
/// its name and may end with its file's, both of which are anybody's.
bool is_of_process(std::string_view line) {
  constexpr std::size_t kNameLimit = 16;  // TASK_COMM_LEN.
  for (std::size_t at = line.find('['); at < kNameLimit;
       at = line.find('[', at + 1)) {
    std::size_t end = at + 1;
    while (end < line.size() && is_digit(line[end])) ++end;
    if (end > at + 1 && line.substr(end).starts_with("]: ")) return true;
  }
  return false;
}

/// "NVRM: Xid (PCI:0000:00:1e): 79, pid=…": nothing if it is no such line.
std::optional<LogMark> xid_of(std::string_view line) {
  constexpr std::string_view kXid = "NVRM: Xid (";
  if (!line.starts_with(kXid)) return std::nullopt;
  const std::size_t end = line.find("): ");
  if (end == std::string_view::npos) return std::nullopt;
  LogMark mark;
  mark.gpu = address_of(line.substr(kXid.size(), end - kXid.size()));
  const std::string_view rest = line.substr(end + 3);
  const auto [stop, problem] =
      std::from_chars(rest.data(), rest.data() + rest.size(), mark.xid);
  if (problem != std::errc() || mark.xid <= 0 || mark.gpu.empty()) {
    return std::nullopt;
  }
  mark.sign = mark.xid == 79                       ? LogSign::kFallenOff
              : mark.xid == 119 || mark.xid == 120 ? LogSign::kGsp
              : mark.xid == 169                    ? LogSign::kFirmwareFailed
                                                   : LogSign::kXid;
  mark.line = log_excerpt(line);
  return mark;
}

class Reader {
 public:
  std::vector<LogMark> read(std::string_view text) {
    while (!text.empty()) read_line(facts::take_line(text));
    return std::move(marks_);
  }

 private:
  void read_line(std::string_view whole) {
    // A message of several lines: what goes on is indented. Only the driver's
    // own go on; anybody's file name may have a line break in it.
    const std::size_t text = whole.find_first_not_of(' ');
    if (text != 0 && text != std::string_view::npos) {
      const std::string_view rest = whole.substr(text);
      if (is_drivers_ && rest.starts_with(kNvidia)) read_driver_line(rest);
      return;
    }
    const std::string_view line = facts::kernel_message(whole);
    is_drivers_ = false;
    if (line.empty() || is_of_process(line)) return;
    is_drivers_ = line.starts_with(kNvidia);
    if (is_drivers_) return read_driver_line(line);
    for (const Phrase& phrase : kKernelPhrases) {
      if (line.starts_with(phrase.text)) return add(phrase.sign, line, "");
    }
    if (!line.starts_with("nvidia")) return;
    for (const std::string_view phrase : kOtherKernelPhrases) {
      if (line.find(phrase) != std::string_view::npos) {
        return add(LogSign::kOtherKernel, line, "");
      }
    }
  }

  void read_driver_line(std::string_view line) {
    if (const auto xid = xid_of(line)) return add(*xid);
    remember_gpu(line);
    if (read_versions(line)) return;
    for (const Phrase& phrase : kDriverPhrases) {
      if (line.find(phrase.text) == std::string_view::npos) continue;
      const std::string here = gpu_of(line);
      add(phrase.sign, line, here.empty() ? gpu_ : here);
      if (phrase.sign == LogSign::kApiMismatch) read_client(line);
      return;
    }
  }

  void read_client(std::string_view line) {
    mismatch_ = line;
    const std::string client =
        version_after(line, "the client has the version ");
    for (LogMark& mark : marks_) {
      if (mark.sign != LogSign::kApiMismatch) continue;
      mark.client = client;
      mark.module.clear();
    }
  }

  /// The message of a GPU's flavour goes over several lines, the first of which
  /// names the GPU.
  void remember_gpu(std::string_view line) {
    constexpr std::string_view kGpu = "NVRM: The NVIDIA GPU ";
    if (line.starts_with(kGpu)) gpu_ = address_of(line.substr(kGpu.size()));
  }

  /// "NVRM: GPU 0000:00:1e.0: RmInitAdapter failed!", "… legacy GPU 0000:…".
  static std::string gpu_of(std::string_view line) {
    const std::size_t at = line.find("GPU ");
    return at == std::string_view::npos ? "" : address_of(line.substr(at + 4));
  }

  /// The lines after "API mismatch", in both forms that drivers have had: "…
  /// the client [NAME]" / "has the version C, but this kernel module has" /
  /// "the version M", and "… the client has the version C, but" / "this kernel
  /// module has the version M".
  bool read_versions(std::string_view line) {
    if (mismatch_.empty() || line.find("API mismatch") != line.npos) {
      return false;
    }
    std::string module = version_after(line, "kernel module has the version ");
    if (module.empty()) module = version_after(line, "NVRM: the version ");
    const std::string client =
        module.empty() ? version_after(line, "NVRM: has the version ") : "";
    if (module.empty() && client.empty()) return false;
    for (LogMark& mark : marks_) {
      if (mark.sign != LogSign::kApiMismatch) continue;
      if (!client.empty()) mark.client = client;
      if (!module.empty()) mark.module = module;
    }
    return true;
  }

  void add(LogSign sign, std::string_view line, const std::string& gpu) {
    LogMark mark;
    mark.sign = sign;
    mark.line = log_excerpt(line);
    mark.gpu = gpu;
    add(mark);
  }

  void add(const LogMark& mark) {
    const auto known = std::ranges::find_if(marks_, [&](const LogMark& one) {
      return one.sign == mark.sign && one.gpu == mark.gpu &&
             one.xid == mark.xid;
    });
    if (known != marks_.end()) {
      ++known->count;
      known->line = mark.line;
      return;
    }
    if (marks_.size() < kMarkLimit) marks_.push_back(mark);
  }

  std::vector<LogMark> marks_;
  std::string gpu_;            ///< That the message in several lines is about.
  bool is_drivers_ = false;    ///< The last message was; the next may go on.
  std::string_view mismatch_;  ///< The last line that told of one.
};

}  // namespace

std::string log_excerpt(std::string_view line) {
  constexpr std::size_t kLimitBytes = 300;
  return std::string(line.substr(0, kLimitBytes));
}

std::string_view sign_name(LogSign sign) {
  constexpr std::array<std::string_view, 16> kNames = {"needs-open-module",
                                                       "needs-other-module",
                                                       "not-in-branch",
                                                       "legacy-gpu",
                                                       "init-failed",
                                                       "api-mismatch",
                                                       "fallen-off",
                                                       "gsp",
                                                       "xid",
                                                       "probe-not-called",
                                                       "bad-region",
                                                       "rejected",
                                                       "locked-down",
                                                       "other-kernel",
                                                       "firmware-failed",
                                                       "no-entry-types"};
  return kNames.at(static_cast<std::size_t>(sign));
}

std::vector<LogMark> read_kernel_log(std::string_view text) {
  return Reader().read(text);
}

}  // namespace gpunode::diagnose
