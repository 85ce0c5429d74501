// Secrets out of text that is shown or kept.
#pragma once

#include <string>
#include <string_view>

namespace gpunode::packages {

/// Without user names and passwords in URLs, without tokens in queries and
/// headers, and without what is quoted after `password =` and the like. Rather
/// too much than too little: what looks like a secret is one.
std::string redacted(std::string_view text);

}  // namespace gpunode::packages
