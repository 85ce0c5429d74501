#include "container/hook/first_program.h"

#include <filesystem>
#include <optional>
#include <string>

#include <elf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/host/elf_builder.h"
#include "base/host/host_tree.h"

namespace gpunode::hook {
namespace {

using host::ElfBuilder;
using Loader = FirstProgram::Loader;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kGlibc = "/lib64/ld-linux-x86-64.so.2";
constexpr const char* kMusl = "/lib/ld-musl-x86_64.so.1";

std::string program(const std::string& interpreter,
                    std::uint16_t machine = EM_X86_64) {
  return ElfBuilder::build(
      {.soname = "", .machine = machine, .interpreter = interpreter});
}

class FirstProgramTest : public testing::Test {
 protected:
  FirstProgramTest() {
    tree_.directory("root/bin");
    words_ = {{"/bin/app"}, "/usr/bin:/bin", "/work", {}};
  }

  void file(const std::string& path, const std::string& content) const {
    tree_.file("root" + path, content);
    mode(path, 0755);
  }
  void mode(const std::string& path, unsigned bits) const {
    std::filesystem::permissions(tree_.path("root" + path),
                                 static_cast<std::filesystem::perms>(bits));
  }
  void add_glibc() const {
    file(kGlibc, ElfBuilder::build({.soname = "ld-linux-x86-64.so.2"}));
  }
  void add_musl() const {
    file(kMusl, ElfBuilder::build({.soname = "libc.musl-x86_64.so.1"}));
  }

  FirstProgram found() const {
    const auto root = host::RootDirectory::open(tree_.path("root"));
    if (!root) std::abort();
    return find_first_program(*root, words_, EM_X86_64);
  }
  std::string why_not() const { return why_not_preloaded(found()); }

