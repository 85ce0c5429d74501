// Who hears of errors beside standard error.
#pragma once

#include <functional>

#include "apps/gpunode/session.h"

namespace gpunode::cli {

using ErrorSink = std::function<void(const Error& error, ExitCode code)>;

/// `sink` is told what Session::fail says from now on. For main, before
/// anything is done.
void set_error_sink(ErrorSink sink);

}  // namespace gpunode::cli
