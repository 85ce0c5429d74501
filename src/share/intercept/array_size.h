// Bytes of device memory behind an array.
#pragma once

#include <cstdint>

#include "gpu/abi/cuda_memory.h"

namespace gpunode::share {

/// What an array of so many levels takes before the driver rounds it to its
/// blocks (charged_bytes). 0: nothing, for one that is mapped later, or one
/// that no driver makes: it has words of its own for that.
///
/// As measured on an H200, driver 580, by arrays of thirty shapes: rows of 64
/// bytes, in tiles of 8 rows, and these in piles of up to 16; in those with
/// depth piles are two tiles high and 16 layers deep. Piles are no larger than
/// what they hold needs, to the next power of two.
std::uint64_t array_bytes(const abi::CUDA_ARRAY3D_DESCRIPTOR& array,
                          unsigned levels);

}  // namespace gpunode::share
