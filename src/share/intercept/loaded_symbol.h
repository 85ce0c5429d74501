// A function of a library that is loaded, found without dlsym: which is what
// this library stands in for.
#pragma once

namespace gpunode::share {

/// Where `name` is in the first loaded object whose file name begins with
/// `file` ("libc.so"); null if there is none. Of several versions of a name it
/// is the one that new programs get.
void* find_loaded_symbol(const char* file, const char* name);

/// The directory of the file that `address` was loaded from, with its final
/// slash, into `directory`; false if it is unknown or longer than `size`.
bool directory_of(const void* address, char* directory, unsigned long size);

}  // namespace gpunode::share
