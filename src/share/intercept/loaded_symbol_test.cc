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

TEST(LoadedSymbol, IsFoundInALibraryOfAnOldLinkerToo) {
  void* library = dlopen(GPUNODE_OLD_HASH_EXAMPLE, RTLD_NOW);
  ASSERT_NE(library, nullptr) << dlerror();
  for (const char* name :
       {"gpunode_old_first", "gpunode_old_second",
        "gpunode_old_third_with_a_long_name_whose_hash_overflows"}) {
    void* found = find_loaded_symbol("libold_hash_example", name);
    ASSERT_NE(found, nullptr) << name;
    EXPECT_EQ(found, dlsym(library, name)) << name;
  }
  // Neither what isn't there nor what is no function.
  for (const char* name : {"gpunode_old_fourth", "gpunode_old_variable", ""}) {
    EXPECT_EQ(find_loaded_symbol("libold_hash_example", name), nullptr) << name;
  }
  dlclose(library);
  EXPECT_EQ(find_loaded_symbol("libold_hash_example", "gpunode_old_first"),
            nullptr);
}

TEST(LoadedSymbol, WhatIsKnownIsForgottenWhenALibraryWasUnloaded) {
  LoadedOnce known;
  EXPECT_FALSE(known.is_known());
  known.know(unloads_so_far());
  known.forget_if_unloaded();
  EXPECT_TRUE(known.is_known());
  void* library = dlopen(GPUNODE_OLD_HASH_EXAMPLE, RTLD_NOW);
  known.forget_if_unloaded();
  EXPECT_TRUE(known.is_known()) << "one more changes no address";
  dlclose(library);
  EXPECT_TRUE(known.is_known());
  known.forget_if_unloaded();
  EXPECT_FALSE(known.is_known());
}

TEST(LoadedSymbol, AnAddressHasThePathOfItsFile) {
  const void* address = find_loaded_symbol("libc.so", "getpid");
  Dl_info info = {};
  ASSERT_NE(dladdr(address, &info), 0);
  const std::string expected = info.dli_fname;
  std::array<char, 4096> path = {};
  ASSERT_TRUE(file_of(address, path.data(), expected.size() + 1));
  EXPECT_EQ(path.data(), expected);
  EXPECT_FALSE(file_of(address, path.data(), expected.size()));
  EXPECT_FALSE(file_of(nullptr, path.data(), path.size()));
}

}  // namespace
}  // namespace gpunode::share
