// What changed between two texts, line by line, as diff -u shows it.
#pragma once

#include <string>
#include <string_view>

namespace gpunode::text {

/// Headers `--- old_name` and `+++ new_name`, then hunks with three lines of
/// context; empty if the texts are equal. Texts that differ in more than some
/// thousand lines are shown as one replacement.
std::string unified_diff(std::string_view before, std::string_view after,
                         std::string_view old_name, std::string_view new_name);

/// The same with terminal colours: red what goes, green what comes.
std::string coloured_diff(std::string_view diff);

}  // namespace gpunode::text
