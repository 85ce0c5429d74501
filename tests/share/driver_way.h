// The ways that lead to the driver, and a call of it by the one asked for.
#pragma once

#include <string>

#include "gpu/abi/cuda.h"

namespace gpunode::share {

/// linked, dlsym, default, dlvsym, proc, proc_v2, proc_ptsz (the null stream is
/// the thread's own), or that to a table of the
/// driver's: table_linked, table_dlsym, table_proc.
extern std::string way;

[[noreturn]] void end_with(int status);

/// The form of a call that programs of CUDA 12 get; ends the program if there
/// is none. `name` is the plain one, `exported` that of the symbol.
void* find_call(const char* name, const char* exported, void* linked);

template <typename Function>
Function* get(const char* name, const char* exported, Function* linked) {
  return reinterpret_cast<Function*>(
      find_call(name, exported, reinterpret_cast<void*>(linked)));
}
#define GET(name, exported) \
  gpunode::share::get(#name, #exported, &gpunode::abi::exported)

}  // namespace gpunode::share
