// Each class of defects is reported in every schedule and mode, with a line of the source that has to do with it and
// words that say what it is; the same kernel without the defect runs through.
#include "test/unit/cuda-sim/Harness.h"

#include <fstream>
#include <set>

using namespace lathe::sim_test;

namespace {
// The lines of a file that are marked `// DEFECT name`.
std::set<int> markedLines(const std::string &file, const std::string &name) {
  std::ifstream source(std::string(LATHE_SOURCE_DIR "/test/unit/cuda-sim/") + file);
  std::set<int> lines;
  std::string line;
  for (int number = 1; std::getline(source, line); ++number)
    if ((line + " ").find(" DEFECT " + name + " ") != std::string::npos)
      lines.insert(number);
  EXPECT_FALSE(lines.empty()) << name;
  return lines;
}

struct Case {
  const char *kernel;
  unsigned threads, sharedBytes;
  const char *words; // what the report says
  unsigned blocks = 1;
};
std::ostream &operator<<(std::ostream &out, const Case &c) { return out << c.kernel; }

void expectReport(const std::string &report, const std::string &file, const Case &c) {
  EXPECT_NE(report.find(std::string("cuda-sim: kernel ") + c.kernel + ", block "), std::string::npos) << report;
  EXPECT_NE(report.find(c.words), std::string::npos) << report << "\nexpected: " << c.words;
  size_t at = report.find(file + ":");
  ASSERT_NE(at, std::string::npos) << report;
  EXPECT_TRUE(markedLines(file, c.kernel).count(atoi(report.c_str() + at + file.size() + 1))) << report;
}

class Defects : public testing::TestWithParam<Case> {
protected:
  Device device{"Defects.so"};
  Buffer<float> out{size_t(256)};
};
class DefectsWithInput : public Defects {};
class HopperDefects : public testing::TestWithParam<Case> {};

TEST_P(Defects, IsReported) {
  const Case &c = GetParam();
  underSchedules([&] {
    expectReport(device.launch(c.kernel, c.blocks, c.threads, c.sharedBytes, out.memory, 0), "Defects.cu", c);
    EXPECT_EQ(device.launch(c.kernel, c.blocks, c.threads, c.sharedBytes, out.memory, 1), "");
  });
}
INSTANTIATE_TEST_SUITE_P(
    , Defects,
    testing::Values(
        Case{"missing_barrier", 256, 1024, "race: "}, Case{"overwritten_too_soon", 256, 1024, "race: "},
        Case{"missing_warp_sync", 32, 128, "race: reads"}, Case{"halves_of_a_word", 64, 128, "race: writes"},
        Case{"unwritten", 64, 256, "which nobody has written"},
        Case{"shared_bounds", 64, 256, "at byte 256, but the block has 256"},
        Case{"shared_alignment", 64, 256, "which is not aligned to them"},
        Case{"global_bounds", 64, 0, "elements [64, 65) of 64"},
        Case{"global_alignment", 64, 0, "which is not aligned"}, Case{"not_allocated", 64, 0, "not in an allocation"},
        Case{"divergent_collective", 64, 0, "divergence: "}, Case{"divergent_barrier", 64, 0, "divergence: "},
        Case{"lanes_returned", 64, 0, "return"}, Case{"returned_before_barrier", 64, 0, "return"},
        Case{"named_barriers", 64, 256, ""}, Case{"shared_barrier", 128, 0, "not ordered after its last round"},
        Case{"barrier_deadlock", 64, 0, "expected whole warps"},
        Case{"offset_for_address", 64, 256, "ldmatrix of shared address"},
        Case{"unexpected", 64, 0, "expected fixed || thread() != 7"}));

TEST_P(DefectsWithInput, IsReported) {
  const Case &c = GetParam();
  Buffer<float> in(std::vector<float>(64, 1.0f));
  underSchedules([&] {
    Buffer<int> zero(std::vector<int>(64, 0)), again(std::vector<int>(64, 0)), one(std::vector<int>(64, 1));
    bool lock = std::string(c.kernel) == "endless_loop", counts = c.blocks > 1;
    expectReport(device.launch(c.kernel, c.blocks, c.threads, c.sharedBytes, out.memory,
                               lock     ? one.memory
                               : counts ? zero.memory
                                        : in.memory,
                               0),
                 "Defects.cu", c);
    EXPECT_EQ(device.launch(c.kernel, c.blocks, c.threads, c.sharedBytes, out.memory,
                            lock || counts ? again.memory : in.memory, 1),
              "");
  });
}
INSTANTIATE_TEST_SUITE_P(
    , DefectsWithInput,
    testing::Values(Case{"copy_not_waited_for", 64, 256, "is under way"}, Case{"copy_without_barrier", 64, 256, ""},
                    Case{"copy_over_readers", 64, 256, ""}, Case{"copy_alignment", 64, 256, "not aligned to 16 bytes"},
                    Case{"endless_loop", 64, 0, "loop of atomics"},
                    Case{"missing_release", 64, 4, "race: reads global", 4},
                    Case{"missing_acquire", 64, 4, "race: reads global", 4},
                    Case{"overlapping_tiles", 64, 0, "race: writes global", 4},
                    Case{"written_constant", 64, 0, "as constant"}, Case{"global_race", 64, 0, "race: reads global"}));

TEST_P(HopperDefects, IsReported) {
  const Case &c = GetParam();
  Device device("HopperDefects.so");
  Buffer<float> out{size_t(512)}; // four floats for each of 128 threads, or one
  Buffer<uint16_t> tensor(std::vector<uint16_t>(64 * 64, 1));
  CUtensorMap map;
  uint64_t dims[] = {64, 64}, strides[] = {128};
  uint32_t box[] = {64, 8}, ones[] = {1, 1};
  ASSERT_EQ(cuTensorMapEncodeTiled(&map, CU_TENSOR_MAP_DATA_TYPE_FLOAT16, 2, reinterpret_cast<void *>(tensor.memory),
                                   dims, strides, box, ones, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_NONE,
                                   CU_TENSOR_MAP_L2_PROMOTION_NONE, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE),
            CUDA_SUCCESS);
  underSchedules([&] {
    // What changes registers under way is only seen where the product is late.
    if (std::string(c.kernel) != "sums_touched" || getenv("LATHE_SIM_ASYNC") == std::string("late"))
      expectReport(device.launch(c.kernel, c.blocks, c.threads, c.sharedBytes, out.memory, map, 0), "HopperDefects.cu",
                   c);
    EXPECT_EQ(device.launch(c.kernel, c.blocks, c.threads, c.sharedBytes, out.memory, map, 1), "");
  });
}
INSTANTIATE_TEST_SUITE_P(
    , HopperDefects,
    testing::Values(Case{"tma_not_waited_for", 64, 2048, ""}, Case{"tma_waited_for_by_one", 64, 2048, ""},
                    Case{"wrong_bytes", 64, 2048, "phase 0 lacks 0 arrivals and 1024 bytes"},
                    Case{"wrong_parity", 64, 2048, ""}, Case{"tma_over_readers", 64, 3072, ""},
                    Case{"init_not_ordered", 64, 64, "mbarrier"}, Case{"init_not_fenced", 64, 2048, "fence_mbarrier"},
                    Case{"too_many_arrivals", 64, 2048, "all 63 arrivals"},
                    Case{"arrival_too_soon", 64, 64, "not ordered after the end of phase"},
                    Case{"tma_alignment", 64, 3072, "not aligned to 128 bytes"},
                    Case{"left_under_way", 64, 2048, "nobody waits for this tma_load"},
                    Case{"tma_over_writes", 64, 2048, "without fence_async_proxy"},
                    Case{"touched_barrier", 64, 64, "which is an mbarrier"},
                    Case{"unfenced_operands", 128, 2304, "without fence_async_proxy"},
                    Case{"unfenced_registers", 128, 2304, "without wgmma_fence"},
                    Case{"product_not_waited_for", 128, 2304, "nothing waits for it"},
                    Case{"operands_overwritten", 128, 2304, "not ordered after the asynchronous read"},
                    Case{"operands_differ", 128, 2304, "differ between the warps"},
                    Case{"three_warps", 128, 2304, "returns without it"},
                    Case{"descriptor_bounds", 128, 2304, "wgmma of shared address"},
                    Case{"descriptor_pattern", 128, 4096, "in the midst of its swizzle's pattern"},
                    Case{"codes_pattern", 128, 4096, "in the midst of its swizzle's pattern"},
                    Case{"codes_not_written", 128, 4096, "which nobody has written"},
                    Case{"descriptor_bits", 128, 2304, "multiples of 16"},
                    Case{"sums_touched", 128, 2304, "was changed in front of wgmma_wait"},
                    Case{"too_many_registers", 384, 0, "more than 65536"}));
} // namespace
