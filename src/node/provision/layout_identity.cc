#include "node/provision/layout_identity.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include <fmt/format.h>

#include "node/provision/stable_name.h"

namespace gpunode::provision {

std::string layout_name(std::string_view filesystem_uuid) {
  return "gn" + std::string(filesystem_uuid.substr(0, 8));
}

std::string array_uuid(std::string_view filesystem_uuid) {
  return stable_uuid({"gpunode array", filesystem_uuid});
}

std::string mdadm_uuid(std::string_view array_uuid) {
  std::string digits(array_uuid);
  std::erase(digits, '-');
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i != 0 && i % 8 == 0) text += ':';
    text += digits[i];
  }
  return text;
}

std::string volume_uuid(std::string_view filesystem_uuid,
                        const host::DiskIdentity& disk) {
  const auto bits =
      disk.wwid.empty()
          ? stable_bits({"gpunode volume", filesystem_uuid, disk.serial})
          : stable_bits(
                {"gpunode volume", filesystem_uuid, disk.serial, disk.wwid});
  return in_volume_groups(fmt::format("{:016x}{:016x}", bits[0], bits[1]));
}

std::string in_volume_groups(std::string_view characters) {
  constexpr std::array<std::size_t, 7> kSizes = {6, 4, 4, 4, 4, 4, 6};
  std::string text;
  for (const std::size_t size : kSizes) {
    if (!text.empty()) text += '-';
    text += characters.substr(0, size);
    characters.remove_prefix(std::min(size, characters.size()));
  }
  return text;
}

bool is_our_member(const std::vector<host::DiskSignature>& signatures,
                   std::string_view filesystem_uuid,
                   const host::DiskIdentity& disk) {
  const std::string array = array_uuid(filesystem_uuid);
  const std::string volume = volume_uuid(filesystem_uuid, disk);
  host::DiskIdentity before = disk;
  before.wwid.clear();
  const std::string older = volume_uuid(filesystem_uuid, before);
  return !signatures.empty() &&
         std::ranges::all_of(signatures, [&](const auto& signature) {
           return (signature.type == "linux_raid_member" &&
                   signature.uuid == array) ||
                  (signature.type == "LVM2_member" &&
                   (signature.uuid == volume || signature.uuid == older));
         });
}

bool is_only_filesystem(const std::vector<host::DiskSignature>& signatures,
                        std::string_view filesystem_uuid) {
  return std::ranges::all_of(signatures, [&](const auto& signature) {
    return signature.uuid == filesystem_uuid;
  });
}

std::string unfinished_proof(std::string_view filesystem_uuid) {
  return fmt::format("unfinished layout of {}", filesystem_uuid);
}

}  // namespace gpunode::provision
