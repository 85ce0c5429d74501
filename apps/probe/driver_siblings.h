// Libraries that libcuda opens for itself, by names without a folder.
//
// In the C++ subset of the old-glibc class (docs/adr/0005).
#pragma once

namespace gpunode::probe {

/// Loads, for the life of the process, those that lie beside `libcuda`, a path:
/// the loader then takes them for the names that libcuda asks for, and not
/// another driver's, which this machine may have. What is not there is passed
/// over, and so is a `libcuda` without a folder: the loader finds it and them.
void load_siblings(const char* libcuda);

}  // namespace gpunode::probe
