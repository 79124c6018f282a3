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
    if (size_t at = line.find("// DEFECT "); at != std::string::npos && line.substr(at + 10) == name)
      lines.insert(number);
  EXPECT_FALSE(lines.empty()) << name;
  return lines;
}

struct Case {
  const char *kernel;
  unsigned threads, sharedBytes;
  const char *words; // what the report says
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

TEST_P(Defects, IsReported) {
  const Case &c = GetParam();
  underSchedules([&] {
    expectReport(device.launch(c.kernel, 1, c.threads, c.sharedBytes, out.memory, 0), "Defects.cu", c);
    EXPECT_EQ(device.launch(c.kernel, 1, c.threads, c.sharedBytes, out.memory, 1), "");
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
        Case{"named_barriers", 64, 256, ""}, Case{"barrier_deadlock", 64, 0, "expected whole warps"},
        Case{"offset_for_address", 64, 256, "ldmatrix of shared address"}));

TEST_P(DefectsWithInput, IsReported) {
  const Case &c = GetParam();
  Buffer<float> in(std::vector<float>(64, 1.0f));
  underSchedules([&] {
    Buffer<int> zero(std::vector<int>(64, 0)), one(std::vector<int>(64, 1));
    bool lock = std::string(c.kernel) == "endless_loop";
    expectReport(device.launch(c.kernel, 1, c.threads, c.sharedBytes, out.memory, lock ? one.memory : in.memory, 0),
                 "Defects.cu", c);
    EXPECT_EQ(device.launch(c.kernel, 1, c.threads, c.sharedBytes, out.memory, lock ? zero.memory : in.memory, 1), "");
  });
}
INSTANTIATE_TEST_SUITE_P(, DefectsWithInput,
                         testing::Values(Case{"copy_not_waited_for", 64, 256, "is under way"},
                                         Case{"copy_without_barrier", 64, 256, ""},
                                         Case{"copy_over_readers", 64, 256, ""},
                                         Case{"copy_alignment", 64, 256, "not aligned to 16 bytes"},
                                         Case{"endless_loop", 64, 0, "loop of atomics"}));
} // namespace
