#include "tools/lathe-run/Npy.h"
#include <gtest/gtest.h>

using namespace lathe::tool;

namespace {
// A .npy file of the given version around a header and data.
std::vector<uint8_t> npy(const std::string &header, const std::string &data, int version = 1) {
  std::string text = std::string("\x93NUMPY") + char(version) + '\0';
  text += char(header.size() & 255);
  text += char(header.size() >> 8);
  if (version > 1)
    text += std::string(2, '\0');
  text += header + data;
  return {text.begin(), text.end()};
}

std::string dict(const std::string &descr, const std::string &shape, const std::string &order = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }\n";
}

std::string parseError(const std::vector<uint8_t> &bytes) {
  Tensor tensor;
  std::string error;
  EXPECT_FALSE(parseNpy(bytes.data(), bytes.size(), tensor, error));
  return error;
}

TEST(Npy, RoundTripsEveryType) {
  for (unsigned t = 0; t < kElementTypes; ++t) {
    Tensor in, out;
    in.type = ElementType(t);
    in.dims = {2, 3};
    for (unsigned i = 0; i < 6 * elementSize(in.type); ++i)
      in.bytes.push_back(uint8_t(in.type == ElementType::Bool ? i % 2 : 17 * i));
    std::vector<uint8_t> file = formatNpy(in);
    std::string error;
    ASSERT_TRUE(parseNpy(file.data(), file.size(), out, error)) << error;
    EXPECT_EQ(in.type, out.type);
    EXPECT_EQ(in.dims, out.dims);
    EXPECT_EQ(in.bytes, out.bytes);
    EXPECT_EQ((file.size() - in.bytes.size()) % 64, 0u);
  }
}

TEST(Npy, ReadsScalarsAndEmptyTensorsInEveryVersion) {
  for (int version : {1, 2, 3}) {
    Tensor tensor;
    std::string error;
    std::vector<uint8_t> scalar = npy(dict("<f4", "()"), std::string("\0\0\x80\x3f", 4), version);
    ASSERT_TRUE(parseNpy(scalar.data(), scalar.size(), tensor, error)) << error;
    EXPECT_TRUE(tensor.dims.empty());
    EXPECT_EQ(tensor.asDouble(0), 1);
    std::vector<uint8_t> empty = npy(dict("<i8", "(0, 4611686018427387904, 4)"), "", version);
    ASSERT_TRUE(parseNpy(empty.data(), empty.size(), tensor, error)) << error;
    EXPECT_EQ(tensor.count(), 0u);
  }
}

TEST(Npy, WritesTheHeadersNumPyWrites) {
  Tensor tensor;
  tensor.type = ElementType::I64;
  tensor.dims = {1};
  tensor.bytes.resize(8);
  std::vector<uint8_t> file = formatNpy(tensor);
  std::string text(file.begin(), file.end());
  EXPECT_NE(text.find("{'descr': '<i8', 'fortran_order': False, 'shape': (1,), }"), std::string::npos);
  tensor.dims = {1, 1};
  file = formatNpy(tensor);
  EXPECT_NE(std::string(file.begin(), file.end()).find("'shape': (1, 1), }"), std::string::npos);
}

TEST(Npy, RejectsWhatItCannotRead) {
  EXPECT_EQ(parseError({}), "it does not begin as a .npy file does");
  EXPECT_NE(parseError(npy(dict(">f4", "(1,)"), "abcd")).find("little-endian"), std::string::npos);
  EXPECT_NE(parseError(npy(dict("<f4", "(1,)", "True"), "abcd")).find("Fortran order"), std::string::npos);
  EXPECT_NE(parseError(npy(dict("<c8", "(1,)"), "abcdefgh")).find("'<c8'"), std::string::npos);
  EXPECT_NE(parseError(npy(dict("|O", "(1,)"), "a")).find("'|O'"), std::string::npos);
  EXPECT_NE(parseError(npy(dict("<f4", "(2,)"), "abcd")).find("needs 8 bytes, got 4"), std::string::npos);
  EXPECT_NE(parseError(npy(dict("<f4", "(1,)"), "abcde")).find("needs 4 bytes, got 5"), std::string::npos);
  EXPECT_NE(parseError(npy(dict("<f4", "(-1,)"), "")).find("non-negative"), std::string::npos);
  EXPECT_NE(parseError(npy(dict("<f4", "(99999999999999999999,)"), "")).find("63 bits"), std::string::npos);
  EXPECT_NE(parseError(npy(dict("<f4", "(4611686018427387904, 4)"), "")).find("more than 2^63"), std::string::npos);
  EXPECT_NE(parseError(npy("{'descr': '<f4'}", "")).find("lacks"), std::string::npos);
  EXPECT_NE(parseError(npy("{'descr': [('a', '<f4')]}", "")).find("structure"), std::string::npos);
  EXPECT_NE(parseError(npy(dict("<f4", "()") + "x", "abcd")).find("after the dictionary"), std::string::npos);
  EXPECT_NE(parseError(npy("not a dict", "")).find("not a dictionary"), std::string::npos);
  EXPECT_NE(parseError(npy(dict("<f4", "()"), "", 4)).find("version is 4"), std::string::npos);
}

TEST(Npy, RejectsEveryTruncation) {
  std::vector<uint8_t> whole = npy(dict("<f4", "(2, 1)"), "abcdefgh");
  for (size_t size = 0; size < whole.size(); ++size)
    parseError({whole.begin(), whole.begin() + long(size)});
}
} // namespace
