// Calls of our own while the program may be capturing a stream into a graph.
#pragma once

#include "share/intercept/taking.h"

namespace gpunode::share {

/// While it lives, this thread's calls are not forbidden because a capture is
/// on: even asking a pool for its size would be, and would spoil the capture.
class RelaxedCapture {
 public:
  RelaxedCapture() { exchange(); }
  RelaxedCapture(const RelaxedCapture&) = delete;
  RelaxedCapture& operator=(const RelaxedCapture&) = delete;
  ~RelaxedCapture() { exchange(); }

 private:
  void exchange() {
    const auto ask = real_of(driver().cuThreadExchangeStreamCaptureMode);
    if (ask != nullptr) ask(&mode_);
  }

  abi::CUstreamCaptureMode mode_ = abi::CU_STREAM_CAPTURE_MODE_RELAXED;
};

}  // namespace gpunode::share
