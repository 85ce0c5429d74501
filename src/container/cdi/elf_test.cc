#include "container/cdi/elf.h"

#include <fcntl.h>

#include <gtest/gtest.h>

#include "base/core/unique_fd.h"
#include "container/cdi/elf_example_test.h"

namespace gpunode::cdi {
namespace {

TEST(Elf, TellsClassAndSoname) {
  EXPECT_EQ(read_elf_bytes(elf64_with("libcuda.so.1")),
            (ElfFacts{true, "libcuda.so.1"}));
  EXPECT_EQ(read_elf_bytes(elf32_with("libcuda.so.1")),
            (ElfFacts{false, "libcuda.so.1"}));
}

TEST(Elf, OfTheRunningProgramHasNoSoname) {
  const UniqueFd fd(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(fd);
  const auto facts = read_elf_file(fd.get());
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->is_64bit, sizeof(void*) == 8);
  EXPECT_EQ(facts->soname, "");
}

TEST(Elf, OfOtherFilesIsNothing) {
  for (const std::string& bytes :
       {std::string(), std::string("\177ELF"), std::string("#!/bin/sh\n"),
        std::string(100, '\0')}) {
    EXPECT_EQ(read_elf_bytes(bytes), std::nullopt);
  }
  // Big-endian.
  EXPECT_EQ((read_elf_bytes(elf_with<Elf64_Ehdr, Elf64_Phdr, Elf64_Dyn>(
                "x", ELFCLASS64, ELFDATA2MSB))),
            std::nullopt);
}

TEST(Elf, CutShortAnywhereHasNoSonameAndDoesNoHarm) {
  const std::string whole = elf64_with("libcuda.so.1");
  for (std::size_t size = EI_NIDENT; size < whole.size(); ++size) {
    const auto facts = read_elf_bytes(std::string_view(whole).substr(0, size));
    ASSERT_TRUE(facts) << size;
    EXPECT_EQ(facts->soname, "") << size;
  }
}

TEST(Elf, WithAnyByteChangedDoesNoHarm) {
  const std::string whole = elf64_with("libcuda.so.1");
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (const char value : {'\0', '\x7f', '\xff'}) {
      std::string bytes = whole;
      bytes[i] = value;
      if (const auto facts = read_elf_bytes(bytes)) {
        EXPECT_LE(facts->soname.size(), 255U);
      }
    }
  }
}

}  // namespace
}  // namespace gpunode::cdi
