// gRPC's background work on one thread, however many cores there are.
#pragma once

namespace gpunode::kubelet {

/// Makes gRPC, in this process and from its next initialisation on, run its
/// timers and closures on one thread instead of a pool that grows with the
/// cores (39 threads on 96 of them), and without abseil's search for deadlocks
/// at every lock. Call before any other use of gRPC; later
/// calls do nothing. Any thread.
void use_one_thread_engine();

}  // namespace gpunode::kubelet
