// What kubeadm says when it fails, in words that say what to do. Pure.
#pragma once

#include <string>
#include <string_view>

namespace gpunode::provision {

/// Why a `kubeadm join` failed that printed `output`, and what next. An output
/// that is not known is told by its end.
std::string kubeadm_words(std::string_view output);

/// `text` without `secret`, whole or its part behind the dot.
std::string without_token(std::string text, std::string_view token);

}  // namespace gpunode::provision