  const host::HostTree tree_;
  StartWords words_;
};

TEST_F(FirstProgramTest, OfGlibcLoadsIt) {
  add_glibc();
  file("/bin/app", program(kGlibc));
  EXPECT_EQ(found().loader, Loader::kGlibc);
  EXPECT_EQ(why_not(), "");
}

TEST_F(FirstProgramTest, OfGlibcElsewhereLoadsItToo) {
  file("/opt/glibc/ld-linux-x86-64.so.2",
       ElfBuilder::build({.soname = "ld-linux-x86-64.so.2"}));
  file("/bin/app", program("/opt/glibc/ld-linux-x86-64.so.2"));
  EXPECT_EQ(found().loader, Loader::kGlibc);
  EXPECT_EQ(why_not(), "");
}

TEST_F(FirstProgramTest, StaticInAnImageWithoutGlibcDoesNot) {
  file("/bin/app", program(""));
  EXPECT_EQ(why_not(), "/bin/app is a static program");
}

TEST_F(FirstProgramTest, OfMuslDoesNot) {
  add_musl();
  file("/bin/app", program(kMusl));
  EXPECT_THAT(why_not(), HasSubstr("/bin/app is of musl"));
}

TEST_F(FirstProgramTest, ThatStartsOthersOfGlibcIsLetBe) {
  add_glibc();
  add_musl();
  file("/bin/app", program(""));
  EXPECT_EQ(found().loader, Loader::kNone);
  EXPECT_EQ(why_not(), "");
  file("/bin/app", program(kMusl));
  EXPECT_EQ(found().loader, Loader::kMusl);
  EXPECT_EQ(why_not(), "");
}

TEST_F(FirstProgramTest, IsNotTakenInByALoaderUnderGlibcsName) {
  // gcompat, and a link to musl's.
  file(kGlibc, ElfBuilder::build({.soname = "libgcompat.so.0"}));
  file("/bin/app", program(kGlibc));
  EXPECT_EQ(found().loader, Loader::kOther);
  EXPECT_THAT(why_not(), HasSubstr("another loader than glibc's"));
}

TEST_F(FirstProgramTest, OfNixDoesNot) {
  const std::string loader = "/nix/store/x-glibc-2.39/lib/ld-linux-x86-64.so.2";
  file(loader, ElfBuilder::build({.soname = "ld-linux-x86-64.so.2"}));
  file("/bin/app", program(loader));
  EXPECT_THAT(why_not(), HasSubstr("Nix"));
}

TEST_F(FirstProgramTest, OfAnotherMachineDoesNot) {
  file("/lib/ld-linux.so.2",
       ElfBuilder::build({.soname = "ld-linux.so.2", .machine = EM_386}));
  file("/bin/app", program("/lib/ld-linux.so.2", EM_386));
  EXPECT_THAT(why_not(), HasSubstr("another machine"));
  add_glibc();  // Its children may be of ours.
  EXPECT_EQ(why_not(), "");
}

TEST_F(FirstProgramTest, IsTheInterpreterOfAScript) {
  add_musl();
  file("/bin/app", "#! /bin/wrap -x\n");
  file("/bin/wrap", "#!/bin/sh\n");
  file("/bin/sh", program(kMusl));
  EXPECT_EQ(found().path, "/bin/sh");
  EXPECT_THAT(why_not(), HasSubstr("/bin/sh is of musl"));
  file("/bin/wrap", "#!/bin/app\n");  // Round and round.
  EXPECT_EQ(why_not(), "");
}

TEST_F(FirstProgramTest, IsFoundAsExecvpFindsIt) {
  file("/bin/app", program(""));
  words_.args = {"app"};
  EXPECT_EQ(found().path, "/bin/app");
  file("/usr/bin/app", program(""));
  EXPECT_EQ(found().path, "/usr/bin/app");
  words_.args = {"./app"};
  file("/work/app", program(""));
  EXPECT_THAT(why_not(), HasSubstr("/work"));
  words_ = {{"app"}, "", "", {}};
  EXPECT_EQ(found().loader, Loader::kNone);
}

TEST_F(FirstProgramTest, ThatMayNotBeExecutedIsPassedOver) {
  file("/usr/bin/app", "no program\n");
  mode("/usr/bin/app", 0644);
  file("/bin/app", program(""));
  words_.args = {"app"};
  EXPECT_EQ(found().path, "/bin/app");
  mode("/usr/bin/app", 0611);
  EXPECT_EQ(found().path, "/usr/bin/app");
  tree_.remove("root/usr/bin/app");
  tree_.directory("root/usr/bin/app");
  EXPECT_EQ(found().path, "/bin/app");
  mode("/bin/app", 0644);
  EXPECT_EQ(found().loader, Loader::kUnknown);
}

TEST_F(FirstProgramTest, IsFoundFromTheWorkingDirectory) {
  file("/work/tools/app", program(""));
  for (const char* search_path :
       {"tools", "/usr/bin:tools:/bin", "./tools", "../work/tools/"}) {
    words_ = {{"app"}, search_path, "/work", {}};
    EXPECT_EQ(found().loader, Loader::kNone) << search_path;
  }
  for (const char* search_path : {":/bin", "/bin:", "/usr/bin::/bin", "."}) {
    words_ = {{"app"}, search_path, "/work/tools", {}};
    EXPECT_EQ(found().loader, Loader::kNone) << search_path;
  }
  words_ = {{"tools/app"}, "", "/work", {}};
  EXPECT_EQ(found().loader, Loader::kNone);
  words_ = {{"../tools/app"}, "", "/work/other", {}};
  EXPECT_EQ(found().loader, Loader::kUnknown) << "there is no such directory";
  tree_.directory("root/work/other");
  EXPECT_EQ(found().loader, Loader::kNone);
  words_ = {{"work/tools/app"}, "", "", {}};
  EXPECT_EQ(found().loader, Loader::kNone);
  // ".." is where the link leads to, as the kernel has it.
  tree_.link("root/here", "work/other");
  words_ = {{"../tools/app"}, "", "/here", {}};
  EXPECT_EQ(found().loader, Loader::kNone);
}

TEST_F(FirstProgramTest, BehindALinkIntoAVolumeIsNotKnown) {
  file("/bin/app", program(""));
  tree_.link("root/usr/bin", "/volume/bin");
  words_ = {{"app"}, "/usr/bin:/bin", "/", {}};
  EXPECT_EQ(found().loader, Loader::kNone);
  words_.volumes = {"/volume/"};
  EXPECT_EQ(found().loader, Loader::kUnknown) << "the volume may have one";
  // The image's link there is not the volume's.
  tree_.link("root/volume/bin", "/bin");
  EXPECT_EQ(found().loader, Loader::kUnknown);
  words_.args = {"/usr/bin/app"};
  EXPECT_EQ(found().loader, Loader::kUnknown);
  // Where the volume is mounted is a link, too.
  tree_.link("root/data", "volume");
  words_.volumes = {"data/./"};
  EXPECT_EQ(found().loader, Loader::kUnknown);
  words_.volumes = {};
  EXPECT_EQ(found().loader, Loader::kNone);
}

TEST_F(FirstProgramTest, ThatIsGlibcsLoaderItselfLoadsWhatItPreloads) {
  // In an image that has it elsewhere: none is at the usual place.
  file("/opt/lib/ld-linux-x86-64.so.2",
       ElfBuilder::build({.soname = "ld-linux-x86-64.so.2"}));
  words_.args = {"/opt/lib/ld-linux-x86-64.so.2", "/opt/bin/app"};
  EXPECT_EQ(found().loader, Loader::kGlibc);
  EXPECT_EQ(why_not(), "");
}

TEST_F(FirstProgramTest, ThatIsAnotherLoaderItselfDoesNot) {
  add_musl();
  words_.args = {kMusl, "/bin/app"};
  EXPECT_THAT(why_not(), HasSubstr("is of musl"));
  const std::string nix = "/nix/store/x-glibc-2.39/lib/ld-linux-x86-64.so.2";
  file(nix, ElfBuilder::build({.soname = "ld-linux-x86-64.so.2"}));
  words_.args = {nix, "/bin/app"};
  EXPECT_THAT(why_not(), HasSubstr("Nix"));
  file("/bin/app", ElfBuilder::build({.soname = ""}));  // A static PIE.
  words_.args = {"/bin/app"};
  EXPECT_THAT(why_not(), HasSubstr("static"));
}

TEST_F(FirstProgramTest, InAVolumeIsNotKnown) {
  file("/bin/app", program(""));
  words_.volumes = {"/bin"};
  EXPECT_EQ(found().loader, Loader::kUnknown);
  words_.args = {"app"};
  EXPECT_EQ(found().loader, Loader::kUnknown);
  words_.volumes = {"/bi", "/bin/app2"};
  EXPECT_EQ(found().loader, Loader::kNone);
  // By a link into it, too.
  tree_.link("root/opt", "bin");
  words_.args = {"/opt/app"};
  words_.volumes = {"/bin"};
  EXPECT_EQ(found().loader, Loader::kUnknown);
}

TEST_F(FirstProgramTest, MayStartOthersWhereAVolumeHidesTheLoader) {
  file("/bin/app", program(""));
  words_ = {{"/bin/app"}, "", "", {}};
  EXPECT_THAT(why_not(), HasSubstr("static"));
  words_.volumes = {"/lib", "/lib64"};
  EXPECT_EQ(why_not(), "");
}

TEST_F(FirstProgramTest, ThatIsNoneIsLetBe) {
  EXPECT_EQ(why_not(), "");  // Not there.
  tree_.file("outside", program(""));
  tree_.link("root/bin/app", "../../outside");  // Beneath the root: nothing.
  EXPECT_EQ(why_not(), "");
  tree_.remove("root/bin/app");
  const std::string whole = program("");
  for (const std::string& bytes :
       {std::string(), std::string("#!"), std::string("#!\n"),
        std::string("garbage"), whole.substr(0, 70),
        std::string("\x7f"
                    "ELF"),
        std::string(300, '#')}) {
    file("/bin/app", bytes);
    EXPECT_EQ(why_not(), "") << bytes;
  }
  // Its loader is missing: it will not start.
  file("/bin/app", program("/lib/nothing.so"));
  EXPECT_EQ(why_not(), "");
  words_.args = {};
  EXPECT_EQ(why_not(), "");
  words_.args = {""};
  EXPECT_EQ(why_not(), "");
}

TEST_F(FirstProgramTest, NameIsShownWithoutItsControlCharacters) {
  file("/bin/a\n\x1b[1m", program(""));
  words_.args = {"/bin/a\n\x1b[1m"};
  EXPECT_THAT(why_not(), Not(HasSubstr("\n")));
  EXPECT_THAT(why_not(), HasSubstr("static"));
}

}  // namespace
}  // namespace gpunode::hook
