#include "share/intercept/loaded_symbol.h"

#include <dlfcn.h>

#include <array>
#include <string>

#include <gtest/gtest.h>

namespace gpunode::share {
namespace {

TEST(LoadedSymbol, IsWhereDlsymFindsIt) {
  // Functions that the C library has in one version, and in several.
  for (const char* name :
       {"getpid", "dlsym", "memcpy", "realpath", "regexec"}) {
    void* found = find_loaded_symbol("libc.so", name);
    ASSERT_NE(found, nullptr) << name;
    if (std::string(name) == "memcpy") continue;  // Chosen at load time.
    void* library = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
    EXPECT_EQ(found, dlsym(library, name)) << name;
    dlclose(library);
  }
}

TEST(LoadedSymbol, IsNullForWhatIsNotThere) {
  EXPECT_EQ(find_loaded_symbol("libc.so", "gpunode_no_such_function"), nullptr);
  EXPECT_EQ(find_loaded_symbol("libc.so", ""), nullptr);
  EXPECT_EQ(find_loaded_symbol("libno.so", "getpid"), nullptr);
}

TEST(LoadedSymbol, AnAddressHasTheDirectoryOfItsFile) {
  std::array<char, 4096> directory = {};
  ASSERT_TRUE(directory_of(find_loaded_symbol("libc.so", "getpid"),
                           directory.data(), directory.size()));
  EXPECT_EQ(directory[0], '/');
  EXPECT_EQ(std::string(directory.data()).back(), '/');
  EXPECT_FALSE(directory_of(find_loaded_symbol("libc.so", "getpid"),
                            directory.data(), 3));
  EXPECT_FALSE(directory_of(nullptr, directory.data(), directory.size()));
}

}  // namespace
}  // namespace gpunode::share
