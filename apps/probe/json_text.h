// Text of the driver's as a JSON string. In the C++ subset of the old-glibc
// class (docs/adr/0005).
#pragma once

#include <cstdio>

namespace gpunode::probe {

/// Writes `text` with quotes, escaped, to `out`.
void print_json_text(const char* text, std::FILE* out);
/// Writes what a call of NVML's came to: its code, and the driver's text for
/// it.
void print_json_result(int code, const char* text, std::FILE* out);

}  // namespace gpunode::probe
