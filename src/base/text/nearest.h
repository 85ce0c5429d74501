// "Did you mean": the known name that a mistyped one was meant to be.
#pragma once

#include <span>
#include <string_view>

namespace gpunode::text {

/// The candidate closest to `word` by insertions, deletions, substitutions and
/// swaps of neighbours, letter case ignored; empty if none is near enough (a
/// third of the word's length, at least one edit).
std::string_view nearest_name(std::string_view word,
                              std::span<const std::string_view> candidates);

}  // namespace gpunode::text
