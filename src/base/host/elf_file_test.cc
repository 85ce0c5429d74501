#include "base/host/elf_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstddef>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/elf_builder.h"
#include "base/host/host_tree.h"

namespace gpunode::host {
namespace {

Result<SharedObject> read(const std::string& bytes) {
  return read_shared_object(MemoryBytes(bytes));
}

TEST(ElfFile, TellsSonameAndLoader) {
  const auto object = read(ElfBuilder::build({.soname = "libx.so.1"}));
  ASSERT_TRUE(object) << object.error().message();
  EXPECT_EQ(object->soname, "libx.so.1");
  EXPECT_EQ(object->cache_flags, 0x0303);
  EXPECT_EQ(object->isa_level, 0U);

  const auto arm =
      read(ElfBuilder::build({.soname = "libx.so.1", .machine = EM_AARCH64}));
  ASSERT_TRUE(arm);
  EXPECT_EQ(arm->cache_flags, 0x0a03);
}

TEST(ElfFile, TellsTheClass) {
  const auto wide = read(ElfBuilder::build({.soname = "libcuda.so.1"}));
  ASSERT_TRUE(wide) << wide.error().message();
  EXPECT_TRUE(wide->is_64bit);
  const auto narrow =
      read(ElfBuilder::build({.soname = "libcuda.so.1", .machine = EM_386}));
  ASSERT_TRUE(narrow) << narrow.error().message();
  EXPECT_FALSE(narrow->is_64bit);
  EXPECT_EQ(narrow->soname, "libcuda.so.1");
  EXPECT_EQ(narrow->cache_flags, 0x0001);
}

TEST(ElfFile, MayHaveNoSoname) {
  const auto object = read(ElfBuilder::build({.soname = ""}));
  ASSERT_TRUE(object);
  EXPECT_EQ(object->soname, "");
}

TEST(ElfFile, TellsTheInstructionsItNeeds) {
  for (unsigned level = 0; level < 4; ++level) {
    const auto object = read(
        ElfBuilder::build({.soname = "libx.so.1", .isa_needed = 1U << level}));
    ASSERT_TRUE(object);
    EXPECT_EQ(object->isa_level, level);
  }
}

TEST(ElfFile, OfThisSystemIsRead) {
  const UniqueFd fd(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  // A position-independent program has a dynamic section and no soname.
  const auto object = read_shared_object(FileBytes(fd.get()));
  ASSERT_TRUE(object) << object.error().message();
  EXPECT_EQ(object->soname, "");
}

TEST(ElfFile, OfAnotherKindIsRefused) {
  const std::string good = ElfBuilder::build({.soname = "libx.so.1"});
  EXPECT_FALSE(read(""));
  EXPECT_FALSE(read("/* GNU ld script */\nGROUP ( libc.so.6 )\n"));
  EXPECT_FALSE(read(ElfBuilder::build({.soname = "x", .machine = EM_S390})));
  std::string other = good;
  other[EI_DATA] = ELFDATA2MSB;
  EXPECT_FALSE(read(other));
  other = good;
  other[offsetof(Elf64_Ehdr, e_type)] = ET_EXEC;
  EXPECT_EQ(read(other).error().code(), ErrorCode::kInvalidArgument);
}

TEST(ElfFile, WithASonameThatLeavesItsDirectoryIsRefused) {
  for (const char* soname : {"../../etc/passwd", "/etc/passwd", "a/b", "..",
                             "lib x.so", "lib\nx.so", "lib\x80.so"}) {
    EXPECT_EQ(read(ElfBuilder::build({.soname = soname})).error().code(),
              ErrorCode::kCorrupt)
        << soname;
  }
  EXPECT_FALSE(read(ElfBuilder::build({.soname = std::string(256, 'x')})));
  EXPECT_TRUE(read(ElfBuilder::build({.soname = std::string(255, 'x')})));
}

TEST(ElfFile, ThatIsCutAnywhereIsRefusedOrTheSame) {
  const std::string good = ElfBuilder::build(
      {.soname = "libx.so.1", .needed = {"libc.so.6"}, .isa_needed = 2});
  for (std::size_t size = 0; size < good.size(); ++size) {
    const auto object = read(good.substr(0, size));
    EXPECT_TRUE(!object || object->soname == "libx.so.1") << size;
  }
}

TEST(ElfFile, WithAnyByteWrongDoesNoHarm) {
  const std::string good =
      ElfBuilder::build({.soname = "libx.so.1",
                         .note_section = ".note.cuda.fwd_compatibility",
                         .note_text = "{}",
                         .isa_needed = 2});
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const char value : {'\0', '\x01', '\x7f', '\xff'}) {
      std::string bad = good;
      bad[at] = value;
      static_cast<void>(read(bad));
      static_cast<void>(read_note_section(MemoryBytes(bad),
                                          ".note.cuda.fwd_compatibility",
                                          "NVIDIA Corporation"));
    }
  }
}

TEST(ElfFile, IsReadTheSameFromAFile) {
  const std::string bytes = ElfBuilder::build(
      {.soname = "libx.so.1", .needed = {std::string(9000, 'n')}});
  const host::HostTree tree{{"lib", bytes}};
  const UniqueFd fd(::open(tree.path("lib").c_str(), O_RDONLY | O_CLOEXEC));
  const auto object = read_shared_object(FileBytes(fd.get()));
  ASSERT_TRUE(object) << object.error().message();
  EXPECT_EQ(object->soname, "libx.so.1");
}

TEST(ElfFile, SaysWhichLoaderAProgramWants) {
  const std::string bytes =
      ElfBuilder::build({.soname = "", .interpreter = "/lib/ld.so.1"});
  const auto program = read_program(MemoryBytes(bytes));
  ASSERT_TRUE(program) << program.error().message();
  EXPECT_TRUE(program->is_64bit);
  EXPECT_EQ(program->machine, EM_X86_64);
  EXPECT_EQ(program->interpreter, "/lib/ld.so.1");
  const auto alone = read_program(
      MemoryBytes(ElfBuilder::build({.soname = "", .machine = EM_386})));
  ASSERT_TRUE(alone) << alone.error().message();
  EXPECT_FALSE(alone->is_64bit);
  EXPECT_EQ(alone->machine, EM_386);
  EXPECT_EQ(alone->interpreter, "");
}

TEST(ElfFile, OfAProgramMayLieInNothing) {
  const std::string bytes =
      ElfBuilder::build({.soname = "", .interpreter = "/lib/ld.so.1"});
  // Wherever it ends, it is a program or it is none.
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto program = read_program(MemoryBytes(bytes.substr(0, size)));
    EXPECT_FALSE(program) << size;
  }
  std::string other = bytes;
  other[offsetof(Elf64_Ehdr, e_type)] = ET_CORE;
  EXPECT_EQ(read_program(MemoryBytes(other)).error().code(),
            ErrorCode::kInvalidArgument);
  std::string endless =
      ElfBuilder::build({.soname = "", .interpreter = std::string(5000, 'l')});
  EXPECT_EQ(read_program(MemoryBytes(endless)).error().code(),
            ErrorCode::kCorrupt);
}

TEST(ElfFile, GivesItsNoteByOwner) {
  const std::string bytes =
      ElfBuilder::build({.soname = "libcuda.so.1",
                         .note_section = ".note.cuda.fwd_compatibility",
                         .note_text = R"({"Format": 1})"});
  const MemoryBytes source(bytes);
  const auto note = read_note_section(source, ".note.cuda.fwd_compatibility",
                                      "NVIDIA Corporation");
  ASSERT_TRUE(note) << note.error().message();
  EXPECT_EQ(*note, R"({"Format": 1})");
  EXPECT_EQ(read_note_section(source, ".note.other", "NVIDIA Corporation")
                .error()
                .code(),
            ErrorCode::kNotFound);
  EXPECT_EQ(
      read_note_section(source, ".note.cuda.fwd_compatibility", "Somebody")
          .error()
          .code(),
      ErrorCode::kCorrupt);
  EXPECT_EQ(read_note_section(
                MemoryBytes(ElfBuilder::build({.soname = "libcuda.so.1"})),
                ".note.cuda.fwd_compatibility", "NVIDIA Corporation")
                .error()
                .code(),
            ErrorCode::kNotFound);
}

}  // namespace
}  // namespace gpunode::host
