#include "node/diagnose/tool_log.h"

#include <algorithm>
#include <array>

#include "node/diagnose/kernel_log.h"
#include "node/facts/host_text.h"

namespace gpunode::diagnose {
namespace {

template <class Fault>
struct Phrase {
  Fault fault;
  std::string_view text;
};

/// Causes before what follows from them.
constexpr std::array<Phrase<BuildFault>, 13> kBuildPhrases = {{
    {BuildFault::kNoHeaders, "kernel headers for kernel"},
    {BuildFault::kNoHeaders, "kernel source for this kernel"},
    {BuildFault::kNoHeaders, "nable to find the kernel source tree"},
    {BuildFault::kNoHeaders, "/build: No such file or directory"},
    {BuildFault::kNoHeaders, "Kernel configuration is invalid"},
    {BuildFault::kNoHeaders, "target kernel has CONFIG_MODVERSIONS set, but"},
    {BuildFault::kCompiler, "Compiler version check failed"},
    {BuildFault::kCompiler, "unrecognized command line option"},
    {BuildFault::kCompiler, "unrecognized command-line option"},
    {BuildFault::kCompiler, "cc version check failed"},
    {BuildFault::kCompiler, "incompatible gcc/plugin versions"},
    {BuildFault::kCompiler, "gcc: command not found"},
    {BuildFault::kNoSpace, "No space left on device"},
}};

constexpr std::array<Phrase<PackageFault>, 18> kPackagePhrases = {{
    {PackageFault::kSignature, "SHA1 is not considered secure"},
    {PackageFault::kSignature, "BAD signature"},
    {PackageFault::kSignature, "BADSIG"},
    {PackageFault::kKey, "NO_PUBKEY"},
    {PackageFault::kKey, "EXPKEYSIG"},
    {PackageFault::kKey, "KEYEXPIRED"},
    {PackageFault::kKey, "GPG check FAILED"},
    {PackageFault::kKey, "is not installed. Failing package is"},
    {PackageFault::kChecksum, "Hash Sum mismatch"},
    {PackageFault::kChecksum, "File has unexpected size"},
    {PackageFault::kChecksum, "Downloading successful, but checksum doesn"},
    {PackageFault::kChecksum, "checksum doesn't match"},
    {PackageFault::kModular, "filtered out by modular filtering"},
    {PackageFault::kNoDevel, "nothing provides kernel-devel"},
    {PackageFault::kNoDevel, "No match for argument: kernel-devel"},
    {PackageFault::kNoDevel, "Unable to locate package linux-headers-"},
    {PackageFault::kGone, "Cannot prepare internal mirrorlist"},
    {PackageFault::kGone, "Failed to download metadata for repo"},
}};

/// "DKMS make.log for nvidia-580.65.06 for kernel 4.18.0-513… (x86_64)".
std::string kernel_of(std::string_view line) {
  constexpr std::string_view kFor = " for kernel ";
  if (line.find("make.log for ") == std::string_view::npos) return {};
  const std::size_t at = line.find(kFor);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = line.substr(at + kFor.size());
  return std::string(
      rest.substr(0, std::min<std::size_t>(rest.find_first_of(" \t("), 128)));
}

/// "conftest.h:3: error: …", "make[1]: *** [Makefile:9: modules] Error 2",
/// "ld: error: …".
bool is_error(std::string_view line) {
  return line.find("error:") != std::string_view::npos ||
         line.find("ERROR:") != std::string_view::npos ||
         (line.starts_with("make") &&
          line.find(": *** ") != std::string_view::npos);
}

/// The part of the log that the last run wrote.
std::string_view last_run(std::string_view text) {
  for (const std::string_view start :
       {std::string_view("--- logging initialized ---"),
        std::string_view("Log started: ")}) {
    const std::size_t at = text.rfind(start);
    if (at != std::string_view::npos) return text.substr(at);
  }
  return text;
}

}  // namespace

BuildVerdict read_build_log(std::string_view text) {
  BuildVerdict verdict;
  while (!text.empty()) {
    const std::string_view line = facts::take_line(text);
    if (verdict.kernel.empty()) verdict.kernel = kernel_of(line);
    for (const auto& phrase : kBuildPhrases) {
      if (line.find(phrase.text) == std::string_view::npos) continue;
      verdict.fault = phrase.fault;
      verdict.line = log_excerpt(line);
      return verdict;
    }
    if (verdict.fault == BuildFault::kNone && is_error(line)) {
      verdict.fault = BuildFault::kError;
      verdict.line = log_excerpt(line);
    }
  }
  return verdict;
}

std::vector<PackageMark> read_package_log(std::string_view text) {
  std::vector<PackageMark> marks;
  text = last_run(text);
  while (!text.empty()) {
    const std::string_view line = facts::take_line(text);
    for (const auto& phrase : kPackagePhrases) {
      if (line.find(phrase.text) == std::string_view::npos) continue;
      const bool is_known = std::ranges::any_of(
          marks,
          [&](const PackageMark& mark) { return mark.fault == phrase.fault; });
      if (!is_known) marks.push_back({phrase.fault, log_excerpt(line)});
      break;
    }
  }
  return marks;
}

}  // namespace gpunode::diagnose
