#include "node/facts/secure_boot_look.h"

#include <optional>
#include <vector>

#include "node/facts/host_text.h"

namespace gpunode::facts {
namespace {

constexpr const char* kEfi = "/sys/firmware/efi";
constexpr const char* kVariables = "/sys/firmware/efi/efivars";
/// EFI's own variables, by the UEFI specification.
constexpr const char* kSecureBoot =
    "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
/// What shim keeps (shim's mok.c): MokListRT, MokListRT1, … where one variable
/// is too small for all.
constexpr const char* kShim = "-605dab50-e046-4300-abb6-3dd810dd8b23";
constexpr int kMostLists = 8;
constexpr std::size_t kVariableLimitBytes = std::size_t{1} << 20U;
/// In front of a variable's value efivarfs has its attributes.
constexpr std::size_t kAttributesBytes = 4;

SecureBoot state_of(const host::HostRoot& host) {
  if (!host.exists(kEfi)) return SecureBoot::kAbsent;
  const auto variable = host.read_file(kSecureBoot, kVariableLimitBytes);
  if (variable) {
    if (variable->size() <= kAttributesBytes) return SecureBoot::kUnknown;
    return (*variable)[kAttributesBytes] == 1 ? SecureBoot::kOn
                                              : SecureBoot::kOff;
  }
  if (variable.error().code() != ErrorCode::kNotFound) {
    return SecureBoot::kUnknown;
  }
  // Nothing is mounted there, or the firmware has no such variable.
  const auto names = host.list_directory(kVariables);
  return names && !names->empty() ? SecureBoot::kAbsent : SecureBoot::kUnknown;
}

std::string certificate_of(const host::HostRoot& host, const OsRelease& os) {
  const auto framework =
      host.read_file("/etc/dkms/framework.conf", kVariableLimitBytes);
  const std::string named =
      framework ? mok_certificate_in(*framework) : std::string();
  std::vector<std::string> paths;
  if (!named.empty()) {
    paths = {named};
  } else if (os.is_like("ubuntu")) {
    // Ubuntu's DKMS takes the key that its shim-signed made.
    paths = {"/var/lib/shim-signed/mok/MOK.der", "/var/lib/dkms/mok.pub"};
  } else {
    paths = {"/var/lib/dkms/mok.pub"};
  }
  for (const std::string& path : paths) {
    if (path.starts_with('/') && host.exists(path)) return path;
  }
  return "";
}

std::optional<bool> is_enrolled(const host::HostRoot& host,
                                const std::string& path) {
  const auto certificate = host.read_file(path, kVariableLimitBytes);
  if (!certificate || certificate->empty()) return std::nullopt;
  bool is_seen = false;
  for (int number = 0; number < kMostLists; ++number) {
    std::string variable = std::string(kVariables) + "/MokListRT";
    if (number > 0) variable += std::to_string(number);
    const auto list = host.read_file(variable + kShim, kVariableLimitBytes);
    if (!list) {
      if (list.error().code() == ErrorCode::kNotFound) break;
      return std::nullopt;
    }
    is_seen = true;
    // An EFI_SIGNATURE_LIST has whole certificates in it.
    if (list->find(*certificate) != std::string::npos) return true;
  }
  if (is_seen) return false;
  // No shim, or no EFI variables to be seen.
  return std::nullopt;
}

}  // namespace

std::string chosen_of(std::string_view text) {
  take_until(text, '[');
  return std::string(take_until(text, ']'));
}

std::string mok_certificate_in(std::string_view framework) {
  std::string path;
  while (!framework.empty()) {
    std::string_view line = trimmed(take_line(framework));
    const std::string_view key = take_until(line, '=');
    if (trimmed(key) != "mok_certificate") continue;
    line = trimmed(line);
    if (line.size() >= 2 && line.front() == line.back() &&
        (line.front() == '"' || line.front() == '\'')) {
      line = line.substr(1, line.size() - 2);
    }
    path = std::string(line);
  }
  return path;
}

SecureBootFacts look_at_secure_boot(const host::HostRoot& host,
                                    const OsRelease& os) {
  SecureBootFacts facts;
  facts.state = state_of(host);
  facts.lockdown = chosen_of(read_value(host, "/sys/kernel/security/lockdown"));
  facts.enforces_signatures =
      facts.lockdown == "integrity" || facts.lockdown == "confidentiality" ||
      read_value(host, "/sys/module/module/parameters/sig_enforce") == "Y";
  facts.mok_certificate = certificate_of(host, os);
  if (!facts.mok_certificate.empty()) {
    facts.is_mok_enrolled = is_enrolled(host, facts.mok_certificate);
  }
  return facts;
}

}  // namespace gpunode::facts
