#include "gpu/device/mig_profile.h"

#include <ostream>

#include <gtest/gtest.h>

namespace gpunode::device {
namespace {

struct Case {
  const char* gpu;
  std::uint64_t gpu_mib;  // As nvidia-smi reports it.
  unsigned compute;
  unsigned slices;
  std::uint64_t mig_mib;  // The instance, to within some tens of MiB.
  MigVariant variant;
  const char* name;
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.gpu << " " << c.name;
}

class ProfileName : public testing::TestWithParam<Case> {};

TEST_P(ProfileName, IsWhatNvidiaCallsIt) {
  const Case& c = GetParam();
  EXPECT_EQ(
      mig_profile_name(c.compute, c.slices,
                       mig_memory_gb(c.mig_mib, c.gpu_mib << 20U), c.variant),
      c.name);
}

constexpr auto kPlain = MigVariant::kPlain;
constexpr auto kMedia = MigVariant::kMedia;

INSTANTIATE_TEST_SUITE_P(
    RealGpus, ProfileName,
    testing::Values(Case{"A100-40GB", 40536, 1, 1, 4864, kPlain, "1g.5gb"},
                    Case{"A100-40GB", 40536, 1, 1, 4864, kMedia, "1g.5gb+me"},
                    Case{"A100-40GB", 40536, 1, 1, 9984, kPlain, "1g.10gb"},
                    Case{"A100-40GB", 40536, 2, 2, 9984, kPlain, "2g.10gb"},
                    Case{"A100-40GB", 40536, 1, 2, 9984, kPlain, "1c.2g.10gb"},
                    Case{"A100-40GB", 40536, 3, 3, 20096, kPlain, "3g.20gb"},
                    Case{"A100-40GB", 40536, 4, 4, 20096, kPlain, "4g.20gb"},
                    Case{"A100-40GB", 40536, 7, 7, 40448, kPlain, "7g.40gb"},
                    Case{"A100-40GB", 40960, 1, 1, 4864, kPlain, "1g.5gb"},
                    Case{"A100-80GB", 81920, 1, 1, 9728, kPlain, "1g.10gb"},
                    Case{"A100-80GB", 81920, 1, 1, 19968, kPlain, "1g.20gb"},
                    Case{"A100-80GB", 81920, 3, 3, 40192, kPlain, "3g.40gb"},
                    Case{"A100-80GB", 81920, 7, 7, 80896, kPlain, "7g.80gb"},
                    Case{"A30", 24576, 1, 1, 5952, kPlain, "1g.6gb"},
                    Case{"A30", 24576, 2, 2, 12032, kMedia, "2g.12gb+me"},
                    Case{"A30", 24576, 4, 4, 24192, kPlain, "4g.24gb"},
                    Case{"H100", 81559, 1, 1, 9984, kPlain, "1g.10gb"},
                    Case{"H100", 81559, 1, 1, 9984, kMedia, "1g.10gb+me"},
                    Case{"H100", 81559, 1, 1, 20096, kPlain, "1g.20gb"},
                    Case{"H100", 81559, 2, 2, 20096, kPlain, "2g.20gb"},
                    Case{"H100", 81559, 3, 3, 40448, kPlain, "3g.40gb"},
                    Case{"H100", 81559, 7, 7, 81152, kPlain, "7g.80gb"},
                    Case{"H200", 143771, 1, 1, 16384, kPlain, "1g.18gb"},
                    Case{"H200", 143771, 1, 1, 33280, kPlain, "1g.35gb"},
                    Case{"H200", 143771, 3, 3, 71424, kPlain, "3g.71gb"},
                    Case{"H200", 143771, 7, 7, 143104, kPlain, "7g.141gb"},
                    Case{"B200", 183359, 1, 1, 21632, kPlain, "1g.23gb"},
                    Case{"B200", 183359, 1, 1, 45056, kPlain, "1g.45gb"},
                    Case{"B200", 183359, 3, 3, 91136, kPlain, "3g.90gb"},
                    Case{"B200", 183359, 7, 7, 182784, kPlain, "7g.180gb"},
                    Case{"RTX PRO 6000", 97887, 1, 1, 24192,
                         MigVariant::kNoMedia, "1g.24gb-me"},
                    Case{"RTX PRO 6000", 97887, 1, 1, 24192,
                         MigVariant::kAllMedia, "1g.24gb+me.all"},
                    Case{"RTX PRO 6000", 97887, 4, 4, 96768,
                         MigVariant::kGraphics, "4g.96gb+gfx"}));

TEST(MigMemory, IsZeroWhenTheGpuWouldNotSayItsOwn) {
  EXPECT_EQ(mig_memory_gb(4864, 0), 0U);
}

TEST(MigVariant, IsReadFromTheEndOfADriversName) {
  EXPECT_EQ(variant_of_name("NVIDIA A100-SXM4-40GB MIG 1g.5gb"), kPlain);
  EXPECT_EQ(variant_of_name("NVIDIA A100-SXM4-40GB MIG 1g.5gb+me"), kMedia);
  EXPECT_EQ(variant_of_name("MIG 1g.24gb+me.all"), MigVariant::kAllMedia);
  EXPECT_EQ(variant_of_name("MIG 1g.24gb+gfx"), MigVariant::kGraphics);
  EXPECT_EQ(variant_of_name("MIG 1g.24gb-me"), MigVariant::kNoMedia);
  EXPECT_EQ(variant_of_name(""), kPlain);
}

}  // namespace
}  // namespace gpunode::device
