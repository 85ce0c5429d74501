// UUIDs and names that follow from others, so that they are known before a disk
// is touched and the same after a crash, a boot and another instance store.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace gpunode::provision {

/// 128 bits that are the same for the same parts and others for others: no
/// secret, only a name.
std::array<std::uint64_t, 2> stable_bits(
    std::initializer_list<std::string_view> parts);

/// Those bits as a UUID of version 8 (RFC 9562: of our own making).
std::string stable_uuid(std::initializer_list<std::string_view> parts);

}  // namespace gpunode::provision
