// Names of shared libraries, as glibc's ldconfig and loader see them.
#pragma once

#include <string_view>

namespace gpunode::hook {

/// "libx.so", "libx.so.1", "ld-linux-x86-64.so.2"; not what a package manager
/// writes while it unpacks (".dpkg-new", ";5f3a9c01", ".#prelink#").
bool is_library_name(std::string_view name);

/// Below zero, zero or above it, as the loader's binary search orders names:
/// runs of digits by their number. Zero does not mean equal ("1" and "01").
int compare_library_names(std::string_view left, std::string_view right);

/// `name` matches the shell pattern `pattern` (*, ?, [a-z], [!a]); a leading
/// dot must be matched by a dot. Takes time in proportion to the product of
/// their lengths, whatever they are.
bool matches_pattern(std::string_view name, std::string_view pattern);

}  // namespace gpunode::hook
