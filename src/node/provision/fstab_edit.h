// Changing single lines of /etc/fstab; every other byte stays.
#pragma once

#include <string>
#include <string_view>

namespace gpunode::provision {

/// Lines that turn swap on are commented out and marked as ours.
std::string fstab_without_swap(std::string_view text);

/// One line for a file system of ours, under a comment `# gpunode:<id>`; an
/// older one with that comment and the same target or source is replaced,
/// otherwise it comes at the end. `line` is without its newline.
std::string fstab_with(std::string_view text, std::string_view id,
                       std::string_view line);

/// Without the line that fstab_with put there, if it mounts `source` still, and
/// its comment.
std::string fstab_without(std::string_view text, std::string_view id,
                          std::string_view source);

}  // namespace gpunode::provision
