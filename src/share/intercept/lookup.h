// dlsym and dlvsym as programs of this process get them: the C library's, but
// for functions of the driver, which come back as ours.
#pragma once

namespace gpunode::share {

/// The C library's own, found when first asked for; where it has none, one that
/// finds nothing.
using Dlsym = void* (*)(void* library, const char* name);
Dlsym real_dlsym();

}  // namespace gpunode::share
