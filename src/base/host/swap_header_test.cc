#include "base/host/swap_header.h"

#include <fcntl.h>

#include <gtest/gtest.h>

#include "base/host/host_tree.h"
#include "base/host/superblock_bytes.h"

namespace gpunode::host {
namespace {

Result<std::string> uuid_in(const std::string& bytes) {
  const HostTree tree{{"swap", bytes}};
  TRY(const UniqueFd fd, tree.root().open("/swap", O_RDONLY));
  return read_swap_uuid(fd.get());
}

TEST(SwapHeader, SaysItsUuidWhateverTheSizeOfAPage) {
  for (const std::size_t page : {4096U, 16384U, 65536U}) {
    EXPECT_EQ(*uuid_in(swap_space(page)), kSampleUuid) << page;
  }
}

TEST(SwapHeader, MayHaveNoUuid) {
  std::string bytes = swap_space();
  put_text(bytes, 1036, std::string(16, '\0'));
  EXPECT_EQ(*uuid_in(bytes), "");
}

TEST(SwapHeader, IsNotInWhatIsNoSwapSpace) {
  for (const std::string& bytes :
       {std::string(), std::string("x"), std::string(1 << 17, '\0'),
        swap_space().substr(0, 4090)}) {
    const auto uuid = uuid_in(bytes);
    ASSERT_FALSE(uuid);
    EXPECT_EQ(uuid.error().code(), ErrorCode::kNotFound);
  }
}

}  // namespace
}  // namespace gpunode::host
